"""The stored episodes of a LeRobot dataset, all columns and videos, to copy into another dataset."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.assembly import StoredEpisode
from rt_vla_ros.data.column_statistics import KEYS, Statistics, image_statistics, row_statistics
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_info import image_size, is_grey, read_info, splits_of
from rt_vla_ros.data.lerobot_layout import ACTION, COUNTED, INFO, META, file_path, inside
from rt_vla_ros.data.lerobot_pictures import CameraPictures, TablePictures, VideoPictures
from rt_vla_ros.data.lerobot_rows import RecordedSteps, Row, instructions, read_episode_rows, read_sentences, read_steps
from rt_vla_ros.data.parquet import arrow, read_table
from rt_vla_ros.data.video_copy import VideoStretch

SAMPLES = 8  # pictures of an episode that are looked at for statistics where nobody has given them
OF_STEPS = ("episode_index", "tasks", "length", "dataset_from_index", "dataset_to_index")
OF_THE_END = "next."  # how the columns of what a step led to begin, such as next.done
Features = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class StepRange:
    """The time steps from `first` to just before `end` of an episode.

    same_action: the last one gets the action of the episode's last step, which may terminate.
    """

    first: int
    end: int
    same_action: bool = False


@dataclass
class EpisodeSource:
    """A dataset's episodes, by number from 0.

    rows: of meta/episodes, or equivalent. path_of: path of a kind of file ("data", "videos/COLUMN") of a row.
    facts: further values of each episode. facts_kinds: their pyarrow types. statistics: given ones, by episode.
    """

    directory: Path
    info: dict[str, Any]
    rows: Sequence[Row]
    steps: Sequence[RecordedSteps]
    sentences: Mapping[int, str] | None
    path_of: Callable[[str, Row], Path]
    facts: Sequence[Mapping[str, Any]]
    facts_kinds: Mapping[str, Any]
    statistics: Mapping[int, Mapping[str, Statistics]]
    _table: tuple[Path, Any] | None = field(default=None, init=False)
    _pictures: dict[str, CameraPictures] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for name, feature in self.features.items():
            if not isinstance(feature.get("dtype"), str):
                raise DatasetError(f"{self.directory / INFO}: the feature {name!r} has no dtype.")
        self.splits = ["train"] * len(self.rows)
        for name, part in splits_of(self.directory, self.info).items():
            for number in range(part.start, min(part.stop, len(self.rows))):
                self.splits[number] = name

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def features(self) -> Features:
        """The features of the columns, by name."""
        found: Features = self.info["features"]
        return found

    def said(self, number: int) -> tuple[str, ...]:
        """The instruction of each step of an episode. Raises DatasetError."""
        parts = instructions(self.directory, self.rows[number], self.steps[number], self.sentences)
        return tuple(sentence for _, length, sentence in parts for _ in range(length))

    def numbers(self, number: int, name: str) -> NDArray[np.float32]:
        """A numeric column of an episode's steps, (n, width). Raises DatasetError."""
        column = self._rows_of(number, {name: self.features[name]}).column(name)
        return np.asarray(column.to_pylist(), np.float32).reshape(len(column), -1)

    def episode(
        self, number: int, columns: Collection[str] | None = None, part: StepRange | None = None
    ) -> StoredEpisode:
        """columns: names; None: all. part: None: all steps.

        Raises DatasetError if it is damaged or lacks video frames.
        """
        wanted = {name: one for name, one in self.features.items() if columns is None or name in columns}
        with_pictures = [name for name, one in wanted.items() if one["dtype"] in ("video", "image")]
        for name in with_pictures:
            pictures = self._pictures_of(name)
            if pictures is not None:
                pictures.check(number)
        row, rate, kept = (
            self.rows[number],
            float(self.info["fps"]),
            part or StepRange(0, self.rows[number]["length"]),
        )
        starts = {name: row[f"videos/{name}/from_timestamp"] for name in wanted if wanted[name]["dtype"] == "video"}
        table = self._rows_of(number, wanted)
        return StoredEpisode(
            table=table if part is None else _part_of(table, part, rate),
            sentences=self.said(number)[kept.first : kept.end],
            videos={
                name: VideoStretch(
                    self.path_of(f"videos/{name}", row), start + kept.first / rate, start + kept.end / rate
                )
                for name, start in starts.items()
            },
            facts=self.facts[number],
            statistics={
                name: self._statistics(number, name, part) for name in with_pictures if self._pictures_of(name)
            },
            split=self.splits[number],
        )

    def _rows_of(self, number: int, wanted: Features) -> Any:
        """The columns of an episode's steps, as a pyarrow.Table."""
        path, rows = self.steps[number].path, self.steps[number].rows
        names = [name for name, one in wanted.items() if one["dtype"] != "video" and name not in COUNTED]
        names.append("timestamp")
        if self._table is None or self._table[0] != path:
            self._table = (path, read_table(path))
        table = self._table[1]
        missing = [name for name in names if name not in table.column_names]
        if missing:
            raise DatasetError(f"The table {path} lacks the columns {', '.join(missing)}, which meta/info.json names.")
        found = table.select(names).take(rows)
        for name in names:
            if wanted.get(name, {}).get("dtype") == "image":
                found = found.set_column(names.index(name), name, self._images(found.column(name)))
        return found

    def _images(self, column: Any) -> Any:
        """Inline the bytes of images stored in separate files."""
        cells = column.to_pylist()
        if all(cell is not None and cell["bytes"] is not None for cell in cells):
            return column
        for cell in cells:
            if cell and cell["bytes"] is None and cell["path"]:
                try:
                    cell["bytes"] = inside(self.directory, cell["path"]).read_bytes()
                except (OSError, ValueError) as error:
                    raise DatasetError(f"{self.directory}: cannot read an image: {error}") from error
        return arrow().array(cells, column.type)

    def _pictures_of(self, name: str) -> CameraPictures | None:
        """None for depth maps, which are not read."""
        feature = self.features[name]
        if is_grey(feature):
            return None
        if name not in self._pictures:
            size = image_size(self.directory, self.info, name)
            self._pictures[name] = (
                TablePictures(name, size, self.directory, self.steps)
                if feature["dtype"] == "image"
                else VideoPictures(
                    name,
                    size,
                    self.rows,
                    self.steps,
                    lambda row: self.path_of(f"videos/{name}", row),
                    float(self.info["fps"]),
                )
            )
        return self._pictures[name]

    def _statistics(self, number: int, name: str, part: StepRange | None) -> Statistics:
        """Recomputed from all frames for a part, as the given ones are of the whole episode."""
        pictures, length = self._pictures_of(name), int(self.rows[number]["length"])
        assert pictures is not None
        if part is not None:
            return image_statistics(pictures.read(number, part.first, part.end - part.first))
        given = self.statistics.get(number, {}).get(name, {})
        if all(np.size(given.get(key, ())) == (1 if key == "count" else 3) for key in KEYS):
            return {key: given[key] for key in KEYS}
        places = np.unique(np.linspace(0, length - 1, SAMPLES).round().astype(int)).tolist()
        return image_statistics(image for at in places for image in pictures.read(number, at, 1))


