"""Opens a dataset piece by piece: what the reader rejects becomes a finding, and the rest is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard, CameraSpec
from rt_vla_ros.data.check.audit import audit_problems
from rt_vla_ros.data.check.commanders import (
    Columns,
    cells_of,
    commander_columns,
    commander_finding,
    commander_problem,
    does_what_is_said,
)
from rt_vla_ros.data.check.finding import DataFinding
from rt_vla_ros.data.check.recorded import RecordedEpisode
from rt_vla_ros.data.episode import SCENE_SIZE, DatasetError
from rt_vla_ros.data.lerobot_info import (
    check_camera,
    check_feature_rates,
    check_joint_positions,
    check_numbers,
    check_rate,
    held_out,
    image_size,
    read_info,
)
from rt_vla_ros.data.lerobot_layout import (
    ACTION,
    COUNTED,
    META,
    SCENE,
    STATE,
    camera_column,
    file_path,
    names_of,
)
from rt_vla_ros.data.lerobot_pictures import CameraPictures, TablePictures, VideoPictures
from rt_vla_ros.data.lerobot_rows import (
    RecordedSteps,
    Row,
    check_counts,
    check_stretches,
    instructions,
    read_sentences,
    read_steps,
    rows_of,
)
from rt_vla_ros.data.parquet import read_lists, read_numbers
from rt_vla_ros.data.video import VideoReader

TIP, TURN = ("tip:x", "tip:y", "tip:z"), ("tip:rx", "tip:ry", "tip:rz")
RATE_MARGIN = 0.05  # of a video's period


class OpenedSet:
    """The readable parts of a dataset, and findings for the rest.

    info, card: None where they cannot be read. rows: meta/episodes by episode; episodes: their time steps, in order,
    without images. pictures: the readers of the cameras whose images can be read, and `cameras` their specifications.
    """

    def __init__(self, directory: Path) -> None:
        """Problems of the dataset are not raised."""
        self.directory, self.findings = Path(directory), list[DataFinding]()
        self.info: dict[str, Any] | None = None
        self.card: ActionCard | None = None
        self.rows, self.episodes = dict[int, Row](), list[RecordedEpisode]()
        self.cameras, self.pictures = dict[str, CameraSpec](), dict[str, CameraPictures]()
        self._steps = dict[int, RecordedSteps]()
        with self._noting("info"):
            self.info = read_info(self.directory)
        with self._noting("card"):
            self.card = ActionCard.load(self.directory / META)
        if self.info is not None:
            self._read(self.info)

    @property
    def rate(self) -> float:
        """Frames per second [Hz]."""
        return float(self.info["fps"]) if self.info is not None else 0.0

    def column(self, number: int, name: str) -> list[Any] | None:
        """Any column of an episode, one value for each time step; None if there is none. Raises DatasetError."""
        steps = self._steps[number]
        found = read_lists(steps.path, [name]).get(name)
        return None if found is None else [found[row] for row in steps.rows.tolist()]

    def picture_failure(self, camera: str, episode: int, error: DatasetError) -> DataFinding:
        """The finding for an episode whose images could not be read."""
        column, code = camera_column(self.cameras[camera]), "video-unreadable"
        if isinstance(self.pictures[camera], VideoPictures):
            code = "picture-missing"
            try:
                path = self._path(f"videos/{column}", self.rows[episode])
                times = VideoReader().times(path, *image_size(self.directory, self.info or {}, column))
                period = float(np.median(np.diff(times))) if len(times) > 1 else 1 / self.rate
                if abs(period * self.rate - 1) > RATE_MARGIN:
                    return DataFinding(
                        "video-rate",
                        f"The video {path} has a frame every {period:.3f} s, expected every {1 / self.rate:.3f} s "
                        f"(fps). {error}",
                        (episode,),
                    )
            except DatasetError:
                code = "video-unreadable"
        return DataFinding(code, str(error), (episode,))

    def _read(self, info: dict[str, Any]) -> None:
        columns = self._check_features(info)
        kinds = ["data"]
        for camera in self.cameras.values():
            if info["features"][camera_column(camera)]["dtype"] == "video":
                kinds.append(f"videos/{camera_column(camera)}")
        self._read_rows(info, kinds)
        self._read_tables(columns)
        self._read_words()
        for camera in self.cameras.values() if set(self.rows) == set(self._steps) else ():
            self.pictures[camera.name] = self._pictures_of(camera, info)

    @contextmanager
    def _noting(self, code: str, *episodes: int) -> Iterator[None]:
        try:
            yield
        except (ValueError, TypeError, OSError) as error:  # DatasetError and ActionCardError are ValueErrors
            self.findings.append(DataFinding(code, str(error), episodes))

    def _check_features(self, info: dict[str, Any]) -> list[str]:
        """The numeric columns that match the card."""
        columns = list[str]()
        if self.card is None:
            return columns
        with self._noting("rate"):
            check_rate(self.directory, info, self.card)
        for column, names in names_of(self.card).items():
            with self._noting("column"):
                check_numbers(self.directory, info, column, names)
                columns.append(column)
        if ACTION in columns:
            with self._noting("joint-positions"):
                check_joint_positions(self.directory, info, self.card)
        for camera in self.card.cameras:
            there = info["features"].get(camera_column(camera), {}).get("dtype") in ("video", "image")
            with self._noting("camera-depth" if there else "camera-column"):
                check_camera(self.directory, info, camera)
                self.cameras[camera.name] = camera
                if info["features"][camera_column(camera)]["dtype"] == "image":
                    what = f"The camera {camera.name!r} stores its images in the tables ({camera_column(camera)})."
                    self.findings.append(DataFinding("images-in-tables", what))
        with self._noting("rate"):
            check_feature_rates(self.directory, info, self.card)
        with self._noting("splits"):
            held_out(self.directory, info)
        return columns

    def _read_rows(self, info: dict[str, Any], kinds: Sequence[str]) -> None:
        found = list[Row]()
        for path in sorted((self.directory / "meta/episodes").glob("*/[!.]*.parquet")):
            with self._noting("episode-table"):
                found += [
                    row | problems for row, problems in zip(rows_of(path, kinds), audit_problems(path), strict=True)
                ]
        total = info["total_episodes"]
        rows = sorted((row for row in found if row["episode_index"] < total), key=lambda row: int(row["episode_index"]))
        self.rows = {int(row["episode_index"]): row for row in rows}
        with self._noting("episode-table"):
            if total < 1 or [row["episode_index"] for row in rows] != list(range(total)):
                what = (
                    f"meta/episodes has {len(rows)} rows for {total} episodes, expected one for each and at least one"
                )
                raise DatasetError(f"The dataset {self.directory} is incomplete: {what}.")
            with self._noting("episode-rows"):
                check_counts(self.directory, info, rows)
            for kind in kinds[1:]:
                with self._noting("video-stretch"):
                    check_stretches(self.directory, rows, kind, info["fps"])

    def _path(self, kind: str, row: Row) -> Path:
        """Path of an episode's file of a kind, "data" or "videos/COLUMN". Raises DatasetError if it is missing."""
        names: dict[str, str | int] = {name: row[f"{kind}/{name}"] for name in ("chunk_index", "file_index")}
        names |= {} if kind == "data" else {"video_key": kind.removeprefix("videos/")}
        path = file_path(self.directory, self.info or {}, "data_path" if kind == "data" else "video_path", **names)
        if not path.is_file():
            raise DatasetError(f"The dataset {self.directory} is incomplete: {path} is missing.")
        return path

    def _read_tables(self, columns: Sequence[str]) -> None:
        """The time steps by the tables' episode_index, regardless of the rows in meta/episodes."""
        known = {finding.code for finding in self.findings}
        if self.rows and not known & {"episode-table", "episode-rows"}:
            with self._noting("steps"):
                read_steps(list(self.rows.values()), lambda row: self._path("data", row), self.rate)
        files = defaultdict[Path, set[int]](set)
        for number, row in self.rows.items():
            with self._noting("steps", number) if not self.findings else _silent():
                files[self._path("data", row)].add(number)
        features = self.info["features"] if self.info else {}
        widths: dict[str, int | None] = {name: 0 if name == "timestamp" else None for name in COUNTED}
        widths |= {
            name: len(names) for name, names in (names_of(self.card) if self.card else {}).items() if name in columns
        }
        widths |= {SCENE: SCENE_SIZE} if features.get(SCENE, {}).get("shape") == [SCENE_SIZE] else {}
        strange = dict[int, str]()
        for path, numbers in sorted(files.items()):
            known = {finding.code for finding in self.findings}
            with self._noting("steps") if "steps" not in known else _silent():
                strange |= self._take(path, read_numbers(path, widths), commander_columns(path, features), numbers)
        self.episodes.sort(key=lambda episode: episode.number)
        if strange:
            self.findings.append(commander_finding(strange))

    def _take(
        self, path: Path, table: dict[str, NDArray[Any]], commanders: Columns, numbers: set[int]
    ) -> dict[int, str]:
        """The episodes of a file. Returns problems of the commander columns, by episode."""
        strange = dict[int, str]()
        order = np.lexsort((table["frame_index"], table["episode_index"]))
        found, starts = np.unique(table["episode_index"][order], return_index=True)
        for number, rows in zip(found.tolist(), np.split(order, starts[1:]), strict=True):
            if number not in numbers:
                continue
            part = {name: column[rows] for name, column in table.items()}
            stamps = part["timestamp"].astype(np.float64)
            self._steps[number] = RecordedSteps(path, rows, stamps, part["task_index"].astype(np.int64))
            row = self.rows[number]
            success = row.get("success")
            leader, who = row.get("leader", "unknown"), cells_of(commanders, rows.tolist())
            if problem := commander_problem(leader, who):
                strange[number] = problem
            self.episodes.append(
                RecordedEpisode(
                    number=number,
                    values=part[ACTION].astype(np.float32) if ACTION in part else np.zeros((len(rows), 0), np.float32),
                    stamps=stamps,
                    tasks=part["task_index"].astype(np.int64),
                    states=part[STATE].astype(np.float32) if STATE in part else None,
                    tool=self._measured(part, TIP),
                    turn=self._measured(part, TURN),
                    success=None if success is None else bool(success),
                    problems=row["problems"],
                    own=does_what_is_said(leader, who),
                )
            )
        return strange

    def _measured(self, part: dict[str, NDArray[Any]], sources: tuple[str, ...]) -> NDArray[np.float64] | None:
        """The tip's position or rotation vector, (N, 3), from the state or, in simulated datasets, the scene."""
        there = [one.source for one in self.card.state] if self.card is not None and STATE in part else []
        if all(source in there for source in sources):
            return np.asarray(part[STATE][:, [there.index(source) for source in sources]], np.float64)
        return np.asarray(part[SCENE][:, 3:6], np.float64) if sources == TIP and SCENE in part else None

    def _read_words(self) -> None:
        sentences: dict[int, str] | None = None
        with self._noting("tasks"):
            sentences = read_sentences(self.directory)
        without = [number for number, row in self.rows.items() if row.get("tasks") is None]
        if without:
            self.findings.append(DataFinding("tasks-column", "meta/episodes has no tasks.", tuple(without)))
        changing, unknown = list[int](), dict[int, DatasetError]()
        for episode in self.episodes:
            try:
                steps = self._steps[episode.number]
                parts = instructions(self.directory, self.rows[episode.number], steps, sentences)
                episode.sentences = tuple(sentence for _, _, sentence in parts)
                changing += [episode.number] * (len(parts) > 1)
            except DatasetError as error:
                unknown[episode.number] = error
        if unknown:
            self.findings.append(DataFinding("tasks", str(next(iter(unknown.values()))), tuple(unknown)))
        if changing:
            what = f"{len(changing)} episodes have several instructions in sequence."
            self.findings.append(DataFinding("instruction-changes", what, tuple(changing)))

    def _pictures_of(self, camera: CameraSpec, info: dict[str, Any]) -> CameraPictures:
        column, steps = camera_column(camera), self._steps
        size = image_size(self.directory, info, column)
        if info["features"][column]["dtype"] == "image":
            return TablePictures(column, size, self.directory, steps)
        return VideoPictures(column, size, self.rows, steps, lambda row: self._path(f"videos/{column}", row), self.rate)


@contextmanager
def _silent() -> Iterator[None]:
    """For a fact that has been said."""
    with suppress(DatasetError, OSError):
        yield
