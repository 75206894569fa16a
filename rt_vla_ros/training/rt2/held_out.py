"""Held-out data: episodes, and examples of web datasets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rt_vla_ros.data.example import Example, ExampleSource
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.web.held_out import held_out_of_all
from rt_vla_ros.data.web.web_source import WebSource


class PartOfSource:
    """Implements ExampleSource: a subset of another one."""

    def __init__(self, source: ExampleSource, indices: Sequence[int]) -> None:
        self._source, self._indices = source, indices
        self.name, self.is_robot = source.name, source.is_robot

    def __len__(self) -> int:
        return len(self._indices)

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """See ExampleSource."""
        return self._source.example(int(self._indices[index]), rng)


def part_source(source: ExampleSource, share: float, seed: int) -> tuple[ExampleSource, ExampleSource | None]:
    """The training part and the held-out part; None if there are too few examples."""
    count = len(source)
    held = min(max(1, round(share * count)), count - 1) if share else 0
    if held < 1:
        return source, None
    order = np.random.default_rng([seed, 9]).permutation(count)
    return PartOfSource(source, np.sort(order[held:]).tolist()), PartOfSource(source, np.sort(order[:held]).tolist())


def web_parts(
    sources: Sequence[ExampleSource], share: float, seed: int
) -> list[tuple[ExampleSource, ExampleSource | None]]:
    """The training and held-out part of each source: of web datasets by image, of others by example.

    Raises DatasetError for a web dataset of one image.
    """
    by_image = [source for source in sources if isinstance(source, WebSource)] if share else []
    parted = iter(held_out_of_all(by_image, share, seed) if by_image else [])
    return [
        next(parted) if share and isinstance(source, WebSource) else part_source(source, share, seed)
        for source in sources
    ]


def part_episodes(dataset: LeRobotDataset, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Indices of a dataset's training and held-out episodes; recorded ones are not split."""
    recorded = sorted({part.recorded for part in dataset.parts})
    held = min(max(1, round(share * len(recorded))), len(recorded) - 1) if share else 0
    order = np.random.default_rng([seed, 3]).permutation(len(recorded))
    chosen = {recorded[i] for i in order[:held].tolist()}
    parts: tuple[list[int], list[int]] = ([], [])
    for number, part in enumerate(dataset.parts):
        parts[part.recorded in chosen].append(number)
    return parts
