"""Compares episodes with each other: very short ones, outliers, duplicates, and how they ended."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard, kind_of_motion
from rt_vla_ros.data.check.finding import DataFinding, episode_list
from rt_vla_ros.data.check.recorded import RecordedEpisode

SHORTEST, FEWEST_STEPS = 0.5, 4  # [s]; time steps
FEWEST = 20  # episodes, to say what is usual
FAR = 6.0  # robust z: distances from the median, in robust standard deviations


def episode_findings(card: ActionCard, rate: float, episodes: Sequence[RecordedEpisode]) -> Iterator[DataFinding]:
    """rate: frames per second."""
    short = [one.number for one in episodes if len(one) < max(FEWEST_STEPS, SHORTEST * rate)]
    if short:
        what = f"{len(short)} of {len(episodes)} episodes are shorter than {max(FEWEST_STEPS / rate, SHORTEST):.1f} s."
        yield DataFinding("episode-short", what, tuple(short))
    yield from _outliers(card, episodes)
    yield from _duplicates(episodes)
    unknown = [one.number for one in episodes if one.success is None]
    if unknown:
        what = f"{len(unknown)} of {len(episodes)} episodes have no success label."
        yield DataFinding("success-missing", what, tuple(unknown) if len(unknown) < len(episodes) else ())
    failed = [one.number for one in episodes if one.success is False]
    if failed:
        yield DataFinding("failures", f"{len(failed)} of {len(episodes)} episodes failed.", tuple(failed))


def _outliers(card: ActionCard, episodes: Sequence[RecordedEpisode]) -> Iterator[DataFinding]:
    whole = [one for one in episodes if np.isfinite(one.values).all() and len(one)]
    if len(whole) < FEWEST:
        return
    moving = [i for i, one in enumerate(card.dimensions) if kind_of_motion(one.role) == "translation"]
    paths = [float(np.linalg.norm(one.values[:, moving], axis=1).sum()) for one in whole]
    measures = {
        "length": np.log([float(len(one)) for one in whole]),
        "path": np.log(np.maximum(paths, max(1e-9, 1e-3 * float(np.median(paths))))),
    }
    starts = [
        one.states[0] if one.states is not None else one.tool[0] if one.tool is not None else None for one in whole
    ]
    known = [start for start in starts if start is not None and np.isfinite(start).all()]
    if len(known) == len(whole):
        measures["initial state"] = np.stack(known).astype(np.float64)
    for name, column in measures.items():
        scores = np.abs(robust_z(column))
        scores = scores.max(axis=1) if scores.ndim == 2 else scores
        far = [(one.number, float(score)) for one, score in zip(whole, scores, strict=True) if score > FAR]
        if far:
            numbers = [number for number, _ in sorted(far, key=lambda pair: -pair[1])]
            what = (
                f"{episode_list(numbers).capitalize()} by {name}: up to {max(z for _, z in far):.0f} robust deviations."
            )
            yield DataFinding("episode-outlier", what, tuple(numbers))


def robust_z(column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each row from the median, in standard deviations estimated from the quartiles; same shape.

    A spread of less than a hundredth of the largest distance of any column is raised to that: otherwise rounding errors
    in a constant column would be outliers.
    """
    low, middle, high = np.percentile(column, (25, 50, 75), axis=0)
    away = column - middle
    least = max(1e-6, 0.02 * float(np.max(np.abs(away), initial=0.0)))
    return np.asarray(away / np.maximum((high - low) / 1.349, least), np.float64)


def _duplicates(episodes: Sequence[RecordedEpisode]) -> Iterator[DataFinding]:
    """Episodes whose actions, states and tool poses are bit-identical; motionless ones are ignored."""
    same = defaultdict[bytes, list[int]](list)
    for one in episodes:
        if len(one) >= FEWEST_STEPS and one.values.size and np.ptp(one.values, axis=0).max() > 0:
            digest = hashlib.sha256(np.ascontiguousarray(one.values).tobytes())
            for part in (one.states, one.tool):
                digest.update(b"" if part is None else np.ascontiguousarray(part).tobytes())
            same[digest.digest()].append(one.number)
    groups = [numbers for numbers in same.values() if len(numbers) > 1]
    if groups:
        copies = tuple(number for numbers in groups for number in numbers[1:])
        first = f"{groups[0][0]} and {groups[0][1]}"
        what = f"{len(copies)} episodes have the same actions and states as an earlier one; the first are {first}."
        yield DataFinding("episode-duplicate", what, copies)
