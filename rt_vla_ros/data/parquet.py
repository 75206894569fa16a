"""Tables on disk, read and written whole; pyarrow is asked for only where one is needed."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from rt_vla_ros.data.episode import DatasetError


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