def _part_of(table: Any, part: StepRange, rate: float) -> Any:
    """Those rows of an episode, with timestamps from 0."""
    pa, rows = arrow(), np.arange(part.first, part.end)
    found, ends = table.take(rows), np.append(rows[:-1], len(table) - 1)
    for place, name in enumerate(table.column_names):
        column = table.column(name)
        if name == "timestamp":
            stamps = column.to_numpy()[rows] - part.first / rate
            found = found.set_column(place, name, pa.array(stamps).cast(column.type))
        elif name.startswith(OF_THE_END) or (name == ACTION and part.same_action):
            found = found.set_column(place, name, column.take(ends))
    return found


def open_dataset(directory: Path) -> tuple[EpisodeSource, ActionCard]:
    """A LeRobot dataset v3.0 and its action card, checked as before training. Raises DatasetError, ActionCardError."""
    card = LeRobotDataset(directory).card
    info = read_info(directory)
    kinds = ["data", *(f"videos/{name}" for name, one in info["features"].items() if one.get("dtype") == "video")]
    rows = read_episode_rows(directory, info, kinds)

    def path_of(kind: str, row: Row) -> Path:
        names = {name: row[f"{kind}/{name}"] for name in ("chunk_index", "file_index")}
        if kind == "data":
            return file_path(directory, info, "data_path", **names)
        return file_path(directory, info, "video_path", video_key=kind.removeprefix("videos/"), **names)

    steps = read_steps(rows, lambda row: path_of("data", row), float(info["fps"]))
    facts: list[dict[str, Any]] = [{} for _ in rows]
    statistics, facts_kinds = dict[int, Mapping[str, Statistics]](), dict[str, Any]()
    for path in sorted((directory / META / "episodes").glob("*/[!.]*.parquet")):
        table = read_table(path)
        names = [name for name in table.column_names if "/" not in name and name not in OF_STEPS]
        facts_kinds |= {name: table.schema.field(name).type for name in names}
        for row in table.to_pylist():
            number = row["episode_index"]
            if number < len(rows):
                facts[number] = {name: row[name] for name in names}
                statistics[number] = row_statistics(row)
    source = EpisodeSource(
        directory, info, rows, steps, read_sentences(directory), path_of, facts, facts_kinds, statistics
    )
    return source, card
