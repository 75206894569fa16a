"""What info.json and the tables of a LeRobot dataset say, each checked for its shape before anybody relies on it."""

from __future__ import annotations

import importlib
import math
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot_layout import DATA, INFO, VIDEO
from rt_vla_ros.json_file import read_object


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
    needed = {"codebase_version": str, "fps": (int, float), "total_episodes": int, "features": dict}
    for key, kind in needed.items():
        if not isinstance(info.get(key), kind):  # type: ignore[arg-type]
            raise DatasetError(f"{path} lacks {key!r}, or has something else there.")
    if not info["codebase_version"].startswith("v3."):
        raise DatasetError(
            f"{path} says version {info['codebase_version']}; this reads v3.0. The lerobot package converts older ones."
        )
    if not 0 < info["fps"] <= MOST_FRAMES:
        raise DatasetError(f"{path}: fps is {info['fps']}, expected more than 0 and at most {MOST_FRAMES}.")
    for name, feature in info["features"].items():
        if not isinstance(feature, dict):
            raise DatasetError(f"{path}: the feature {name!r} is {feature!r}, expected an object with dtype and shape.")
    return info


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
    paths = sorted((directory / "meta/episodes").glob("*/*.parquet"))
    rows: list[dict[str, Any]] = []
    for path in paths:
        table = read_table(path)
        plain = [number for number, name in enumerate(table.column_names) if not name.startswith("stats/")]
        read = table.select(plain).to_pylist()
        for row in read:
            _check_row(row, path, kinds)
        rows += read
    rows = sorted((row for row in rows if row["episode_index"] < total), key=lambda row: int(row["episode_index"]))
    if len(rows) != total or [row["episode_index"] for row in rows] != list(range(total)):
        raise DatasetError(
            f"The dataset {directory} is not whole: meta/episodes describes {len(rows)} of {total} episodes."
        )
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
            there = ", ".join(table.column_names)
            raise DatasetError(f"The table {path} needs one column {name!r}; there is: {there}.")
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
    lengths = arrow().compute.list_value_length(column) if width is not None else column
    found = lengths.to_numpy()
    wrong = np.isnan(found) if width is None else found != width
    if wrong.any():
        value = column[int(wrong.argmax())].as_py()
        raise DatasetError(
            f"The table {path} has {value!r} in row {int(wrong.argmax())} of the column {name!r}, expected "
            f"{'a number' if width is None else f'{width} numbers'}."
        )


def matrix(table: Any, name: str) -> NDArray[Any]:
    """A column of lists of one length, (N, D)."""
    column = table.column(name)
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat).reshape(len(table), -1)
