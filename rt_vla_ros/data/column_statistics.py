"""Statistics of a dataset's columns, per episode and in total, as in LeRobot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Statistics = dict[str, Any]
"""min, max, mean, std: nested lists, one number per entry of the column. count: [rows]."""
KEYS = ("min", "max", "mean", "std", "count")


def column_statistics(column: NDArray[Any]) -> Statistics:
    """Statistics of a numeric column (N, ...), or of images (N, H, W, 3): per channel, (3, 1, 1), in 0 ... 1."""
    if column.dtype == np.uint8 and column.ndim == 4:
        return image_statistics(column)
    rows = column.reshape(len(column), -1).astype(np.float64)
    return _written(rows.min(0), rows.max(0), rows.mean(0), rows.std(0), len(rows))


def row_statistics(row: Mapping[str, Any]) -> dict[str, Statistics]:
    """Statistics by column, from the keys "stats/COLUMN/KEY" of a row of meta/episodes."""
    found: dict[str, Statistics] = {}
    for name in (name for name in row if name.startswith("stats/")):
        column, _, key = name.removeprefix("stats/").rpartition("/")
        found.setdefault(column, {})[key] = row[name]
    return found


def merged_columns(parts: Sequence[Mapping[str, Statistics]]) -> dict[str, Statistics]:
    """Combine the statistics of parts, by column; for columns in all parts."""
    names = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: merged_statistics([part[name] for part in parts]) for name in names}


def merged_statistics(parts: list[Statistics]) -> Statistics:
    """Combine the statistics of parts."""
    counts = np.array([part["count"][0] for part in parts], np.float64)
    shares = counts / counts.sum()
    means, spreads = (np.stack([np.asarray(part[key], np.float64) for part in parts]) for key in ("mean", "std"))
    mean = np.tensordot(shares, means, 1)
    variance = np.tensordot(shares, spreads**2 + (means - mean) ** 2, 1)
    low = np.min([part["min"] for part in parts], axis=0)
    high = np.max([part["max"] for part in parts], axis=0)
    return _written(low, high, mean, np.sqrt(variance), int(counts.sum()))


def image_statistics(images: Iterable[NDArray[np.uint8]]) -> Statistics:
    """Statistics of images (H, W, 3), added one by one; none is kept."""
    counts, number = np.zeros((3, 256), np.int64), 0
    for image in images:
        counts += np.stack([np.bincount(image[..., colour].ravel(), minlength=256) for colour in range(3)])
        number += 1
    return statistics_of_counts(counts, number)


def statistics_of_counts(counts: NDArray[np.int64], number: int) -> Statistics:
    """Statistics of `number` images, from their histograms per channel, (3, 256)."""
    levels = np.arange(256) / 255.0
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ levels
    spread = np.sqrt(np.maximum(shares @ levels**2 - mean**2, 0.0))
    low = np.array([levels[row.nonzero()[0][0]] for row in counts])
    high = np.array([levels[row.nonzero()[0][-1]] for row in counts])
    shape = (3, 1, 1)
    return _written(low.reshape(shape), high.reshape(shape), mean.reshape(shape), spread.reshape(shape), number)


def _written(low: Any, high: Any, mean: Any, spread: Any, count: int) -> Statistics:
    values = {"min": low, "max": high, "mean": mean, "std": spread}
    return {key: np.asarray(value, np.float64).tolist() for key, value in values.items()} | {"count": [count]}
