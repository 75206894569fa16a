"""Reads datasets in the LeRobot formats v2.0 and v2.1: a table and a video per camera for each episode.

The layout is that of github.com/huggingface/lerobot, tag v0.3.3, src/lerobot/datasets/utils.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.assembly import DatasetAssembly
from rt_vla_ros.data.column_statistics import Statistics
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.episode_source import OF_STEPS, EpisodeSource
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_info import check_features, check_kinds, read_info
from rt_vla_ros.data.lerobot_layout import COUNTED, INFO, file_path
from rt_vla_ros.data.lerobot_rows import MOST_EPISODES, Row, read_steps
from rt_vla_ros.data.new_place import check_new
from rt_vla_ros.data.parquet import arrow, open_table, read_numbers

VERSIONS = ("v2.0", "v2.1")
EPISODES, TASKS, STATISTICS = "meta/episodes.jsonl", "meta/tasks.jsonl", "meta/episodes_stats.jsonl"
LONGEST_LINE = 1 << 20  # bytes
PER_FILE = 100  # episodes that are written together: as many are done again where a conversion was killed
COUNTS = ("total_chunks", "total_videos")  # which v3.0 does not have


def open_v2(directory: Path) -> EpisodeSource:
    """The episodes, after everything but actions, states and images was read and validated. Raises DatasetError."""
    info = read_info(directory, VERSIONS)
    check_kinds(directory / INFO, info, {"total_frames": int, "chunks_size": int})
    rows = list(_rows(directory, info))

    def path_of(kind: str, row: Row) -> Path:
        names: dict[str, str | int] = {"episode_index": row["episode_index"]}
        names["episode_chunk"] = row["episode_index"] // max(1, info["chunks_size"])
        if kind == "data":
            path = file_path(directory, info, "data_path", **names)
        else:
            path = file_path(directory, info, "video_path", video_key=kind.removeprefix("videos/"), **names)
        if not path.is_file():
            raise DatasetError(f"{directory} lacks {path.name} of episode {row['episode_index']}: {path} is missing.")
        return path

    sentences = dict(_tasks(directory))
    steps = read_steps(rows, lambda row: path_of("data", row), float(info["fps"]))
    facts, kinds = _facts(rows)
    statistics = dict(_statistics(directory, info))
    return EpisodeSource(directory, info, rows, steps, sentences, path_of, facts, kinds, statistics)


def dropped_columns(source: EpisodeSource) -> list[str]:
    """Columns of the first episode's table that are not in meta/info.json."""
    names: list[str] = open_table(source.steps[0].path).schema_arrow.names
    return [name for name in names if name not in source.features and name not in COUNTED]


def convert_v2(
    source: EpisodeSource, card: ActionCard, out: Path, report: Callable[[str], None], *, link: bool = False
) -> LeRobotDataset:
    """Write it as v3.0 with the card; videos are copied unchanged, one for each episode.

    An interrupted conversion is resumed. link: see `copy_file`. Raises DatasetError, ActionCardError, OSError.
    """
    check_new(out, [source.directory])
    check_features(source.directory, source.info, card)
    info = {name: value for name, value in source.info.items() if name not in COUNTS}
    rate = float(info["fps"])
    info["fps"] = int(rate) if rate.is_integer() else rate  # LeRobot counts whole frames a second
    info["features"] = dict(source.features)
    about = {"from": str(source.directory.resolve()), "frames": info["total_frames"], "card": card.to_dict()}
    assembly = DatasetAssembly(out, card, info, about, facts=source.facts_kinds, episodes_per_file=PER_FILE, link=link)
    order = sorted(range(len(source)), key=lambda number: source.splits[number] != "train")
    if assembly.episodes:
        report(f"{assembly.directory} already has {assembly.episodes} episodes; resuming.")
    for done in range(assembly.episodes, len(order)):
        try:
            episode = source.episode(order[done])
        except DatasetError as error:
            raise DatasetError(f"Episode {order[done]} of {source.directory} is incomplete. {error}") from error
        assembly.add(episode)
        report(f"{out}: episode {done + 1} of {len(order)}")
    return assembly.finish()


