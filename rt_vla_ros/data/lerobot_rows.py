"""The episodes of a LeRobot dataset and their time steps; redundant information is cross-checked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot_layout import COUNTED, INFO, TASKS
from rt_vla_ros.data.parquet import open_table, read_lists, read_numbers

MOST_EPISODES = 500_000
UNCOUNTED = 1000  # files of episodes that info.json does not count yet, or no more
OTHERS = ("tasks", "leader", "success", "suite", "seed", "audit")
Row = dict[str, Any]


def read_episode_rows(directory: Path, info: Mapping[str, Any], kinds: Sequence[str]) -> list[Row]:
    """The rows of meta/episodes counted by info.json, in the order of episodes.

    kinds: of the files in each row: "data" and those of the videos. Raises DatasetError if some are missing or
    contradict each other.
    """
    total, places = info["total_episodes"], sorted((directory / "meta/episodes").glob("*/[!.]*.parquet"))
    if total > MOST_EPISODES:
        raise DatasetError(f"{directory / INFO}: total_episodes is {total:,}, expected at most {MOST_EPISODES:,}.")
    if len(places) > total + UNCOUNTED:
        raise DatasetError(f"{directory / 'meta/episodes'} has {len(places):,} files for {total:,} episodes.")
    rows = list[Row]()
    for path in places:
        rows += rows_of(path, kinds)
        if len(rows) > 2 * MOST_EPISODES:
            raise DatasetError(f"{directory / 'meta/episodes'} has more rows than {2 * MOST_EPISODES:,} episodes.")
    rows = sorted((row for row in rows if row["episode_index"] < total), key=lambda row: int(row["episode_index"]))
    if [row["episode_index"] for row in rows] != list(range(total)):
        what = f"meta/episodes describes {len(rows)} of {total} episodes, or some more than once"
        raise DatasetError(f"The dataset {directory} is incomplete: {what}.")
    check_counts(directory, info, rows)
    for kind in kinds:
        if kind != "data":
            check_stretches(directory, rows, kind, info["fps"])
    return rows


def rows_of(path: Path, kinds: Sequence[str]) -> list[Row]:
    """The rows of one file of meta/episodes. Raises DatasetError."""
    widths: dict[str, int | None] = dict.fromkeys(("episode_index", "length", "dataset_from_index", "dataset_to_index"))
    for kind in kinds:
        widths |= {f"{kind}/chunk_index": None, f"{kind}/file_index": None}
        widths |= {} if kind == "data" else {f"{kind}/from_timestamp": 0, f"{kind}/to_timestamp": 0}
    numbers = read_numbers(path, widths)
    for name, column in numbers.items():
        wrong = ~((column >= (name == "length")) & (column < np.inf))
        if wrong.any():
            what = f"{column[wrong][0]} in the column {name!r}, expected {int(name == 'length')} or more"
            raise DatasetError(f"The table {path} has {what}.")
    rest = read_lists(path, OTHERS)
    for tasks in rest.get("tasks", ()):
        if tasks is not None and not (isinstance(tasks, list) and all(isinstance(task, str) for task in tasks)):
            raise DatasetError(
                f"The table {path} has {tasks!r:.100} in the column 'tasks', expected a list of strings."
            )
    columns = {name: column.tolist() for name, column in numbers.items()} | rest
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def check_counts(directory: Path, info: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """Raises DatasetError if the episodes' row ranges contradict their lengths."""
    ends = np.cumsum([row["length"] for row in rows])
    wanted = np.stack([ends - [row["length"] for row in rows], ends], axis=1)
    found = np.array([[row["dataset_from_index"], row["dataset_to_index"]] for row in rows])
    wrong = (found != wanted).any(axis=1)
    if wrong.any():
        i = int(wrong.argmax())
        raise DatasetError(
            f"{directory}: episode {i} has the rows {found[i, 0]} to {found[i, 1]} in meta/episodes "
            f"(dataset_from_index, dataset_to_index), but {wanted[i, 0]} to {wanted[i, 1]} by the "
            "lengths of the episodes: it would get another episode's actions."
        )
    frames = int(ends[-1])
    if info.get("total_frames", frames) != frames:
        what = f"total_frames is {info['total_frames']}, but the episodes in meta/episodes have {frames}"
        raise DatasetError(f"{directory / INFO}: {what}.")


def check_stretches(directory: Path, rows: Sequence[Row], kind: str, rate: float) -> None:
    """Raises DatasetError unless every episode has a video segment of its own length and to itself."""
    names = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    chunk, file, first, until = (np.array([row[f"{kind}/{name}"] for row in rows]) for name in names)
    length = np.array([row["length"] for row in rows]) / rate
    wrong = np.abs(until - first - length) > 1.5 / rate  # a picture more or less is matched by its time
    if wrong.any():
        i = int(wrong.argmax())
        what = (
            f"is from {first[i]:.3f} s to {until[i]:.3f} s (meta/episodes), but its time steps take {length[i]:.3f} s"
        )
        raise DatasetError(f"{directory}: {kind}, episode {i}, {what}.")
    order = np.lexsort((first, file, chunk))
    same = (np.diff(chunk[order]) == 0) & (np.diff(file[order]) == 0)
    wrong = same & (first[order][1:] < (first + length)[order][:-1] - 0.5 / rate)
    if wrong.any():
        one, other = order[int(wrong.argmax()) :][:2].tolist()
        stretches = [f"episode {i} from {first[i]:.3f} s to {until[i]:.3f} s" for i in (one, other)]
        what = f"the segments of {' and '.join(stretches)} overlap (meta/episodes)"
        raise DatasetError(f"{directory}: {kind}: {what}, so one of them has the wrong images.")


