"""Selection and sampling weights of recorded frames: weights of datasets and of human corrections.

In an episode with takeovers, the policy's own commands are not demonstrations. HG-DAgger (arXiv:1810.02890) trains
only on the human's commands: `commanders`. IWR (arXiv:2012.06733) keeps all frames and samples corrections as often as
all others together: `intervention`. Sirius (arXiv:2211.08416) also drops what the policy did right before a takeover,
which the human had to correct: `before_takeover`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.data.episode import COMMANDERS, DatasetError, EpisodeLabels
from rt_vla_ros.data.lerobot import LeRobotDataset

MOST_TIMES = 1000
"""Largest ratio of the sampling weights of two frames."""
POLICY, NOBODY, UNKNOWN = "policy", "", "unknown"
"""Commanders of a frame; UNKNOWN if the dataset, or one merged into it, has no such column."""


@dataclass(frozen=True)
class LearnedFrames:
    """The N frames of an episode with one instruction.

    weights: relative sampling weights, float64 (N,); 0: its action is no target, though its image may be history of a
    later one. reach: number of steps from each frame on with the same commander, int64 (N,); 0 if the weight is 0.
    Action chunks are cut there, so that none mixes a policy's and a human's commands. corrected: by a human in a
    takeover. early: by the policy, right before one. others: excluded for their commander. All bool (N,).
    """

    weights: NDArray[np.float64]
    reach: NDArray[np.int64]
    corrected: NDArray[np.bool_]
    early: NDArray[np.bool_]
    others: NDArray[np.bool_]


@dataclass(frozen=True)
class FrameWeighting:
    """datasets: relative sampling weight of a frame of each; empty: equal.

    intervention: relative weight of frames corrected by a human. before_takeover: the policy's frames within this time
    before a takeover are excluded [s]. commanders: if the dataset records commanders, frames of others are excluded;
    empty: none.
    Raises DatasetError for a negative or infinite weight, too large a ratio, or an unknown commander.
    """

    datasets: tuple[float, ...] = ()
    intervention: float = 1.0
    before_takeover: float = 0.0
    commanders: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        named = [("weight of a dataset", one) for one in self.datasets]
        named += [("weight of interventions", self.intervention), ("time before a takeover", self.before_takeover)]
        for name, value in named:
            if not (math.isfinite(value) and value >= 0):
                raise DatasetError(f"The {name} is {value}, expected a number, 0 or more.")
        given = [one for one in self.datasets if one]
        times = max(given) / min(given) if given else 1.0
        for what, often in (("A frame of one dataset", times), ("A correction", self.intervention)):
            if often and not 1 / MOST_TIMES <= often <= MOST_TIMES:
                raise DatasetError(
                    f"{what} would be sampled {often:g} times as often as another frame; expected 1 / "
                    f"{MOST_TIMES:,} to {MOST_TIMES:,} times. A weight of 0 excludes frames."
                )
        if strange := [name for name in self.commanders if name not in COMMANDERS or name in (NOBODY, UNKNOWN)]:
            there = ", ".join(name for name in COMMANDERS if name not in (NOBODY, UNKNOWN))
            raise DatasetError(f"There is no commander {strange[0]!r}; there are {there}.")
        if self.datasets and not any(self.datasets):
            raise DatasetError("All datasets have weight 0: no frames are left.")

    def __str__(self) -> str:
        """The non-default settings in words, also for the settings of a run; empty if there are none."""
        parts = [f"weights {' '.join(f'{one:g}' for one in self.datasets)}"] if len({*self.datasets}) > 1 else []
        parts += [f"weight of interventions {self.intervention:g}"] if self.intervention != 1 else []
        parts += [f"{self.before_takeover:g} s before a takeover excluded"] if self.before_takeover else []
        parts += [f"commanders {', '.join(self.commanders)}"] if self.commanders else []
        return "; ".join(parts)

    def of(self, datasets: Sequence[LeRobotDataset]) -> list[list[LearnedFrames]]:
        """The frames of each dataset's `parts`. Raises DatasetError if a setting has no effect or leaves no frames.

        A weight or rule that matches no frame is refused: a dataset is missing, or lacks the columns.
        """
        if self.datasets and len(self.datasets) != len(datasets):
            raise DatasetError(
                f"There are {len(self.datasets)} weights for {len(datasets)} datasets; give one for each."
            )
        known, found = set[str](), list[list[LearnedFrames]]()
        for number, dataset in enumerate(datasets):
            weight, own = self.datasets[number] if self.datasets else 1.0, list[LearnedFrames]()
            for _, parts in groupby(enumerate(dataset.parts), key=lambda one: one[1].recorded):
                labels = [dataset.labels(index) for index, _ in parts]
                known |= {name for one in labels for name in {*_commanders(one).tolist()}} - {NOBODY, UNKNOWN}
                own += self.of_recording(labels, dataset.rate, weight)
            found.append(own)
        self._check(found, known)
        return found

    def of_recording(self, parts: Sequence[EpisodeLabels], rate: float, weight: float = 1.0) -> list[LearnedFrames]:
        """The frames of a recorded episode's parts, in order. rate: frames per second [Hz]. weight: of its dataset."""
        corrected = np.concatenate([_interventions(one) for one in parts])
        who = np.concatenate([_commanders(one) for one in parts])
        own = ~corrected & np.isin(who, [POLICY, NOBODY, UNKNOWN])
        early = own & _before(corrected, math.ceil(self.before_takeover * rate - 1e-6))
        others = np.zeros(len(who), bool)
        if self.commanders:
            others = ~np.isin(who, [*self.commanders, UNKNOWN])
        weights = np.where(corrected, self.intervention, 1.0) * weight * ~(early | others)
        changes = np.ones(len(who), bool)
        changes[1:] = (np.diff(corrected) != 0) | (who[1:] != who[:-1]) | (np.diff(weights > 0) != 0)
        ends = np.cumsum([len(part) for part in parts])
        changes[ends[:-1]] = True  # another instruction
        borders = np.append(np.flatnonzero(changes), len(who))
        steps = np.arange(len(who))
        reach = (borders[np.searchsorted(borders, steps, side="right")] - steps) * (weights > 0)
        cuts = [slice(end - len(part), end) for end, part in zip(ends.tolist(), parts, strict=True)]
        return [LearnedFrames(weights[c], reach[c], corrected[c], early[c], others[c]) for c in cuts]

    def _check(self, found: Sequence[Sequence[LearnedFrames]], known: set[str]) -> None:
        frames = [one for parts in found for one in parts]
        takeovers = any(one.corrected.any() for one in frames)
        asked = {"weight of interventions": self.intervention != 1, "time before a takeover": self.before_takeover > 0}
        for name, given in asked.items():
            if given and not takeovers:
                raise DatasetError(
                    f"A {name} is given, but no frame of the datasets is an intervention. Name the dataset with the "
                    "takeovers too, or leave the option out."
                )
        if self.commanders and not known:
            raise DatasetError(
                f"Commanders are named ({', '.join(self.commanders)}), but no dataset says who commanded (column "
                "'commander'). Add the dataset with the takeovers, or leave the option out."
            )
        if not any(one.weights.any() for one in frames):
            why = str(self) or "the settings"
            raise DatasetError(f"All {sum(len(one.weights) for one in frames):,} frames are excluded ({why}).")