def action_range(source: EpisodeSource, column: str, width: int) -> tuple[list[float], list[float]]:
    """The minimum and maximum of each element of a column, over all episodes. Raises DatasetError."""
    low, high = np.full(width, np.inf), np.full(width, -np.inf)
    for steps in source.steps:
        values = read_numbers(steps.path, {column: width})[column].reshape(-1, width).astype(np.float64)
        low, high = np.minimum(low, values.min(0)), np.maximum(high, values.max(0))
    return low.tolist(), high.tolist()


def _rows(directory: Path, info: Mapping[str, Any]) -> Iterator[Row]:
    total, start = info["total_episodes"], 0
    if not 0 < total <= MOST_EPISODES:
        raise DatasetError(f"{directory / INFO}: total_episodes is {total:,}, expected 1 to {MOST_EPISODES:,}.")
    videos = [name for name, one in info["features"].items() if one.get("dtype") == "video"]
    number = -1
    for number, row in enumerate(_lines(directory / EPISODES)):
        if row.get("episode_index") != number:
            what = f"{row.get('episode_index')!r} in line {number + 1}, expected episode {number}"
            raise DatasetError(f"{directory / EPISODES} has the episode {what}.")
        length, tasks = row.get("length"), row.get("tasks")
        if not isinstance(length, int) or isinstance(length, bool) or length < 1:
            what = f"episode {number} has the length {length!r:.100}, expected 1 or more"
            raise DatasetError(f"{directory / EPISODES}: {what}.")
        if not isinstance(tasks, list) or not all(isinstance(task, str) for task in tasks):
            what = f"episode {number} has the tasks {tasks!r:.100}, expected strings"
            raise DatasetError(f"{directory / EPISODES}: {what}.")
        row |= {"dataset_from_index": start, "dataset_to_index": start + length}
        for name in videos:
            row |= {f"videos/{name}/from_timestamp": 0.0, f"videos/{name}/to_timestamp": length / info["fps"]}
        yield row
        start += length
    if number + 1 != total or start != info["total_frames"]:
        what = f"{number + 1} episodes with {start} frames, {INFO} counts {total} with {info['total_frames']}"
        raise DatasetError(f"{directory / EPISODES} has {what}.")


def _facts(rows: Sequence[Row]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Further values of each episode and their pyarrow types; as JSON if the types differ between episodes."""
    names = dict.fromkeys(name for row in rows for name in row if name not in OF_STEPS and "/" not in name)
    facts, kinds = [{name: row.get(name) for name in names} for row in rows], dict[str, Any]()
    for name in names:
        try:
            kinds[name] = arrow().array([one[name] for one in facts]).type
        except (arrow().ArrowException, OverflowError):
            facts = [{**one, name: json.dumps(one[name])} for one in facts]
            kinds[name] = arrow().string()
    return facts, kinds


def _tasks(directory: Path) -> Iterator[tuple[int, str]]:
    for row in _lines(directory / TASKS):
        if not isinstance(row.get("task_index"), int) or not isinstance(row.get("task"), str):
            raise DatasetError(f"{directory / TASKS} has {row!r:.100}, expected a task_index and a task.")
        yield row["task_index"], row["task"]


def _statistics(directory: Path, info: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, Statistics]]]:
    """Statistics of images, which v2.1 has for each episode."""
    cameras = [name for name, one in info["features"].items() if one.get("dtype") in ("video", "image")]
    if not (directory / STATISTICS).is_file():
        return
    for row in _lines(directory / STATISTICS):
        found = row.get("stats")
        if isinstance(found, dict) and isinstance(row.get("episode_index"), int):
            yield row["episode_index"], {name: found[name] for name in cameras if isinstance(found.get(name), dict)}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects in a JSON Lines file. Raises DatasetError."""
    if not path.is_file():
        raise DatasetError(f"The dataset is incomplete: {path} is missing.")
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DatasetError(f"{path}, line {number}, is not JSON: {error}") from error
            if not isinstance(row, dict):
                raise DatasetError(f"{path}, line {number}, has {row!r:.100}, expected an object.")
            yield row
