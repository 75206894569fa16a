"""Parquet tables, read in bounded memory and time: a file of some kilobytes can claim to hold terabytes."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros import git_lfs
from rt_vla_ros.data.episode import DatasetError

MOST_ROWS = 5_000_000  # in a file; LeRobot begins another one at 100 MB
FEWEST_ROWS = 10_000  # that may be in a file of any size; more have more bytes than rows, as they are numbered
MOST_VALUES = 1 << 27  # in the columns that are read
MOST_BYTES = 1 << 30


def arrow() -> Any:
    """The module pyarrow. Raises DatasetError with install instructions if it is missing."""
    try:
        for part in ("compute", "parquet"):
            importlib.import_module(f"pyarrow.{part}")
        return importlib.import_module("pyarrow")
    except ImportError as error:
        raise DatasetError(
            f"Datasets are Parquet files, which need pyarrow ({error}). Install it: pip install 'rt_vla_ros[train]'."
        ) from error


def write_table(table: Any, path: Path, rows_per_group: int | None = None) -> None:
    """Raises OSError."""
    arrow().parquet.write_table(table, path, row_group_size=rows_per_group)


def open_table(path: Path) -> Any:
    """A pyarrow.parquet.ParquetFile.

    Raises DatasetError for one that is missing, truncated, too large or not Parquet.
    """
    pyarrow = arrow()
    if not path.is_file():
        raise DatasetError(f"The table {path} is missing.")
    with reading(path):
        file = pyarrow.parquet.ParquetFile(path)
    rows, most = file.metadata.num_rows, min(MOST_ROWS, max(FEWEST_ROWS, path.stat().st_size))
    if rows > most:
        raise DatasetError(f"The table {path} claims {rows:,} rows, expected at most {most:,} in a file of its size.")
    return file


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns all errors from reading an untrusted table into DatasetError."""
    try:
        yield
    except DatasetError:
        raise
    except (arrow().ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DatasetError(f"The table {path} is damaged or truncated: {reason}{git_lfs.hint(path)}") from error


def read_table(path: Path, columns: Collection[str] | None = None, *, rows_at_once: int = 256) -> Any:
    """Columns of a file (None: all) as a pyarrow.Table; missing ones are left out. Raises DatasetError."""
    pyarrow, file = arrow(), open_table(path)
    with reading(path):
        schema = pyarrow.schema([field for field in file.schema_arrow if columns is None or field.name in columns])
    for kind in schema.types:
        if "dictionary<" in str(kind):  # a long value that many rows share
            raise DatasetError(f"The table {path} has columns of {kind}, expected plain values.")
    batches, read = [], 0
    with reading(path):
        values = sum(_values(file.metadata, schema.names))
        if values > MOST_VALUES:
            raise DatasetError(f"The table {path} claims {values:,} values, expected at most {MOST_VALUES:,}.")
        for batch in file.iter_batches(rows_at_once, columns=schema.names, use_threads=False):
            batches.append(batch)
            read += batch.nbytes
            if read > MOST_BYTES:
                raise DatasetError(f"The table {path} has more than {MOST_BYTES:,} bytes, the limit.")
    return pyarrow.Table.from_batches(batches, schema).combine_chunks()


def _values(metadata: Any, names: list[str]) -> list[int]:
    """Number of values that each row group claims to have in these columns."""
    paths = [metadata.schema.column(leaf).path for leaf in range(metadata.num_columns)]
    leaves = [leaf for leaf, path in enumerate(paths) if any(f"{path}.".startswith(f"{name}.") for name in names)]
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    return [group.column(leaf).num_values for group in groups for leaf in leaves]


def read_lists(path: Path, columns: Collection[str] | None = None) -> dict[str, list[Any]]:
    """Columns of any kind, as `read_table` reads them. Raises DatasetError."""
    with reading(path):
        found: dict[str, list[Any]] = read_table(path, columns).to_pydict()
    return found


def read_numbers(path: Path, widths: Mapping[str, int | None]) -> dict[str, NDArray[Any]]:
    """Columns of numbers, (N,), and of lists of numbers, (N, D).

    widths: of the columns: D, None for scalar integers, 0 for any scalar numbers.
    Raises DatasetError for a missing column, one of another type, and rows without a value.
    """
    with reading(path):
        schema = open_table(path).schema_arrow
    for name, width in widths.items():
        if schema.names.count(name) != 1:
            raise DatasetError(
                f"The table {path} needs one column {name!r}; available: {', '.join(schema.names):.1000}."
            )
        _check_kind(schema.field(name).type, name, width, path)
    table = read_table(path, widths, rows_at_once=1 << 16)
    return {name: _numbers(table.column(name), name, width, path) for name, width in widths.items()}


def _check_kind(kind: Any, name: str, width: int | None, path: Path) -> None:
    types = arrow().types
    lists = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    inner = kind.value_type if lists else kind
    fitting = types.is_integer(inner) or (types.is_floating(inner) and width is not None)
    if not fitting or (lists != bool(width) and (lists or width != 1)):  # lists of one number may be plain numbers
        wanted = f"lists of {width} numbers" if width else "integers" if width is None else "numbers"
        raise DatasetError(f"The table {path} has {kind} in the column {name!r}, expected {wanted}.")


def _numbers(column: Any, name: str, width: int | None, path: Path) -> NDArray[Any]:
    pa = arrow()
    flat = column.combine_chunks()
    lists = hasattr(column.type, "value_type")
    wrong = flat.is_null().to_numpy(zero_copy_only=False)
    if lists:
        lengths = pa.compute.list_value_length(flat).to_numpy(zero_copy_only=False)
        wrong = wrong | (lengths != width)
    if wrong.any():
        row, wanted = int(wrong.argmax()), f"{width} numbers" if lists else "a number"
        what = f"{column[row].as_py()!r} in row {row} of the column {name!r}"
        raise DatasetError(f"The table {path} has {what}, expected {wanted}.")
    values = np.asarray((flat.flatten() if lists else flat).to_numpy(zero_copy_only=False))
    return values.reshape(len(flat), width) if width else values
