"""Offline evaluation: the error of a policy's actions on every frame of recorded episodes.

The policy sees recorded images and their history, never the result of its own actions (open loop). So this does not
predict the success rate: of two policies, the one with the smaller error may be the worse one on the arm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import BASE_ROLES, UNITS, ActionCard, ActionCardError
from rt_vla_ros.action_space.chunk import EndEffectorStep
from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.data.episode import DatasetError, EpisodeLabels, card_differences
from rt_vla_ros.data.frame_weights import ALL_ALIKE, POLICY, LearnedFrames
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.evaluation.phases import PHASES, phases
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy

WARNING = (
    "This is not a success rate: the policy saw recorded images, never the result of its own actions. Measure that on "
    "the arm, or in the simulator (rt-vla evaluate --suite)."
)
MOTION = (*(f"{kind}_{axis}" for kind in ("translation", "rotation") for axis in "xyz"), *BASE_ROLES)
Say = Callable[[str], None]


@dataclass(frozen=True)
class OfflineSteps:
    """F predicted and recorded steps.

    predicted, recorded: float64 (F, 9): displacements in the card's frame [m] and rotation vectors [rad], then those of
    a base, x, y [m] and yaw [rad]. gripper: whether it is closed, terminate: whether the instruction is done, both bool
    (F, 2), predicted and recorded. phase: numbers of PHASES, int64 (F,). ahead: which step of its chunk it is, 0: the
    first, int64 (F,).
    """

    predicted: NDArray[np.float64]
    recorded: NDArray[np.float64]
    gripper: NDArray[np.bool_]
    terminate: NDArray[np.bool_]
    phase: NDArray[np.int64]
    ahead: NDArray[np.int64]

    def those(self, which: NDArray[np.bool_]) -> OfflineSteps:
        """A subset of the steps."""
        return OfflineSteps(**{name: value[which] for name, value in vars(self).items()})


def check_same_actions(policy: ActionCard, dataset: LeRobotDataset) -> None:
    """Raises ActionCardError if a policy's actions or inputs differ in meaning from a dataset's."""
    ours = replace(
        dataset.card.with_horizon(policy.horizon), execute_steps=policy.execute_steps, ensemble=policy.ensemble
    )
    if differences := card_differences(ours, policy):
        raise ActionCardError(
            f"The policy has a different action card than {dataset.directory} ({differences}): their actions cannot be "
            "compared. Evaluate a policy that was trained on data with this card."
        )


def offline_steps(
    policy: Policy, dataset: LeRobotDataset, episodes: Sequence[int], say: Say = lambda _: None
) -> OfflineSteps:
    """Run the policy on every frame of some of the dataset's `parts`; frames commanded by a policy are skipped.

    Raises ActionCardError for another card, DatasetError for damaged data and if no frames are left.
    """
    check_same_actions(policy.card, dataset)
    found = list[OfflineSteps]()
    for number, (index, labels, frames) in enumerate(_episodes(dataset, episodes), 1):
        say(f"episode {number} of {len(episodes)}, {len(labels)} frames")
        found += _of_episode(policy, dataset, index, labels, frames)
    if not found:
        raise DatasetError(f"{dataset.directory}: a policy commanded all frames of these episodes; nothing to compare.")
    return OfflineSteps(**{name: np.concatenate([vars(one)[name] for one in found]) for name in vars(found[0])})


def _episodes(dataset: LeRobotDataset, episodes: Sequence[int]) -> Iterator[tuple[int, EpisodeLabels, LearnedFrames]]:
    """(number, labels, grouping of frames) of one recorded episode after another."""
    for _, group in groupby(sorted(episodes), key=lambda index: dataset.parts[index].recorded):
        numbers = list(group)
        labels = [dataset.labels(index) for index in numbers]
        yield from zip(numbers, labels, ALL_ALIKE.of_recording(labels, dataset.rate), strict=True)


def _of_episode(
    policy: Policy, dataset: LeRobotDataset, index: int, labels: EpisodeLabels, frames: LearnedFrames
) -> Iterator[OfflineSteps]:
    decoder = ActionDecoder(dataset.card)
    recorded = [decoder.step(value) for value in labels.values]
    phase = phases([step.gripper for step in recorded], dataset.rate)
    policy.reset(labels.instruction)
    own = [name == POLICY for name in labels.commanders or ()] or [False] * len(labels)
    for number in range(len(labels)):
        images = {camera.name: dataset.images(index, camera.name, number, 1)[0] for camera in dataset.card.cameras}
        state = None if labels.states is None else labels.states[number]
        chunk = policy.act(Observation(images, float(labels.stamps[number]), state))
        if own[number]:
            continue
        known = min(len(chunk.steps), int(frames.reach[number]))
        yield _compared(chunk.steps[:known], recorded[number : number + known], phase[number : number + known])


def _compared(
    predicted: Sequence[EndEffectorStep], recorded: Sequence[EndEffectorStep], phase: NDArray[np.int64]
) -> OfflineSteps:
    pairs = list(zip(predicted, recorded, strict=True))
    return OfflineSteps(
        np.array([_motion(one) for one in predicted]).reshape(-1, len(MOTION)),
        np.array([_motion(one) for one in recorded]).reshape(-1, len(MOTION)),
        np.array([[ours.gripper > 0.5, theirs.gripper > 0.5] for ours, theirs in pairs], bool).reshape(-1, 2),
        np.array([[ours.terminate, theirs.terminate] for ours, theirs in pairs], bool).reshape(-1, 2),
        phase,
        np.arange(len(pairs)),
    )


def _motion(step: EndEffectorStep) -> NDArray[np.float64]:
    return np.concatenate([step.translation, step.rotation, step.base])


def offline_result(card: ActionCard, steps: OfflineSteps) -> dict[str, Any]:
    """The results as JSON: of first and later steps of chunks, and of the first ones by phase."""
    first = steps.those(steps.ahead == 0)
    later = steps.those(steps.ahead > 0)
    by_phase = {name: first.those(first.phase == number) for number, name in enumerate(PHASES)}
    return {
        "warning": WARNING,
        "first_step": _figures(card, first),
        "later_steps": _figures(card, later) if len(later.ahead) else None,
        "phases": {name: _figures(card, one) for name, one in by_phase.items() if len(one.ahead)},
    }


def _figures(card: ActionCard, steps: OfflineSteps) -> dict[str, Any]:
    """Errors of at least one step."""
    found: dict[str, Any] = {"steps": len(steps.ahead), "dimensions": _dimensions(card, steps)}
    if card.index("gripper") is not None:
        found["gripper_closed"] = _classes(steps.gripper)
    if card.index("terminate") is not None:
        found["terminate"] = _classes(steps.terminate)
    return found


def _dimensions(card: ActionCard, steps: OfflineSteps) -> list[dict[str, Any]]:
    rows = list[dict[str, Any]]()
    for column, role in enumerate(MOTION):
        index = card.index(role)
        if index is None:
            continue
        error = steps.predicted[:, column] - steps.recorded[:, column]
        row: dict[str, Any] = {"dimension": role, "unit": UNITS[role]}
        row |= {"mean_absolute_error": float(np.abs(error).mean()), "bias": float(error.mean())}
        row["mean_absolute_recorded"] = float(np.abs(steps.recorded[:, column]).mean())
        if not card.postprocessing:  # what a bin stands for is known
            dimension = card.dimensions[index]
            width = (dimension.high - dimension.low) / (card.bins - 1)
            row |= {"mean_absolute_bins": float(np.abs(error).mean() / width), "bias_bins": float(error.mean() / width)}
            row["within_one_bin"] = float((np.abs(error) <= 1.001 * width).mean())
        rows.append(row)
    return rows


def _classes(pairs: NDArray[np.bool_]) -> Mapping[str, float | int | None]:
    """Precision and recall of a boolean, (F, 2), predicted and recorded. None: undefined."""
    ours, theirs = pairs.T
    both = int((ours & theirs).sum())
    return {
        "accuracy": float((ours == theirs).mean()),
        "precision": both / int(ours.sum()) if ours.any() else None,
        "recall": both / int(theirs.sum()) if theirs.any() else None,
        "recorded": int(theirs.sum()),
        "predicted": int(ours.sum()),
    }
