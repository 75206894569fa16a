"""The LeRobot dataset format v3.0 (github.com/huggingface/lerobot, src/lerobot/datasets): layout, checked tables."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.episode import SCENE_SIZE, DatasetError
from rt_vla_ros.data.video import CODEC_NAME
from rt_vla_ros.json_file import read_object

VERSION = "v3.0"
INFO, STATISTICS, TASKS = "meta/info.json", "meta/stats.json", "meta/tasks.parquet"
META = "meta"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
FILES_PER_CHUNK = 1000
ACTION, SCENE, CAMERA_PREFIX = "action", "scene", "observation.images."
ROBOT = "panda_robotiq_2f85_simulated"

COUNTED: dict[str, dict[str, Any]] = {
    name: {"dtype": "float32" if name == "timestamp" else "int64", "shape": [1], "names": None}
    for name in ("timestamp", "frame_index", "episode_index", "index", "task_index")
}
"""Columns that every LeRobot dataset has."""


def video_key(camera: str) -> str:
    return CAMERA_PREFIX + camera


def place(pattern: str, file_number: int, **names: str) -> str:
    """Where file number `file_number` of a kind is, from the dataset's directory."""
    return pattern.format(chunk_index=file_number // FILES_PER_CHUNK, file_index=file_number % FILES_PER_CHUNK, **names)


def features(card: ActionCard, rate: int, with_scene: bool) -> dict[str, dict[str, Any]]:
    """What the columns are, for info.json."""
    names = [dimension.name for dimension in card.dimensions]
    described: dict[str, dict[str, Any]] = {ACTION: {"dtype": "float32", "shape": [len(names)], "names": names}}
    for camera in card.cameras:
        shape = [camera.height, camera.width, 3]
        info: dict[str, Any] = {"height": camera.height, "width": camera.width}
        info |= {"codec": CODEC_NAME, "pix_fmt": "gbrp", "is_depth_map": False, "fps": rate, "channels": 3}
        described[video_key(camera.name)] = {
            "dtype": "video",
            "shape": shape,
            "names": ["height", "width", "channels"],
            "info": {**{f"video.{key}": value for key, value in info.items()}, "has_audio": False},
        }
    if with_scene:
        described[SCENE] = {"dtype": "float32", "shape": [SCENE_SIZE], "names": None}
    return described | COUNTED


def write_text(path: Path, text: str) -> None:
    """Whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Whole or not at all. Raises OSError."""
    write_text(path, json.dumps(data, indent=2) + "\n")


def arrow() -> Any:
    """The module pyarrow. Raises DatasetError, saying how to get it, where it is not installed."""
    try:
        for part in ("compute", "parquet"):
            importlib.import_module(f"pyarrow.{part}")
        return importlib.import_module("pyarrow")
    except ImportError as error:
        raise DatasetError(
            f"Datasets are parquet files, and pyarrow is not here ({error}). Get it: pip install 'rt_vla_ros[train]'."
        ) from error


def read_table(path: Path) -> Any:
    """A pyarrow.Table. Raises DatasetError for a file that is missing, cut off or no parquet."""
    pyarrow = arrow()
    if not path.is_file():
        raise DatasetError(f"The table {path} is missing.")
    try:
        return pyarrow.parquet.ParquetFile(path).read()
    except (pyarrow.ArrowException, OSError) as error:
        raise DatasetError(f"The table {path} is damaged or cut off: {str(error).splitlines()[0]}") from error


def write_table(table: Any, path: Path, rows_per_group: int | None = None) -> None:
    """Raises OSError."""
    arrow().parquet.write_table(table, path, row_group_size=rows_per_group)


MOST_FRAMES = 1000  # per second


def read_info(directory: Path) -> dict[str, Any]:
    """meta/info.json; data_path and video_path are always there. Raises DatasetError."""
    path = directory / INFO
    if not path.is_file():
        raise DatasetError(f"{directory} is no dataset in the LeRobot format: there is no {path}.")
    info = {"data_path": DATA, "video_path": VIDEO} | read_object(path, DatasetError)
    check_kinds(path, info, {"codebase_version": str, "fps": (int, float), "total_episodes": int, "features": dict})
    if not info["codebase_version"].startswith("v3."):
        version = info["codebase_version"]
        raise DatasetError(f"{path} says version {version}; this reads v3.0. The lerobot package converts older ones.")
    if not 0 < info["fps"] <= MOST_FRAMES:
        raise DatasetError(f"{path}: fps is {info['fps']}, expected more than 0 and at most {MOST_FRAMES}.")
    for name, feature in info["features"].items():
        if not isinstance(feature, dict):
            raise DatasetError(f"{path}: the feature {name!r} is {feature!r}, expected an object with dtype and shape.")
    return info


def check_kinds(path: Path, info: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
    """kinds: of the keys that `info` must have. Raises DatasetError."""
    for key, kind in kinds.items():
        if not isinstance(info.get(key), kind):
            raise DatasetError(f"{path} lacks {key!r}, or has something else there.")


def file_path(directory: Path, info: dict[str, Any], kind: str, **names: object) -> Path:
    """Where a file is. kind: "data_path" or "video_path". Raises DatasetError."""
    pattern = info[kind]
    try:
        if isinstance(pattern, str):
            return directory / pattern.format(**names)
    except (KeyError, IndexError, ValueError, AttributeError):
        pass
    raise DatasetError(
        f"{directory / INFO}: {kind} is {pattern!r}, expected a path with only {', '.join(names)} in braces."
    )


def read_episode_rows(directory: Path, total: int, kinds: Collection[str]) -> list[dict[str, Any]]:
    """The rows of meta/episodes that count, in the episodes' order.

    kinds: of the files that each row has to name, such as "data". Raises DatasetError where some are missing.
    """
    rows: list[dict[str, Any]] = []
    for path in sorted((directory / "meta/episodes").glob("*/*.parquet")):
        table = read_table(path)
        read = table.select(
            [i for i, name in enumerate(table.column_names) if not name.startswith("stats/")]
        ).to_pylist()
        for row in read:
            _check_row(row, path, kinds)
        rows += read
    rows = sorted((row for row in rows if row["episode_index"] < total), key=lambda row: int(row["episode_index"]))
    if [row["episode_index"] for row in rows] != list(range(total)):
        what = f"meta/episodes describes {len(rows)} of {total} episodes"
        raise DatasetError(f"The dataset {directory} is not whole: {what}.")
    return rows


def _check_row(row: dict[str, Any], path: Path, kinds: Iterable[str]) -> None:
    whole = ["episode_index", "length", "dataset_from_index"]
    whole += [f"{kind}/{name}" for kind in kinds for name in ("chunk_index", "file_index")]
    for name in whole:
        if not isinstance(row.get(name), int) or row[name] < (name == "length"):
            raise _unexpected(path, name, row, "a whole number")
    for name in (f"{kind}/from_timestamp" for kind in kinds if kind != "data"):
        if not isinstance(row.get(name), int | float) or not math.isfinite(row[name]):
            raise _unexpected(path, name, row, "a number [s]")
    if not isinstance(row.get("tasks"), list) or not row["tasks"]:
        raise _unexpected(path, "tasks", row, "a list of sentences")


def _unexpected(path: Path, name: str, row: dict[str, Any], wanted: str) -> DatasetError:
    if name not in row:
        return DatasetError(f"The table {path} has no column {name!r}; LeRobot v3.0 has {wanted} there.")
    return DatasetError(f"The table {path} has {row[name]!r} in the column {name!r}, expected {wanted}.")


def read_data(path: Path, widths: dict[str, int], optional: Collection[str]) -> Any:
    """The table of time steps in a file: index, timestamp, and the columns of lists that `widths` names.

    widths: how many numbers a row has. optional: the columns among them that may be missing. Raises DatasetError.
    """
    table = read_table(path)
    types = arrow().types
    for name in ("index", "timestamp", *widths):
        if name in optional and name not in table.column_names:
            continue
        if table.column_names.count(name) != 1:
            raise DatasetError(
                f"The table {path} needs one column {name!r}; there is: {', '.join(table.column_names)}."
            )
        kind = table.schema.field(name).type
        lists = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
        inner = kind.value_type if lists else kind
        fitting = types.is_integer(inner) or (types.is_floating(inner) and name != "index")
        if lists != (name in widths) or not fitting:
            wanted = f"lists of {widths[name]} numbers" if name in widths else "numbers"
            raise DatasetError(f"The table {path} has {kind} in the column {name!r}, expected {wanted}.")
        _check_whole(table.column(name), name, widths.get(name), path)
    return table


def _check_whole(column: Any, name: str, width: int | None, path: Path) -> None:
    """No row is null, or a list of another length."""
    found = (column if width is None else arrow().compute.list_value_length(column)).to_numpy()
    wrong = np.isnan(found) if width is None else found != width
    if wrong.any():
        row, wanted = int(wrong.argmax()), "a number" if width is None else f"{width} numbers"
        what = f"{column[row].as_py()!r} in row {row} of the column {name!r}"
        raise DatasetError(f"The table {path} has {what}, expected {wanted}.")


def matrix(table: Any, name: str) -> NDArray[Any]:
    """A column of lists of one length, (N, D)."""
    flat = table.column(name).combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat).reshape(len(table), -1)
