"""A camera's images in a LeRobot dataset: in videos, or in the tables themselves."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot_layout import inside
from rt_vla_ros.data.lerobot_rows import RecordedSteps, Row
from rt_vla_ros.data.parquet import arrow, open_table, reading
from rt_vla_ros.data.video import Images, VideoReader

AT_ONCE = 16  # images that are taken out of a table together
MOST_BYTES = 1 << 30  # of the images in a group of rows
FORMATS = ("PNG", "JPEG")


class CameraPictures(Protocol):
    """A camera's images of all recorded episodes; thread-safe."""

    def check(self, episode: int) -> None:
        """Raises DatasetError if a time step has no image; nothing is decoded."""

    def read(self, episode: int, first: int, count: int) -> Iterator[Images]:
        """The images from time step `first` on, RGB uint8 (H, W, 3). Raises DatasetError."""


class VideoPictures:
    """Images in videos. A frame belongs to a time step if its timestamp differs by less than half a period."""

    def __init__(
        self,
        column: str,
        size: tuple[int, int],
        rows: Sequence[Row] | Mapping[int, Row],
        steps: Sequence[RecordedSteps] | Mapping[int, RecordedSteps],
        path_of: Callable[[Row], Path],
        rate: float,
    ) -> None:
        """size: height and width [pixel]. path_of: an episode's video. rate: frames per second."""
        self._column, self._size, self._rows, self._steps = column, size, rows, steps
        self._path_of, self._rate, self._reader = path_of, rate, VideoReader()
        self._videos: dict[Path, NDArray[np.float64]] = {}
        self._times: dict[int, NDArray[np.float64]] = {}

    def check(self, episode: int) -> None:
        self._times_of(episode)

    def read(self, episode: int, first: int, count: int) -> Iterator[Images]:
        times = self._times_of(episode)[first : first + count]
        for image in self._reader.read(self._path_of(self._rows[episode]), times):
            if image.shape[:2] != self._size:
                raise DatasetError(f"The video {self._path_of(self._rows[episode])} changes its size.")
            yield image

    def _times_of(self, episode: int) -> NDArray[np.float64]:
        """Timestamps of an episode's frames in its video [s], (n,)."""
        if episode not in self._times:
            path = self._path_of(self._rows[episode])
            if path not in self._videos:
                self._videos[path] = self._reader.times(path, *self._size)
            self._times[episode] = self._matched(episode, path, self._videos[path])
        return self._times[episode]

    def _matched(self, episode: int, path: Path, times: NDArray[np.float64]) -> NDArray[np.float64]:
        wanted = self._rows[episode][f"videos/{self._column}/from_timestamp"] + self._steps[episode].stamps
        where = f"The video {path} ({self._column}, episode {episode})"
        if not len(times):
            raise DatasetError(f"{where} has no frames.")
        after = np.searchsorted(times, wanted).clip(1, max(1, len(times) - 1))
        before = after - 1
        after = after.clip(max=len(times) - 1)
        nearest = np.where(wanted - times[before] <= times[after] - wanted, before, after)
        away = np.abs(times[nearest] - wanted)
        if (away >= 0.5 / self._rate).any():
            i = int((away >= 0.5 / self._rate).argmax())
            raise DatasetError(
                f"{where} has no frame at {wanted[i]:.3f} s, for time step {i}: the nearest is at "
                f"{times[nearest[i]]:.3f} s, expected less than {0.5 / self._rate:.3f} s away."
            )
        if (np.diff(nearest) != 1).any():
            i = int((np.diff(nearest) != 1).argmax())
            between = f"{times[nearest[i]]:.3f} s and {times[nearest[i + 1]]:.3f} s"
            raise DatasetError(
                f"{where} does not have one frame for each time step: for the steps {i} and {i + 1} it has those at "
                f"{between}, which do not follow each other."
            )
        matched: NDArray[np.float64] = times[nearest]
        return matched