def set_names(datasets: Sequence[LeRobotDataset]) -> list[str]:
    """Names of the datasets in messages: their directories, with the path if two have the same name."""
    names = [one.directory.name for one in datasets]
    return names if len({*names}) == len(names) else [str(one.directory) for one in datasets]


ALL_ALIKE = FrameWeighting()


def _interventions(labels: EpisodeLabels) -> NDArray[np.bool_]:
    return np.zeros(len(labels), bool) if labels.interventions is None else labels.interventions


def _commanders(labels: EpisodeLabels) -> NDArray[np.str_]:
    return np.array([UNKNOWN] * len(labels) if labels.commanders is None else labels.commanders)


def _before(corrected: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """Mask of the `count` frames before each takeover, without the takeover itself."""
    begins = np.flatnonzero(corrected & ~np.append(False, corrected[:-1]))
    found = np.zeros(len(corrected), bool)
    for begin in begins.tolist():
        found[max(0, begin - count) : begin] = True
    return found


Draws = Sequence[Sequence[NDArray[np.float64]]]
"""For each dataset and each of its episodes, the relative sampling weights of the frames, (N,)."""


def effect(names: Sequence[str], datasets: Sequence[Sequence[LearnedFrames]], draws: Draws) -> list[str]:
    """Sentences on the frames used of each dataset and their shares. names: of the datasets."""
    frames = [one for parts in datasets for one in parts]
    often = [one for parts in draws for one in parts]
    total, said = sum(len(one.weights) for one in frames), list[str]()
    drawn = np.array([sum(float(one.sum()) for one in parts) for parts in draws])
    if len(names) > 1:
        shares = ", ".join(f"{name} {share:.1%}" for name, share in zip(names, drawn / drawn.sum(), strict=True))
        said.append(f"Shares of the datasets in the training samples: {shares}.")
    if corrections := sum(int(one.corrected.sum()) for one in frames):
        weight = sum(float(drawn[one.corrected].sum()) for drawn, one in zip(often, frames, strict=True))
        said.append(
            f"Corrections by a human: {corrections:,} of {total:,} frames ({corrections / total:.1%}), and "
            f"{weight / drawn.sum():.1%} of the training samples."
        )
        if not weight:
            said.append(
                "No corrections are trained on: all are held out or excluded. Use more episodes or another seed."
            )
    others = sum(int(one.others.sum()) for one in frames)
    early = sum(int((one.early & ~one.others).sum()) for one in frames)
    for what, count in (("of other commanders", others), ("of the policy right before a takeover", early)):
        if count:
            said.append(f"Not trained on: {count:,} frames {what} ({count / total:.1%}).")
    return said