@dataclass(frozen=True)
class RecordedSteps:
    """The n time steps of a recorded episode.

    path: of their table. rows: indices in it, int64 (n,). stamps: timestamps [s], float64 (n,), increasing from
    about 0. tasks: task_index of each, int64 (n,).
    """

    path: Path
    rows: NDArray[np.int64]
    stamps: NDArray[np.float64]
    tasks: NDArray[np.int64]


def read_steps(rows: Sequence[Row], path_of: Callable[[Row], Path], rate: float) -> list[RecordedSteps]:
    """The steps of every episode of `rows`; `path_of` gives its table. The order of a table's rows does not matter.

    Raises DatasetError if a table contradicts meta/episodes, or its counts contradict its timestamps.
    """
    files: dict[Path, list[Row]] = defaultdict(list)
    for row in rows:
        files[path_of(row)].append(row)
    found: dict[int, RecordedSteps] = {}
    for path, its in files.items():
        wanted, there = sum(row["length"] for row in its), open_table(path).metadata.num_rows
        if there < wanted:
            raise DatasetError(f"The table {path} lacks rows: it has {there}, its episodes have {wanted}.")
        table = read_numbers(path, {name: 0 if name == "timestamp" else None for name in COUNTED})
        order = np.argsort(table["index"], kind="stable")
        table = {name: column[order] for name, column in table.items()}
        for row in its:
            found[row["episode_index"]] = _steps_of(path, row, table, order, rate)
        claimed = int((table["episode_index"] < len(rows)).sum())
        if claimed != wanted:
            raise DatasetError(f"The table {path} has {claimed} rows of its episodes, expected {wanted}.")
    return [found[row["episode_index"]] for row in rows]


def _steps_of(
    path: Path, row: Row, table: Mapping[str, NDArray[Any]], order: NDArray[np.int64], rate: float
) -> RecordedSteps:
    episode, length, start = row["episode_index"], row["length"], row["dataset_from_index"]
    first = int(np.searchsorted(table["index"], start))
    part = {name: column[first : first + length] for name, column in table.items()}
    steps = np.arange(length)
    stamps = part["timestamp"].astype(np.float64)
    if len(stamps) < length:
        raise DatasetError(f"The table {path} lacks rows of episode {episode}.")
    wanted = {"index": start + steps, "episode_index": np.full(length, episode), "frame_index": steps}
    for name, numbers in wanted.items():
        wrong = part[name] != numbers
        if wrong.any():
            i = int(wrong.argmax())
            what = f"{name} {part[name][i]}, expected {numbers[i]}"
            raise DatasetError(
                f"The table {path} contradicts meta/episodes: time step {i} of episode {episode} has {what}."
            )
    wrong = ~(np.abs(stamps - steps / rate) < 0.5 / rate)  # so that NaN is wrong too
    wrong[1:] |= np.diff(stamps) <= 0
    if wrong.any():
        i = int(wrong.argmax())
        what = f"has the timestamp {stamps[i]:.3f} s, expected {i / rate:.3f} s at {rate:g} frames per second (fps)"
        raise DatasetError(f"The table {path}: time step {i} of episode {episode} {what}.")
    return RecordedSteps(path, order[first : first + length], stamps, part["task_index"].astype(np.int64))


def read_sentences(directory: Path) -> dict[int, str] | None:
    """The instructions of meta/tasks.parquet by task_index, None if there is no such table. Raises DatasetError."""
    path = directory / TASKS
    if not path.is_file():
        return None
    table = read_lists(path)
    columns = [values for name, values in table.items() if name != "task_index"]
    if "task_index" not in table or len(columns) != 1:
        what = f"columns {', '.join(table)}, expected task_index and one column of strings"
        raise DatasetError(f"The table {path} has the {what}.")
    pairs = list(zip(table["task_index"], columns[0], strict=True))
    sentences = dict(pairs)
    if len(sentences) != len(pairs) or not all(isinstance(i, int) and isinstance(text, str) for i, text in pairs):
        raise DatasetError(f"The table {path} needs one instruction for each task_index, an integer.")
    return sentences


def instructions(
    directory: Path, row: Row, steps: RecordedSteps, sentences: Mapping[int, str] | None
) -> list[tuple[int, int, str]]:
    """(first step, number of steps, instruction) of each part of an episode with one instruction.

    Raises DatasetError for a time step whose instruction is unknown, or not one of the episode's.
    """
    starts = [0, *(np.flatnonzero(np.diff(steps.tasks)) + 1).tolist()]
    said: Collection[str] | None = row.get("tasks")
    where = f"{directory}, episode {row['episode_index']}"
    if sentences is None:
        if not said or len(said) != 1 or len(starts) != 1:
            raise DatasetError(f"{where}: {TASKS} is missing, which has the instructions of the time steps.")
        return [(0, len(steps.rows), next(iter(said)))]
    parts = []
    for first, end in zip(starts, [*starts[1:], len(steps.rows)], strict=True):
        sentence = sentences.get(int(steps.tasks[first]))
        if sentence is None:
            what = f"time step {first} has the task_index {steps.tasks[first]}, which is not in {TASKS}"
            raise DatasetError(f"{where}: {what}.")
        if said and sentence not in said:
            what = f"time step {first} is of the task {sentence!r} (task_index), the episode has {', '.join(said)}"
            raise DatasetError(f"{where}: {what} (tasks in meta/episodes).")
        parts.append((first, end - first, sentence))
    return parts