class TablePictures:
    """Images as PNG or JPEG in the data tables, or in files named there."""

    def __init__(
        self,
        column: str,
        size: tuple[int, int],
        directory: Path,
        steps: Sequence[RecordedSteps] | Mapping[int, RecordedSteps],
    ) -> None:
        """size: height and width [pixel]. directory: of the dataset."""
        self._column, self._size, self._directory, self._steps = column, size, directory, steps
        self._checked: set[Path] = set()

    def check(self, episode: int) -> None:
        path = self._steps[episode].path
        if path not in self._checked:
            self._group_starts(path, open_table(path))
            self._checked.add(path)

    def read(self, episode: int, first: int, count: int) -> Iterator[Images]:
        steps = self._steps[episode]
        rows = steps.rows[first : first + count]
        cells = self._cells(steps.path, rows)
        for step, row in enumerate(rows.tolist(), first):
            try:
                yield self._decoded(cells.pop(row))
            except (OSError, ValueError, TypeError, KeyError, SyntaxError, Image.DecompressionBombError) as error:
                where = f"The table {steps.path}: the image {self._column!r} at time step {step} of episode {episode}"
                unknown = isinstance(error, UnidentifiedImageError)  # whose text is the address of the bytes
                why = "it is neither PNG nor JPEG" if unknown else error
                raise DatasetError(f"{where} cannot be read: {why}.") from error

    def _cells(self, path: Path, rows: NDArray[np.int64]) -> dict[int, Any]:
        """The column's cells in these rows, read in small groups, as equal ones are compressed to nothing."""
        file, wanted, cells = open_table(path), {*rows.tolist()}, dict[int, Any]()
        starts = self._group_starts(path, file)
        groups = {*(np.searchsorted(starts, rows, side="right") - 1).tolist()}
        with reading(path):
            for group in sorted(groups):
                at = int(starts[group])
                for batch in file.iter_batches(AT_ONCE, row_groups=[group], columns=[self._column], use_threads=False):
                    cells |= {row: batch.column(0)[row - at].as_py() for row in wanted & {*range(at, at + len(batch))}}
                    at += len(batch)
                    if len(cells) == len(wanted):
                        break
        return cells

    def _group_starts(self, path: Path, file: Any) -> NDArray[np.int64]:
        """The first row of each row group. Raises DatasetError for another kind of column, or too large a group."""
        types, metadata = arrow().types, file.metadata
        with reading(path):
            schema = file.schema_arrow
        if schema.names.count(self._column) != 1:
            raise DatasetError(
                f"The table {path} needs one column {self._column!r}; available: {', '.join(schema.names)}."
            )
        kind = schema.field(self._column).type
        if not types.is_struct(kind) or [field.name for field in kind] != ["bytes", "path"]:
            raise DatasetError(f"The table {path} has {kind} in the column {self._column!r}, expected bytes and path.")
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        leaf = next(i for i in range(metadata.num_columns) if metadata.schema.column(i).path == f"{self._column}.bytes")
        if any(group.column(leaf).total_uncompressed_size > MOST_BYTES for group in groups):
            raise DatasetError(f"The table {path} has more than {MOST_BYTES:,} bytes of images in one row group.")
        return np.cumsum([0, *(group.num_rows for group in groups)])[:-1]

    def _decoded(self, cell: Mapping[str, Any]) -> Images:
        data = cell["bytes"]
        if data is None and cell["path"] is None:
            raise ValueError("it is missing")
        source = io.BytesIO(data) if data is not None else inside(self._directory, cell["path"])
        height, width = self._size
        with Image.open(source, formats=FORMATS) as image:
            if image.size != (width, height) or image.mode != "RGB":
                found = f"it is {image.size[0]}x{image.size[1]} with the channels {image.mode}"
                raise ValueError(f"{found}, expected {width}x{height} with RGB")
            return np.asarray(image, np.uint8)
