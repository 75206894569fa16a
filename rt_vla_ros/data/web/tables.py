"""Tables with images in the rows: Parquet files and Hugging Face `datasets`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.parquet import arrow, open_table, read_table, reading
from rt_vla_ros.data.web.chat import WrongRecord
from rt_vla_ros.data.web.column_copy import ColumnCopy, copied_column
from rt_vla_ros.data.web.gathering import IMAGES, WebEntry
from rt_vla_ros.data.web.picture import decoded
from rt_vla_ros.data.web.places import FilePlace, ImageFinder, content_key

AT_ONCE = 16  # rows whose images are taken out of a table together
NUMBERED = re.compile(r"(?:images?|img|pictures?)[_-]?\d{1,2}")  # columns of the images of one row
MOST_BYTES = 1 << 26  # of one row's images


class ImageTable(Protocol):
    """Rows with text, and images that are read one by one. name: for messages."""

    name: str

    def columns(self) -> Mapping[str, Any]:
        """Column names and their pyarrow types."""
        ...

    def words(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """These columns, row by row. Raises DatasetError."""
        ...

    def counts(self, column: str) -> Iterator[int]:
        """Number of images in each row. Raises DatasetError."""
        ...

    def cell(self, column: str, row: int) -> Any:
        """An image, or several, each its bytes or {"bytes": ..., "path": ...}. Raises DatasetError."""
        ...


@dataclass(frozen=True, eq=False)
class TablePlace:
    """An image in a table: number `number` of a row."""

    table: ImageTable
    column: str
    row: int
    number: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TablePlace) and self._place() == other._place()

    def __hash__(self) -> int:
        return hash(self._place())

    def pixels(self) -> NDArray[np.uint8]:
        content = self._content()
        return content.pixels() if isinstance(content, FilePlace) else decoded(content, self._name())

    def key(self) -> bytes:
        content = self._content()
        return content.key() if isinstance(content, FilePlace) else content_key(content)

    def _place(self) -> tuple[int, str, int, int]:
        return id(self.table), self.column, self.row, self.number

    def _name(self) -> str:
        return f"The image in row {self.row} of {self.table.name} ({self.column!r})"

    def _content(self) -> bytes | FilePlace:
        value = self.table.cell(self.column, self.row)
        value = value[self.number] if isinstance(value, list) else value
        if isinstance(value, Mapping):
            value = value.get("bytes") or value.get("path")
        if isinstance(value, str):
            return FilePlace(value)
        if not isinstance(value, bytes):
            raise DatasetError(f"{self._name()} is missing.")
        return value


def table_entries(tables: Sequence[ImageTable], finder: ImageFinder | None) -> Iterator[WebEntry]:
    """The rows of all tables. finder: of files named in a column. Raises DatasetError."""
    for table in tables:
        columns = table.columns()
        images = [name for name, kind in columns.items() if holds_images(name, kind)]
        used = used_columns(images)
        counts = {name: table.counts(name) for name in used}
        words = [name for name, kind in columns.items() if name not in images and not _is_binary(kind)]
        for row, record in enumerate(table.words(words)):
            record = {key: value for key, value in record.items() if value is not None}
            places = tuple(
                TablePlace(table, name, row, number) for name in used for number in range(next(counts[name]))
            )
            yield WebEntry(f"{table.name}, row {row}", record, places if used or finder is None else None)


def used_columns(images: Sequence[str]) -> list[str]:
    """Image columns: the first with the usual name and its numbered ones, else all."""
    usual = [name for name in IMAGES if name in images][:1]
    return usual + [name for name in images if NUMBERED.fullmatch(name)] if usual else [*images]


def holds_images(name: str, kind: Any) -> bool:
    """Whether a column has images themselves, one or several in a row: bytes, or objects with bytes."""
    types = arrow().types
    while types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        kind = kind.value_type
    if types.is_struct(kind):
        return any(kind.field(number).name == "bytes" for number in range(kind.num_fields))
    return _is_binary(kind) and (name in IMAGES or NUMBERED.fullmatch(name) is not None)


def _is_binary(kind: Any) -> bool:
    return bool(arrow().types.is_binary(kind) or arrow().types.is_large_binary(kind))


class ParquetImages:
    """A Parquet file. A row is accessed by reading its row group up to it, or from a copy on disk."""

    def __init__(self, path: Path, finder: ImageFinder | None = None) -> None:
        """finder: of images stored in separate files."""
        self.name, self._path, self._finder = str(path), path, finder
        self._file: Any = None
        self._batch: tuple[str, int, Any] = "", 0, ()
        self._copies: dict[str, ColumnCopy | None] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_file": None, "_batch": ("", 0, ()), "_copies": {}}

    def columns(self) -> Mapping[str, Any]:
        with reading(self._path):
            return {field.name: field.type for field in self._opened().schema_arrow}

    def words(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        table = read_table(self._path, columns)
        with reading(self._path):
            for batch in table.to_batches(1024):
                yield from batch.to_pylist()

    def counts(self, column: str) -> Iterator[int]:
        """Counted from the images' paths, so that their bytes are not read."""
        schema = self._opened().metadata.schema
        leaves = [schema.column(number).path for number in range(len(schema))]
        leaves = [leaf for leaf in leaves if f"{leaf}.".startswith(f"{column}.")]
        light = [leaf for leaf in leaves if leaf.endswith(".path")] or leaves
        with reading(self._path):
            for batch in self._opened().iter_batches(1024, columns=light, use_threads=False):
                yield from counted(batch.column(0))

    def cell(self, column: str, row: int) -> Any:
        name, first, values = self._batch
        if name != column or not first <= row < first + len(values):
            first, values = self._read(column, row)
            self._batch = column, first, values
        value = values[row - first].as_py()
        return [self._located(one) for one in value] if isinstance(value, list) else self._located(value)

    def _located(self, value: Any) -> Any:
        """An image in a separate file, named in the table."""
        if not isinstance(value, Mapping) or value.get("bytes") or not value.get("path"):
            return value
        try:
            place = self._finder.place(value["path"]) if self._finder else None
        except WrongRecord as error:
            raise DatasetError(f"{self._path}: {error}.") from error
        return {"path": place.path} if place else None

    def _read(self, column: str, row: int) -> tuple[int, Any]:
        """The images of the batch with this row, and the index of its first row."""
        file, first = open_table(self._path), 0  # several threads may read
        if column not in self._copies:
            self._copies[column] = copied_column(file, self._path, column)
        if copy := self._copies[column]:
            return copy.rows_around(row)
        with reading(self._path):
            for group in range(file.metadata.num_row_groups):
                end = first + file.metadata.row_group(group).num_rows
                if row >= end:
                    first = end
                    continue
                for batch in file.iter_batches(AT_ONCE, row_groups=[group], columns=[column], use_threads=False):
                    if batch.nbytes > AT_ONCE * MOST_BYTES:
                        raise DatasetError(f"The table {self._path} has more than {MOST_BYTES:,} bytes in a row.")
                    if row < first + len(batch):
                        return first, batch.column(0)
                    first += len(batch)
        raise DatasetError(f"The table {self._path} has no row {row}.")

    def _opened(self) -> Any:
        if self._file is None:
            self._file = open_table(self._path)
        return self._file


def counted(column: Any) -> list[int]:
    """Number of images in each row of an array."""
    pyarrow = arrow()
    kind = column.type
    if pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind) or pyarrow.types.is_fixed_size_list(kind):
        return [count or 0 for count in pyarrow.compute.list_value_length(column).to_pylist()]
    return [int(there) for there in column.is_valid().to_pylist()]
