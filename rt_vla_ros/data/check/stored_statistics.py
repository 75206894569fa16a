"""Compares meta/stats.json with the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.data.check.finding import DataFinding
from rt_vla_ros.data.check.recorded import RecordedEpisode
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot_layout import ACTION, STATE, STATISTICS
from rt_vla_ros.json_file import read_object

MARGIN = 0.02  # of a number's standard deviation


def statistics_findings(directory: Path, episodes: Sequence[RecordedEpisode]) -> Iterator[DataFinding]:
    """Checks actions and states; statistics of images often come from a sample."""
    if not (directory / STATISTICS).is_file():
        yield DataFinding("stats-missing", f"There is no {directory / STATISTICS}.")
        return
    try:
        stored = read_object(directory / STATISTICS, DatasetError)
    except DatasetError as error:
        yield DataFinding("stats-old", str(error))
        return
    states = [one.states for one in episodes if one.states is not None]
    for column, parts in ((ACTION, [one.values for one in episodes]), (STATE, states)):
        if parts and parts[0].shape[1]:
            wrong = _differences(stored.get(column), np.concatenate(parts).astype(np.float64))
            if wrong:
                yield DataFinding("stats-old", f"{directory / STATISTICS}, {column!r}: {wrong}.")


def _differences(stored: Any, values: NDArray[np.float64]) -> str:
    """The difference from the data, in words."""
    if not isinstance(stored, dict):
        return "no statistics"
    count = stored.get("count")
    if isinstance(count, list) and count and count[0] != len(values):
        return f"computed from {count[0]} time steps, but the data has {len(values)}"
    spread = values.std(axis=0)
    real = {"min": values.min(axis=0), "max": values.max(axis=0), "mean": values.mean(axis=0), "std": spread}
    for key, numbers in real.items():
        try:
            told = np.asarray(stored.get(key), np.float64).ravel()
        except (TypeError, ValueError):
            told = np.zeros(0)
        if told.shape != numbers.shape:
            return f"{key} has {told.size} numbers, expected {numbers.size}"
        wrong = ~(np.abs(told - numbers) <= MARGIN * spread + 1e-4 * np.abs(numbers) + 1e-9)
        if wrong.any():
            i = int(wrong.argmax())
            return f"{key} of element {i} is {told[i]:.4g}, but {numbers[i]:.4g} in the data"
    return ""
