"""Writes datasets in the LeRobot format v3.0, several episodes per file, each file atomically."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rt_vla_ros.action_space.card import CARD_FILE, ActionCard, ActionCardError
from rt_vla_ros.action_space.chunk import EndEffectorStep
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.column_statistics import Statistics, column_statistics, merged_columns, row_statistics
from rt_vla_ros.data.encoded_episode import EncodedEpisode, EpisodeEncoder
from rt_vla_ros.data.episode import DatasetError, Episode, EpisodeLabels, card_difference
from rt_vla_ros.data.lerobot_info import check_kinds, read_info
from rt_vla_ros.data.lerobot_layout import (
    ACTION,
    COMMANDER,
    DATA,
    EPISODES,
    FILES_PER_CHUNK,
    INFO,
    INTERVENTION,
    META,
    ROBOT,
    SCENE,
    STATE,
    STATISTICS,
    TASKS,
    VERSION,
    VIDEO,
    camera_column,
    features,
    kinds_of_files,
    numbered,
    optional_columns,
    place,
    video_format,
    write_json,
)
from rt_vla_ros.data.lerobot_rows import read_episode_rows
from rt_vla_ros.data.parquet import arrow, read_table, write_table
from rt_vla_ros.data.video import CODECS, write_video

LATE = 1e-3  # how far a stamp may be from its place in the rate [s]


class LeRobotWriter:
    """Appends episodes to a new or existing dataset.

    Episodes are kept in memory until there are `episodes_per_file`; then a table, a video per camera and the rows that
    describe them are written to temporary files and renamed, and info.json with the counts is written last. The next
    writer removes what a killed one left uncounted.
    """

    def __init__(
        self,
        directory: Path,
        card: ActionCard,
        *,
        with_scene: bool,
        with_commanders: bool = False,
        episodes_per_file: int = 50,
        codec: str = "lossless",
        robot: str = ROBOT,
    ) -> None:
        """with_scene, with_commanders: whether the episodes have `scene`, and `interventions` and `commanders`.

        codec: of the videos, a name in data.video.CODECS. robot: name of the robot, for a new dataset.

        Raises ActionCardError for a dataset with another action card, DatasetError for a directory that contains
        something else, and for a control rate that is not a whole number of frames per second. OSError.
        """
        self.directory, self.card = Path(directory), card
        if abs(card.control_rate - round(card.control_rate)) > 1e-9:
            raise DatasetError(
                f"The card's control_rate is {card.control_rate} Hz; LeRobot needs a whole number of frames per second."
            )
        self.rate, self.episodes_per_file, self.codec = round(card.control_rate), episodes_per_file, codec
        self._robot = robot
        self._check_codec()
        self.optional = frozenset([SCENE] * with_scene + [INTERVENTION, COMMANDER] * with_commanders)
        arrow()
        self._buffer: list[Episode | EncodedEpisode] = []
        self._tasks: dict[str, int] = {}
        self._statistics: dict[str, Statistics] = {}
        self.episodes = self.frames = self._files = 0
        if (self.directory / INFO).exists():
            self._carry_on()
        else:
            self._begin()

    def encoder(self) -> EpisodeEncoder:
        """Encoder for the images of an episode in progress, one at a time; commits what was added. Raises OSError.

        Once closed, `add` the EncodedEpisode. The next writer removes what a killed process leaves.
        """
        self.commit()
        paths = {one.name: _beside(self._path(VIDEO, video_key=camera_column(one))) for one in self.card.cameras}
        return EpisodeEncoder(paths, self.rate, self.codec)

    def add(self, episode: Episode | EncodedEpisode) -> None:
        """Add an episode; it is on disk after the next `commit`, which is called automatically from time to time.

        An EncodedEpisode is written at once, and lost if that fails.
        Raises ActionCardError, DatasetError, OSError.
        """
        if episode.card != self.card:
            difference = card_difference(self.card, episode.card) or "its name"
            raise ActionCardError(f"The episode has a different action card ({difference}).")
        for column in optional_columns(episode) ^ self.optional:
            raise DatasetError(f"The column {column!r} is in some episodes only; expected in all or none.")
        ideal = episode.stamps[0] + np.arange(len(episode)) / self.rate
        if np.abs(episode.stamps - ideal).max() > LATE:
            raise DatasetError(
                f"The episode's timestamps are not {1 / self.rate:g} s apart, as required by its card's rate."
            )
        self._buffer.append(episode)
        if isinstance(episode, EncodedEpisode):
            try:
                self.commit()
            finally:
                self._buffer.clear()
        if len(self._buffer) >= self.episodes_per_file:
            self.commit()

    def relabel(self, *, success: bool) -> bool | None:
        """Set the success label of the last episode; its actions are not changed.

        Returns whether one of them terminates; None if the card has no terminate, or it is unknown.
        Raises DatasetError if there is none, OSError.
        """
        if not self.episodes:
            raise DatasetError(f"{self.directory} has no episodes yet.")
        path = max(self.directory.glob("meta/episodes/*/*.parquet"), key=_file_number)
        table = read_table(path)
        at, labels = len(table.column_names), list[bool | None]([None] * len(table))  # as a merged one may have it
        if "success" in table.column_names:
            at, labels = table.schema.get_field_index("success"), table.column("success").to_pylist()
            table = table.remove_column(at)
        changed = table.add_column(at, "success", arrow().array([*labels[:-1], success], arrow().bool_()))
        try:
            write_table(changed, _beside(path))
            _beside(path).replace(path)
        finally:
            _beside(path).unlink(missing_ok=True)
        return self._terminates(table)

    def _terminates(self, rows: Any) -> bool | None:
        """Whether the last of these episodes has a terminating action; None: no terminate, or no statistics."""
        index = self.card.index("terminate")
        if index is None or f"stats/{ACTION}/min" not in rows.column_names:
            return None
        still = np.zeros(3)
        ends = ActionTokenizer(self.card).from_step(EndEffectorStep(still, still, 0.0, terminate=True))[index]
        extremes = [rows.column(f"stats/{ACTION}/{name}")[-1].as_py()[index] for name in ("min", "max")]
        return bool(np.isclose(extremes, ends).any())

    def commit(self) -> None:
        """Write what was added. Raises OSError; the dataset is then unchanged."""
        if not self._buffer:
            return
        new_tasks = [text for e in self._buffer for text in _sentences(e) if text not in self._tasks]
        tasks = self._tasks | {task: len(self._tasks) + i for i, task in enumerate(dict.fromkeys(new_tasks))}
        own = [_statistics(episode) for episode in self._buffer]
        statistics = merged_columns([*([self._statistics] if self._statistics else []), *own])
        self._write_files(tasks, own)
        write_table(tasks_table(tasks), _beside(self.directory / TASKS))
        _beside(self.directory / TASKS).replace(self.directory / TASKS)
        write_json(self.directory / STATISTICS, statistics)
        episodes, frames = self.episodes + len(self._buffer), self.frames + sum(map(len, self._buffer))
        write_json(self.directory / INFO, self._info(episodes, frames, len(tasks)))
        self._tasks, self._statistics = tasks, statistics
        self.episodes, self.frames, self._files = episodes, frames, self._files + 1
        self._buffer.clear()

    def _write_files(self, tasks: dict[str, int], own: list[dict[str, Statistics]]) -> None:
        """Write the new table, videos and rows to temporary files, then rename all of them."""
        writes: dict[Path, Callable[[Path], object]] = {}
        for camera in self.card.cameras:
            key = camera_column(camera)
            writes[self._path(VIDEO, video_key=key)] = partial(self._write_video, camera.name)
        writes[self._path(DATA)] = lambda path: write_table(self._data_table(tasks), path)
        writes[self._path(EPISODES)] = lambda path: write_table(self._rows_table(own), path)
        try:
            for path, write in writes.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                write(_beside(path))
            for path in writes:
                _beside(path).replace(path)
        except BaseException:
            for path in writes:
                _beside(path).unlink(missing_ok=True)
                path.unlink(missing_ok=True)
            raise

    def _write_video(self, camera: str, path: Path) -> None:
        episodes = [episode for episode in self._buffer if isinstance(episode, Episode)]
        if episodes:  # an encoded one has its own there
            images = (image for episode in episodes for image in episode.images[camera])
            write_video(path, images, self.rate, self.codec)

    def _path(self, pattern: str, **names: str) -> Path:
        return self.directory / place(pattern, self._files, **names)

    def _begin(self) -> None:
        card = self.directory / META / CARD_FILE
        begun = {card.parent, card, _beside(card), _beside(self.directory / INFO)}  # and killed before it was counted
        if any(path not in begun for path in self.directory.rglob("*")):
            raise DatasetError(
                f"{self.directory} contains something other than a dataset; choose a new or empty directory."
            )
        if card.exists():
            self._own_card()
        write_json(card, self.card.to_dict())
        write_json(self.directory / INFO, self._info(0, 0, 0))

    def _own_card(self) -> ActionCard:
        there = ActionCard.load(self.directory / META)
        difference = card_difference(there, self.card)
        if difference:
            raise ActionCardError(
                f"{self.directory} has a different action card ({difference}). Choose another directory."
            )
        return there

    def _carry_on(self) -> None:
        info = read_info(self.directory)
        check_kinds(self.directory / INFO, info, {"total_frames": int, "total_tasks": int})
        self.card = self._own_card()
        ours = features(self.card, self.rate, self.optional, self.codec)
        mine, its = ({name: one["dtype"] for name, one in some.items()} for some in (ours, info["features"]))
        if mine != its:
            different = ", ".join(repr(name) for name in sorted({*mine, *its}) if mine.get(name) != its.get(name))
            raise DatasetError(f"{self.directory} was created with different columns ({different}).")
        for column in map(camera_column, self.card.cameras):
            if video_format(info["features"].get(column, {})) not in ((None, None), video_format(ours[column])):
                raise DatasetError(f"{self.directory} was created with a video codec other than {self.codec!r}.")
        self._robot = info.get("robot_type", self._robot)
        self.episodes, self.frames = info["total_episodes"], info["total_frames"]
        if self.episodes:
            kinds = ["data", *(f"videos/{camera_column(camera)}" for camera in self.card.cameras)]
            read_episode_rows(self.directory, info, kinds)
        self._files = self._remove_uncounted()
        if self.episodes:
            table = read_table(self.directory / TASKS).to_pydict()
            counted = zip(table["task"], table["task_index"], strict=True)
            self._tasks = {task: number for task, number in counted if number < info["total_tasks"]}
            self._statistics = merged_columns(list(self._written_statistics()))

    def _check_codec(self) -> None:
        """Raises DatasetError for image sizes that the codec does not support."""
        for camera in self.card.cameras:
            if CODECS[self.codec].source == "yuv420p" and (camera.width % 2 or camera.height % 2):
                raise DatasetError(
                    f"The camera {camera.name!r} has {camera.width}x{camera.height} pixels; the codec {self.codec!r} "
                    'subsamples the colors and needs even sizes. Use "lossless".'
                )

    def _remove_uncounted(self) -> int:
        """Remove files of episodes that info.json does not count. Returns the number of the next file."""
        numbers = [0]
        for path in self.directory.glob("meta/episodes/*/*.parquet"):
            for row in read_table(path).to_pylist():
                if row["episode_index"] < self.episodes:
                    numbers.append(_file_number(path) + 1)
                    numbers += [numbered(row, kind) + 1 for kind in kinds_of_files(row)]
        for path in self.directory.glob(f"{META}/*.part"):
            path.unlink()
        for path in [*self.directory.glob("*/*/*/file-*"), *self.directory.glob("data/*/file-*")]:
            if path.suffix == ".part" or _file_number(path) >= max(numbers):
                path.unlink()
        return max(numbers)

    def _written_statistics(self) -> Iterator[dict[str, Statistics]]:
        """Statistics of every episode, from its row: stats.json may include removed ones."""
        for path in sorted(self.directory.glob("meta/episodes/*/*.parquet")):
            yield from map(row_statistics, read_table(path).to_pylist())

    def _info(self, episodes: int, frames: int, tasks: int) -> dict[str, Any]:
        return {
            "codebase_version": VERSION,
            "robot_type": self._robot,
            "total_episodes": episodes,
            "total_frames": frames,
            "total_tasks": tasks,
            "chunks_size": FILES_PER_CHUNK,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": self.rate,
            "splits": {"train": f"0:{episodes}"},
            "data_path": DATA,
            "video_path": VIDEO,
            "features": features(self.card, self.rate, self.optional, self.codec),
        }

    def _data_table(self, tasks: dict[str, int]) -> Any:
        pa = arrow()
        lengths = [len(episode) for episode in self._buffer]
        frame = np.concatenate([np.arange(length) for length in lengths])
        columns = {
            ACTION: _lists(np.concatenate([episode.values for episode in self._buffer])),
            "timestamp": pa.array((frame / self.rate).astype(np.float32)),
            "frame_index": pa.array(frame.astype(np.int64)),
            "episode_index": pa.array(np.repeat(self.episodes + np.arange(len(lengths)), lengths)),
            "index": pa.array(self.frames + np.arange(len(frame))),
            "task_index": pa.array([tasks[text] for e in self._buffer for text in _sentences(e)], pa.int64()),
        }
        for name, parts in ((STATE, [e.states for e in self._buffer]), (SCENE, [e.scene for e in self._buffer])):
            if there := [part for part in parts if part is not None]:  # all or none, by the card and `add`
                columns[name] = _lists(np.concatenate(there))
        if INTERVENTION in self.optional:
            columns[INTERVENTION] = pa.array(np.concatenate([e.interventions for e in self._buffer]))
        if COMMANDER in self.optional:
            columns[COMMANDER] = pa.array([one for e in self._buffer for one in e.commanders or ()], pa.string())
        return pa.table(columns)

    def _rows_table(self, own: list[dict[str, Statistics]]) -> Any:
        rows, start = [], 0
        number = {"chunk_index": self._files // FILES_PER_CHUNK, "file_index": self._files % FILES_PER_CHUNK}
        for i, episode in enumerate(self._buffer):
            row: dict[str, Any] = {
                "episode_index": self.episodes + i,
                "tasks": list(dict.fromkeys(_sentences(episode))),
                "length": len(episode),
                "dataset_from_index": self.frames + start,
                "dataset_to_index": self.frames + start + len(episode),
                **{name: getattr(episode, name) for name in ("leader", "success", "suite", "seed", "audit")},
            }
            videos = [f"videos/{camera_column(camera)}" for camera in self.card.cameras]
            for kind in ("data", "meta/episodes", *videos):
                row |= {f"{kind}/{name}": value for name, value in number.items()}
            for kind in videos:
                row[f"{kind}/from_timestamp"] = start / self.rate
                row[f"{kind}/to_timestamp"] = (start + len(episode)) / self.rate
            row |= {f"stats/{column}/{key}": v for column, found in own[i].items() for key, v in found.items()}
            rows.append(row)
            start += len(episode)
        return arrow().Table.from_pylist(rows)


def _sentences(episode: EpisodeLabels) -> tuple[str, ...]:
    """One value for each time step."""
    if isinstance(episode, EncodedEpisode):
        return episode.instructions
    return (episode.instruction,) * len(episode)


def _statistics(episode: Episode | EncodedEpisode) -> dict[str, Statistics]:
    """Values of each column, in the order of the table."""
    numbers: dict[str, Any] = {ACTION: episode.values, STATE: episode.states, SCENE: episode.scene}
    found = {k: column_statistics(v.astype(np.float32)) for k, v in numbers.items() if v is not None}
    for camera in episode.card.cameras:
        images = episode.images[camera.name]
        found[camera_column(camera)] = images if isinstance(images, dict) else column_statistics(images)
    return found


def _lists(values: Any) -> Any:
    pa = arrow()
    return pa.FixedSizeListArray.from_arrays(pa.array(values.astype(np.float32).ravel()), values.shape[1])


def tasks_table(tasks: dict[str, int]) -> Any:
    """Written as pandas writes a frame with the index "task", as the lerobot package expects."""
    pa = arrow()
    kinds = (("task_index", "int64", "int64"), ("task", "unicode", "object"))
    about = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": stored, "metadata": None}
            for name, kind, stored in kinds
        ],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.0.0",
    }
    table = pa.table({"task_index": pa.array(list(tasks.values()), pa.int64()), "task": pa.array(list(tasks))})
    return table.replace_schema_metadata({b"pandas": json.dumps(about).encode()})


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _file_number(path: Path) -> int:
    """The global number of a file, over all chunks."""
    chunk, file = path.parent.name.removeprefix("chunk-"), path.name.partition(".")[0].removeprefix("file-")
    return int(chunk) * FILES_PER_CHUNK + int(file)
