"""Which recorded frames are learned and how often each is drawn: weights of datasets and of a human's corrections.

What a policy commanded in an episode with takeovers is its own output, not a demonstration. HG-DAgger
(arXiv:1810.02890) learns what the human commanded and nothing else: `commanders`. IWR (arXiv:2012.06733) keeps all
frames and draws corrections as often as the rest together: `intervention`. Sirius (arXiv:2211.08416) also leaves out
what the policy did right before a takeover, which is what the human had to correct: `before_takeover`.
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
"""How much more often one frame may be drawn than another, by the weights of the datasets or of corrections."""
POLICY, NOBODY, UNKNOWN = "policy", "", "unknown"
"""Who commanded a frame; UNKNOWN where the dataset, or one that was merged into it, has no column that says it."""


@dataclass(frozen=True)
class LearnedFrames:
    """The N frames of an episode of one instruction.

    weights: how often each is drawn compared with others, float64 (N,); 0: its action is not learned, though its image
    may be history of a later one. reach: how many steps from each frame on were commanded by the same, int64 (N,); 0
    where it is not learned. An action chunk is learned so far and no further: none is half a policy's and half a
    human's. corrected: by a human in a takeover. early: by the policy, right before one. others: left out for their
    commander. All bool (N,).
    """

    weights: NDArray[np.float64]
    reach: NDArray[np.int64]
    corrected: NDArray[np.bool_]
    early: NDArray[np.bool_]
    others: NDArray[np.bool_]


@dataclass(frozen=True)
class FrameWeighting:
    """datasets: how often a frame of each is drawn compared with the others; empty: all alike.

    intervention: the same of frames that a human corrected, against other frames. before_takeover: frames that the
    policy commanded in so many seconds before a takeover are not learned [s]. commanders: frames of others are not
    learned, where the dataset says who commanded them; empty: all are.
    Raises DatasetError for a weight that is no number from 0 on, or far from the others, and an unknown commander.
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
                    f"{what} would be drawn {often:g} times as often as another frame; expected at most {MOST_TIMES:,} "
                    f"times, and 1 / {MOST_TIMES:,} at least. 0 leaves frames out."
                )
        if strange := [name for name in self.commanders if name not in COMMANDERS or name in (NOBODY, UNKNOWN)]:
            there = ", ".join(name for name in COMMANDERS if name not in (NOBODY, UNKNOWN))
            raise DatasetError(f"There is no commander {strange[0]!r}; there are {there}.")
        if self.datasets and not any(self.datasets):
            raise DatasetError("All datasets have the weight 0, so nothing would be learned.")

    def __str__(self) -> str:
        """What differs from the default, for people and for the settings of a run; empty where nothing does."""
        parts = [f"weights {' '.join(f'{one:g}' for one in self.datasets)}"] if len({*self.datasets}) > 1 else []
        parts += [f"weight of interventions {self.intervention:g}"] if self.intervention != 1 else []
        parts += [f"{self.before_takeover:g} s before a takeover left out"] if self.before_takeover else []
        parts += [f"commanders {', '.join(self.commanders)}"] if self.commanders else []
        return "; ".join(parts)

    def of(self, datasets: Sequence[LeRobotDataset]) -> list[list[LearnedFrames]]:
        """For each dataset those of its `parts`. Raises DatasetError where a setting has no effect or leaves nothing.

        A weight or a rule that meets no frame is refused: a dataset was forgotten, or its columns were lost.
        """
        if self.datasets and len(self.datasets) != len(datasets):
            raise DatasetError(f"There are {len(self.datasets)} weights for {len(datasets)} datasets; give each one.")
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
        """Of one recorded episode's parts, in order. rate: frames a second [Hz]. weight: of its dataset."""
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
                "'commander'). Name the dataset with the takeovers too, or leave the option out."
            )
        if not any(one.weights.any() for one in frames):
            why = str(self) or "the settings"
            raise DatasetError(f"All {sum(len(one.weights) for one in frames):,} frames are left out ({why}).")


def set_names(datasets: Sequence[LeRobotDataset]) -> list[str]:
    """What the datasets are called in sentences: by their directories, with the path where two have the same name."""
    names = [one.directory.name for one in datasets]
    return names if len({*names}) == len(names) else [str(one.directory) for one in datasets]


ALL_ALIKE = FrameWeighting()


def _interventions(labels: EpisodeLabels) -> NDArray[np.bool_]:
    return np.zeros(len(labels), bool) if labels.interventions is None else labels.interventions


def _commanders(labels: EpisodeLabels) -> NDArray[np.str_]:
    return np.array([UNKNOWN] * len(labels) if labels.commanders is None else labels.commanders)


def _before(corrected: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """Which of the frames are among the `count` before a takeover, its own not."""
    begins = np.flatnonzero(corrected & ~np.append(False, corrected[:-1]))
    found = np.zeros(len(corrected), bool)
    for begin in begins.tolist():
        found[max(0, begin - count) : begin] = True
    return found


Draws = Sequence[Sequence[NDArray[np.float64]]]
"""For each dataset, of each of its episodes: how often each frame is drawn, compared with others, (N,)."""


def effect(names: Sequence[str], datasets: Sequence[Sequence[LearnedFrames]], draws: Draws) -> list[str]:
    """Sentences on what is learned of the datasets, and with which shares. names: of the datasets."""
    frames = [one for parts in datasets for one in parts]
    often = [one for parts in draws for one in parts]
    total, said = sum(len(one.weights) for one in frames), list[str]()
    drawn = np.array([sum(float(one.sum()) for one in parts) for parts in draws])
    if len(names) > 1:
        shares = ", ".join(f"{name} {share:.1%}" for name, share in zip(names, drawn / drawn.sum(), strict=True))
        said.append(f"Shares of the datasets in the frames that are learned: {shares}.")
    if corrections := sum(int(one.corrected.sum()) for one in frames):
        weight = sum(float(drawn[one.corrected].sum()) for drawn, one in zip(often, frames, strict=True))
        said.append(
            f"Corrections by a human: {corrections:,} of {total:,} frames ({corrections / total:.1%}), and "
            f"{weight / drawn.sum():.1%} of those that are learned."
        )
        if not weight:
            said.append("No correction is learned: they are held out, or left out. More episodes or another seed help.")
    others = sum(int(one.others.sum()) for one in frames)
    early = sum(int((one.early & ~one.others).sum()) for one in frames)
    for what, count in (("of other commanders", others), ("of the policy right before a takeover", early)):
        if count:
            said.append(f"Not learned: {count:,} frames {what} ({count / total:.1%}).")
    return said
