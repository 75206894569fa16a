"""Removes idle time at the start and end of episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.dataset_edits import Pick, Report, write
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.episode_source import EpisodeSource, StepRange, open_dataset
from rt_vla_ros.data.idle_steps import idle_ends, moving_steps
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_layout import ACTION
from rt_vla_ros.data.new_place import check_new

MARGIN = 0.3
"""Idle time to keep at each end [s]."""


@dataclass(frozen=True)
class EpisodeCut:
    """Steps to cut at the start and the end of episode `number` with `length` steps; all if nothing moves."""

    number: int
    length: int
    start: int
    end: int

    @property
    def gone(self) -> int:
        """Number of cut steps."""
        return min(self.length, self.start + self.end)


def planned_cuts(source: EpisodeSource, card: ActionCard, margin: float = MARGIN) -> list[EpisodeCut]:
    """The cuts of every episode, by the rule of the data check. margin: idle time to keep at each end [s], 0 or more.

    If the card has a terminate, at least one step is kept at the end: the terminating action moves to the last one.
    Raises DatasetError if an action is not finite.
    """
    values = [source.numbers(number, ACTION) for number in range(len(source))]
    broken = [number for number, one in enumerate(values) if not np.isfinite(one).all()]
    if broken:
        what = f"episode {broken[0]} of {source.directory} has actions that are not finite"
        raise DatasetError(f"Idle time is undefined: {what}. Drop it first: rt-vla data drop.")
    stays = round(margin * float(source.info["fps"]))
    at_end = stays if card.index("terminate") is None else max(1, stays)
    return [_cut(number, one, stays, at_end) for number, one in enumerate(moving_steps(card, values))]


def trim(
    source: EpisodeSource, card: ActionCard, cuts: Sequence[EpisodeCut], out: Path, report: Report, *, link: bool
) -> LeRobotDataset:
    """A new dataset with the cuts applied. Raises DatasetError if they remove nothing or everything, OSError."""
    check_new(out, [source.directory])
    left = [cut for cut in cuts if cut.gone < cut.length]
    if not left:
        raise DatasetError(f"No episode of {source.directory} has commanded motion; nothing would be left.")
    if not any(cut.gone for cut in cuts):
        raise DatasetError(f"No episode of {source.directory} has idle time to cut; no copy is needed.")
    terminates = card.index("terminate") is not None
    picks = [Pick(source, cut.number, part=_part(cut, terminates)) for cut in left]
    return write(out, card, picks, report, link=link)


def open_to_trim(directory: Path, margin: float = MARGIN) -> tuple[EpisodeSource, ActionCard, list[EpisodeCut]]:
    """A dataset and its cuts. Raises DatasetError, ActionCardError."""
    source, card = open_dataset(directory)
    return source, card, planned_cuts(source, card, margin)


def _cut(number: int, moving: NDArray[np.bool_], at_start: int, at_end: int) -> EpisodeCut:
    start, end = idle_ends(moving)
    if not moving.any():
        return EpisodeCut(number, len(moving), len(moving), len(moving))
    return EpisodeCut(number, len(moving), max(0, start - at_start), max(0, end - at_end))


def _part(cut: EpisodeCut, terminates: bool) -> StepRange | None:
    if not cut.gone:
        return None
    return StepRange(cut.start, cut.length - cut.end, same_action=terminates and cut.end > 0)
