"""Builds LeRobot datasets v3.0 from already recorded episodes, without re-encoding."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rt_vla_ros.action_space.card import CARD_FILE, ActionCard
from rt_vla_ros.data.column_statistics import Statistics, column_statistics, merged_columns, row_statistics
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_layout import (
    COUNTED,
    DATA,
    EPISODES,
    FILES_PER_CHUNK,
    INFO,
    META,
    STATISTICS,
    TASKS,
    VERSION,
    VIDEO,
    kinds_of_files,
    numbered,
    place,
    write_json,
)
from rt_vla_ros.data.lerobot_writer import tasks_table
from rt_vla_ros.data.new_place import check_new, unfinished_place
from rt_vla_ros.data.parquet import arrow, read_table, write_table
from rt_vla_ros.data.video_copy import VideoStretch, copy_stretch
from rt_vla_ros.json_file import read_object

MARKER = "unfinished.json"
"""In META: the sources of the dataset being built; removed once it is complete."""
MOST_BYTES = 64 << 20  # of time steps that are kept until they are written
ROWS_WITH_IMAGES = 64  # a group of rows that has images; a reader of one image reads a group
NUMBERS = ("float", "int", "uint")
UNKNOWN = {"leader": "unknown", "suite": "", "seed": -1, "audit": "", "source": ""}
"""Values of a row of meta/episodes for missing ones; `success` is null then."""


@dataclass(frozen=True, kw_only=True)
class StoredEpisode:
    """n time steps as stored in a dataset.

    table: pyarrow.Table of n rows: the timestamps and all columns but the index columns, by name.
    sentences: instruction of each step. videos: by column. facts: of meta/episodes, except the location of the steps.
    statistics: of columns whose values are not in the table. split: the part of the dataset it is in, such as "train".
    """

    table: Any
    sentences: tuple[str, ...]
    videos: Mapping[str, VideoStretch] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    statistics: Mapping[str, Statistics] = field(default_factory=dict)
    split: str = "train"


class DatasetAssembly:
    """Appends episodes to a dataset in OUT.part, which is renamed to OUT when finished.

    An interrupted build resumes after the last written episodes: `episodes` is their number. Episodes are written in
    groups of `episodes_per_file` or MOST_BYTES.
    """

    def __init__(
        self,
        out: Path,
        card: ActionCard,
        info: Mapping[str, Any],
        about: Mapping[str, Any],
        *,
        facts: Mapping[str, Any] | None = None,
        episodes_per_file: int = 1000,
        link: bool = False,
    ) -> None:
        """info: as in meta/info.json; counts are recomputed. facts: pyarrow types of the episodes' facts.

        about: the sources of the dataset; resuming with other sources is refused. link: see `copy_file`.
        Raises DatasetError, OSError.
        """
        check_new(out)
        self.out, self.directory, self.card, self._link = out, unfinished_place(out), card, link
        self._info, self._facts, self._per_file = dict(info), dict(facts or {}), episodes_per_file
        self._buffer: list[StoredEpisode] = []
        self._tasks: dict[str, int] = {}
        self._splits: dict[str, list[int]] = {}
        self._statistics: dict[str, Statistics] | None = None
        self._files: dict[str, int] = {}
        self._schema: Any = None
        self.episodes = self.frames = self._bytes = 0
        self.last: dict[str, Any] = {}
        marker = self.directory / META / MARKER
        if marker.exists():
            self._carry_on(read_object(marker, DatasetError), dict(about))
        elif self.directory.exists() and any(self.directory.iterdir()):
            raise DatasetError(f"{self.directory}, where {out} is built, contains something else; remove it.")
        else:
            write_json(marker, about)

    def add(self, episode: StoredEpisode) -> None:
        """Add the next episode; episodes of a split must be consecutive. Raises DatasetError, OSError."""
        schema = self._schema or episode.table.schema
        try:
            table = episode.table.cast(schema)
        except (arrow().ArrowException, ValueError) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            where = f"Episode {self.episodes + len(self._buffer)} of {self.out}"
            raise DatasetError(f"{where} has different columns than the previous ones: {reason}.") from error
        self._schema = schema
        self._buffer.append(StoredEpisode(**{**episode.__dict__, "table": table}))
        self._bytes += table.nbytes
        if len(self._buffer) >= self._per_file or self._bytes >= MOST_BYTES:
            self.commit()

    def commit(self) -> None:
        """Write what was added; meta/info.json with the counts is written last. Raises DatasetError, OSError."""
        if not self._buffer:
            return
        sentences = (sentence for episode in self._buffer for sentence in episode.sentences)
        for sentence in dict.fromkeys(sentences):
            self._tasks.setdefault(sentence, len(self._tasks))
        own = [_statistics(episode, self._info["features"]) for episode in self._buffer]
        rows = self._rows(own)
        self._write_videos(rows)
        self._write(DATA, "data", self._table())
        self._write(EPISODES, "meta/episodes", self._rows_table(rows))
        write_table(tasks_table(self._tasks), self.directory / TASKS)
        self._statistics = merged_columns([*([self._statistics] if self._statistics else []), *own])
        write_json(self.directory / STATISTICS, self._statistics)
        for number, episode in enumerate(self._buffer, self.episodes):
            self._splits.setdefault(episode.split, [number, number])[1] = number + 1
        self.episodes, self.frames = self.episodes + len(self._buffer), rows[-1]["dataset_to_index"]
        self._buffer, self._bytes = [], 0
        write_json(self.directory / INFO, self._counted())

    def finish(self) -> LeRobotDataset:
        """Write the rest, validate the dataset by reading it, and rename it. Raises DatasetError, OSError."""
        self.commit()
        if not self.episodes:
            raise DatasetError(f"There are no episodes for {self.out}.")
        write_json(self.directory / META / CARD_FILE, self.card.to_dict())
        LeRobotDataset(self.directory)
        (self.directory / META / MARKER).unlink()
        os.replace(self.directory, self.out)
        return LeRobotDataset(self.out)

    def _carry_on(self, begun: dict[str, Any], about: dict[str, Any]) -> None:
        different = sorted(key for key in {*begun, *about} if begun.get(key) != about.get(key))
        if different:
            what = ", ".join(f"{key} {begun.get(key)!r}, not {about.get(key)!r}" for key in different)
            raise DatasetError(
                f"{self.directory} was started with {what:.500}. Remove it, or choose another directory."
            )
        if not (self.directory / INFO).exists():
            return
        info = read_object(self.directory / INFO, DatasetError)
        self.episodes, self.frames = info["total_episodes"], info["total_frames"]
        self._splits = {name: list(map(int, part.split(":"))) for name, part in info["splits"].items()}
        table = read_table(self.directory / TASKS).to_pydict()
        self._tasks = dict(zip(table["task"][: info["total_tasks"]], table["task_index"], strict=False))
        own = []
        for path in sorted((self.directory / META / "episodes").glob("*/*.parquet")):
            for row in read_table(path).to_pylist():
                if row["episode_index"] >= self.episodes:
                    continue
                own.append(row_statistics(row))
                self.last = row
                for kind in kinds_of_files(row):
                    self._files[kind] = max(self._files.get(kind, 0), numbered(row, kind) + 1)
        self._statistics = merged_columns(own)
        schema = read_table(self.directory / place(DATA, 0)).schema
        names = [name for name in schema.names if name not in COUNTED or name == "timestamp"]
        self._schema = arrow().schema([schema.field(name) for name in names])

    def _number(self, kind: str) -> int:
        """Number of the next file of a kind."""
        self._files[kind] = self._files.get(kind, 0) + 1
        return self._files[kind] - 1

    def _write(self, pattern: str, kind: str, table: Any) -> None:
        path = self.directory / place(pattern, self._files[kind])
        path.parent.mkdir(parents=True, exist_ok=True)
        images = any(feature["dtype"] == "image" for feature in self._info["features"].values())
        write_table(table, path, ROWS_WITH_IMAGES if images and kind == "data" else None)
        self._number(kind)

    def _rows(self, own: list[dict[str, Statistics]]) -> list[dict[str, Any]]:
        rows, start = list[dict[str, Any]](), self.frames
        for number, episode in enumerate(self._buffer):
            row: dict[str, Any] = {
                "episode_index": self.episodes + number,
                "tasks": list(dict.fromkeys(episode.sentences)),
                "length": len(episode.sentences),
                "dataset_from_index": start,
                "dataset_to_index": start + len(episode.sentences),
                **{name: _fact(episode.facts, name) for name in self._facts},
            }
            for kind in ("data", "meta/episodes"):
                row |= _file(kind, self._files.setdefault(kind, 0))
            row |= {f"stats/{column}/{key}": v for column, found in own[number].items() for key, v in found.items()}
            rows.append(row)
            start = row["dataset_to_index"]
        return rows

    def _rows_table(self, rows: list[dict[str, Any]]) -> Any:
        table = arrow().Table.from_pylist(rows)
        for name, kind in self._facts.items():  # which nobody may know of the episodes of a file
            table = table.set_column(table.schema.get_field_index(name), name, table.column(name).cast(kind))
        return table

    def _write_videos(self, rows: list[dict[str, Any]]) -> None:
        """Keep episodes that are consecutive in a video consecutive in the new one. Completes the rows."""
        rate = self._info["fps"]
        for column in (name for name, one in self._info["features"].items() if one["dtype"] == "video"):
            kind, stretches = f"videos/{column}", [episode.videos[column] for episode in self._buffer]
            starts = [i for i in range(len(rows)) if not i or not _follows(stretches[i - 1], stretches[i], rate)]
            for begin, end in zip(starts, [*starts[1:], len(rows)], strict=True):
                run = VideoStretch(stretches[begin].path, stretches[begin].first, stretches[end - 1].until)
                number = self._number(kind)
                path = self.directory / place(VIDEO, number, video_key=column)
                path.parent.mkdir(parents=True, exist_ok=True)
                zero = copy_stretch(run, path, rate, link=self._link)
                for row, stretch in zip(rows[begin:end], stretches[begin:end], strict=True):
                    row |= _file(kind, number)
                    first = max(0.0, stretch.first - zero)  # which may come out a little below
                    row |= {f"{kind}/from_timestamp": first, f"{kind}/to_timestamp": stretch.until - zero}

    def _table(self) -> Any:
        pa = arrow()
        lengths = [len(episode.sentences) for episode in self._buffer]
        counted = {
            "frame_index": np.concatenate([np.arange(length) for length in lengths]),
            "episode_index": np.repeat(self.episodes + np.arange(len(lengths)), lengths),
            "index": self.frames + np.arange(sum(lengths)),
            "task_index": np.array([self._tasks[one] for episode in self._buffer for one in episode.sentences]),
        }
        table = pa.concat_tables([episode.table for episode in self._buffer]).replace_schema_metadata(None)
        for name, numbers in counted.items():
            table = table.append_column(name, pa.array(numbers.astype(np.int64)))
        return table

    def _counted(self) -> dict[str, Any]:
        sizes = {"chunks_size": FILES_PER_CHUNK, "data_files_size_in_mb": 100, "video_files_size_in_mb": 200}
        return {
            "robot_type": None,
            **self._info,
            "codebase_version": VERSION,
            "total_episodes": self.episodes,
            "total_frames": self.frames,
            "total_tasks": len(self._tasks),
            "splits": {name: f"{first}:{end}" for name, (first, end) in self._splits.items()},
            "data_path": DATA,
            "video_path": VIDEO,
            **{key: self._info.get(key, size) for key, size in sizes.items()},
        }


def _fact(facts: Mapping[str, Any], name: str) -> Any:
    value = facts.get(name)
    return UNKNOWN.get(name) if value is None else value


def _file(kind: str, number: int) -> dict[str, int]:
    return {f"{kind}/chunk_index": number // FILES_PER_CHUNK, f"{kind}/file_index": number % FILES_PER_CHUNK}


def _follows(one: VideoStretch, other: VideoStretch, rate: float) -> bool:
    return one.path == other.path and abs(other.first - one.until) < 0.5 / rate


def _statistics(episode: StoredEpisode, features: Mapping[str, Mapping[str, Any]]) -> dict[str, Statistics]:
    """Statistics: computed for numbers in the table, as given for the rest."""
    found = dict(episode.statistics)
    for name, feature in features.items():
        if name not in COUNTED and str(feature["dtype"]).startswith(NUMBERS):
            flat = episode.table.column(name).combine_chunks()
            while hasattr(flat.type, "value_type"):
                flat = flat.flatten()
            try:
                numbers = np.asarray(flat.to_numpy(zero_copy_only=False), np.float64)
                found[name] = column_statistics(numbers.reshape(len(episode.table), -1))
            except (ValueError, TypeError) as error:
                what = f"{feature['dtype']}, {feature.get('shape')}"
                raise DatasetError(f"The column {name!r} is not {what} in every row, as in {INFO}: {error}.") from error
    return found
