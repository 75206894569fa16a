"""A copy on disk of the image column of a Parquet file with large row groups, for random access.

To reach a row, all rows before it in its row group must be decompressed: half a group per row in a shuffled order. The
column is therefore read once, in small batches, and written in Arrow's file format, whose batches are accessed by
number through a memory map.
"""

from __future__ import annotations

import bisect
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rt_vla_ros.data.parquet import arrow, reading

LARGE = 1 << 24  # bytes of a column in one group of rows, from which on it is copied
PIECE = 16  # rows
SPARE = 2  # times its size must be free on the disk of temporary files
_LOCK = threading.Lock()


@dataclass(frozen=True)
class ColumnCopy:
    """firsts: index of each batch's first row, and the total number. reader: pyarrow's, of the copy."""

    firsts: list[int]
    reader: Any

    def rows_around(self, row: int) -> tuple[int, Any]:
        """Index of the first row of the batch with this row, and the batch's cells. Raises IndexError."""
        if not 0 <= row < self.firsts[-1]:
            raise IndexError(f"there is no row {row}")
        piece = bisect.bisect_right(self.firsts, row) - 1
        return self.firsts[piece], self.reader.get_batch(piece).column(0)


def copied_column(file: Any, path: Path, column: str) -> ColumnCopy | None:
    """file: pyarrow's ParquetFile of `path`. None: its row groups are small, or the disk has too little space.

    The copy is an unnamed temporary file (in TMPDIR). Raises DatasetError for a damaged file.
    """
    with _LOCK, reading(path):
        sizes = _group_sizes(file.metadata, column)
        if max(sizes, default=0) < LARGE or not file.metadata.num_rows:
            return None
        try:
            if shutil.disk_usage(tempfile.gettempdir()).free < SPARE * sum(sizes):
                return None
            return _written(file, column)
        except OSError:
            return None


def _group_sizes(metadata: Any, column: str) -> list[int]:
    """Uncompressed bytes of the column in each row group."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    leaves = [n for n in range(metadata.num_columns) if f"{metadata.schema.column(n).path}.".startswith(f"{column}.")]
    return [sum(group.column(leaf).total_uncompressed_size for leaf in leaves) for group in groups]


def _written(file: Any, column: str) -> ColumnCopy:
    pyarrow, firsts = arrow(), [0]
    with tempfile.NamedTemporaryFile(prefix="rt_vla_images_") as kept:  # its name goes, what is mapped stays
        with pyarrow.ipc.new_file(kept, pyarrow.schema([file.schema_arrow.field(column)])) as writer:
            for batch in file.iter_batches(PIECE, columns=[column], use_threads=False):
                writer.write_batch(batch)
                firsts.append(firsts[-1] + len(batch))
        kept.flush()
        return ColumnCopy(firsts, pyarrow.ipc.open_file(pyarrow.memory_map(kept.name)))
