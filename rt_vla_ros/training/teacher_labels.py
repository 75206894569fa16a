"""A teacher's actions on every frame of datasets, computed once and kept in files."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.plausibility import MAX_CLIPPED, clipped_sentence, measure_use
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.fingerprint import fingerprint
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_layout import write_json
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import ListedPolicy, Policy
from rt_vla_ros.training.asked_teacher import AskedTeacher
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.source import Say
from rt_vla_ros.training.teacher import Teacher

ABOUT, SUFFIX = "about.json", ".npy"
BLOCK = 32  # frames that are decoded at once
TaughtActions = Sequence[Sequence[NDArray[np.float64]]]
"""For each dataset and each of its `parts`, the teacher's chunk at every frame, (N, H, D) in the dataset's dimensions
and units for the teacher's horizon H."""


class LabelFiles:
    """The labels of a dataset, a file for each episode, in a directory named after teacher and dataset.

    So a teacher or dataset that has changed gets labels of its own, and the files may be copied into another run.
    """

    def __init__(self, directory: Path, dataset: LeRobotDataset, teacher: Teacher) -> None:
        """directory: for the labels of all datasets."""
        self.dataset, self._teacher, self._identity = dataset, teacher, fingerprint([dataset])
        digest = hashlib.sha256(f"{teacher.identity} {self._identity}".encode()).hexdigest()
        self.directory = directory / digest[:16]

    def missing(self) -> list[int]:
        """Indices of the episodes without labels, in the dataset's `parts`."""
        return [episode for episode in range(len(self.dataset)) if not self._path(episode).is_file()]

    def write(self, episode: int, chunks: NDArray[np.float64]) -> None:
        """Write an episode's labels, (N, H, D), atomically. Raises OSError."""
        if not self.directory.is_dir():
            about = {"teacher": self._teacher.name, "sha256": self._teacher.sha256}
            about |= {"dataset": self.dataset.directory.name, "fingerprint": self._identity}
            write_json(self.directory / ABOUT, about)
        path = self._path(episode)
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as file:
            np.save(file, chunks, allow_pickle=False)
        os.replace(unfinished, path)

    def read(self) -> list[NDArray[np.float64]]:
        """The labels of all episodes. Raises TrainingError for a damaged file, OSError."""
        return [self._read(self._path(episode), part.length) for episode, part in enumerate(self.dataset.parts)]

    def _read(self, path: Path, length: int) -> NDArray[np.float64]:
        wanted = (length, self._teacher.card.horizon, len(self.dataset.card.dimensions))
        try:
            chunks: NDArray[np.float64] = np.load(path, allow_pickle=False)
            if chunks.shape != wanted or chunks.dtype != np.float64 or not np.isfinite(chunks).all():
                raise ValueError(f"expected finite numbers of shape {wanted}")
        except (ValueError, EOFError) as error:
            raise TrainingError(
                f"{path} is damaged ({error}); delete it, and the same command labels this episode again."
            ) from error
        return chunks

    def _path(self, episode: int) -> Path:
        return self.directory / f"{episode:06d}{SUFFIX}"


def taught_actions(
    directory: Path, datasets: Sequence[LeRobotDataset], teacher: Teacher, device: str, say: Say
) -> TaughtActions:
    """The teacher's actions on all frames. Missing ones are computed, and written after each episode.

    directory: for the files. device: of the teacher. Raises TrainingError, also for actions outside the dataset's
    ranges, and what loading the teacher raises (ValueError, ImportError); DatasetError, OSError.
    """
    stores = [LabelFiles(directory, dataset, teacher) for dataset in datasets]
    missing = [(store, episode) for store in stores for episode in store.missing()]
    if missing:
        _label(missing, teacher, device, say)
    labels = [store.read() for store in stores]
    _check_ranges(datasets[0].card, _first_steps(labels), teacher)
    return labels


def _label(missing: Sequence[tuple[LabelFiles, int]], teacher: Teacher, device: str, say: Say) -> None:
    policy, card = teacher.open(device, say), missing[0][0].dataset.card
    asked, tokenizer, horizon = AskedTeacher(policy, card), ActionTokenizer(card), policy.card.horizon
    _check_instructions(policy, {store.dataset.parts[episode].instruction for store, episode in missing})
    total = sum(store.dataset.parts[episode].length for store, episode in missing)
    done, started = 0, time.monotonic()
    for store, episode in missing:
        chunks, part = list[list[NDArray[np.float64]]](), store.dataset.parts[episode]
        try:
            asked.reset(part.instruction)
            for observation in observations(store.dataset, episode):
                chunks.append([tokenizer.from_step(step) for step in asked.plan(observation, horizon)])
                done += 1
                per_frame = (time.monotonic() - started) / done
                left = duration((total - done) * per_frame)
                say(f"{done:,} of {total:,} frames labeled by {teacher.name}, {per_frame:.3g} s each, {left} left")
        except DatasetError:
            raise
        except ValueError as error:
            where = f"frame {part.first + len(chunks)} of episode {part.recorded} of {store.dataset.directory}"
            raise TrainingError(
                f"The teacher {teacher.name!r} gave no label for {where}: {error} Labels of earlier episodes are kept; "
                "run the same command again to resume."
            ) from error
        store.write(episode, np.array(chunks, np.float64))


def _check_instructions(policy: Policy, instructions: set[str]) -> None:
    """Raises TrainingError, before anything is labeled, for instructions that a policy with a list does not accept."""
    if not (isinstance(policy, ListedPolicy) and policy.instructions):
        return
    refused = list[str]()
    for instruction in sorted(instructions):
        try:
            policy.reset(instruction)
        except ValueError:
            refused.append(instruction)
    if refused:
        named = ", ".join(map(repr, refused[:5])) + ", ..." * (len(refused) > 5)
        raise TrainingError(
            f"The teacher {policy.name!r} accepts only {len(policy.instructions)} instructions, and these of the "
            f"datasets are not among them: {named}."
        )


def observations(dataset: LeRobotDataset, episode: int) -> Iterator[Observation]:
    """What a policy sees at the time steps of one of the dataset's `parts`. Raises DatasetError."""
    labels = dataset.labels(episode)
    for first in range(0, len(labels), BLOCK):
        count = min(BLOCK, len(labels) - first)
        images = {one.name: dataset.images(episode, one.name, first, count) for one in dataset.card.cameras}
        for number in range(count):
            state = None if labels.states is None else labels.states[first + number]
            seen = {name: block[number] for name, block in images.items()}
            yield Observation(seen, float(labels.stamps[first + number]), state)


def _first_steps(labels: TaughtActions) -> NDArray[np.float64]:
    """Of all frames, (F, D)."""
    return np.concatenate([chunks[:, 0] for parts in labels for chunks in parts])


def _check_ranges(card: ActionCard, values: NDArray[np.float64], teacher: Teacher) -> None:
    if clipped := [use for use in measure_use(card, values) if use.clipped > MAX_CLIPPED]:
        raise TrainingError(
            f"Of {len(values)} actions of the teacher {teacher.name!r}, these are outside the ranges of the datasets' "
            f"action card: {'; '.join(map(clipped_sentence, clipped))}. At most {MAX_CLIPPED:.0%} are allowed, because "
            "they would be clipped to the range. Use a teacher for this arm, or widen the ranges in "
            "meta/action_card.json."
        )


def agreement(datasets: Sequence[LeRobotDataset], labels: TaughtActions, teacher: Teacher) -> str:
    """A sentence on the number of labels, and how far they are from the recorded actions. Raises DatasetError."""
    card, roles = datasets[0].card, {one.role for one in teacher.card.dimensions}
    recorded = np.concatenate([dataset.labels(i).values for dataset in datasets for i in range(len(dataset))])
    ours, near, same = _first_steps(labels), list[str](), list[str]()
    for dimension, mine, its in zip(card.dimensions, ours.T, recorded.T, strict=True):
        if dimension.role == "terminate":
            end = dimension.modes.index("terminate")
            same.append(f"terminate in {((mine == end) == (its == end)).mean():.1%}")
        elif dimension.role == "gripper":
            middle = (card.gripper_open + card.gripper_closed) / 2
            same.append(f"the gripper command in {((mine > middle) == (its > middle)).mean():.1%}")
        elif dimension.role != "unused":
            unit = {"m": "mm", "rad": "mrad"}[dimension.unit]
            near.append(f"{dimension.role} by {1000 * np.abs(mine - its).mean():.2f} {unit}")
    said = [f"{len(ours):,} frames are labeled by the teacher {teacher.name}."]
    if near:
        said.append(f"The recorded actions differ in {', '.join(near)} (mean absolute difference).")
    if same:
        said.append(f"They agree on {' and '.join(same)} of the frames.")
    if lacking := [one.role for one in card.dimensions if one.role not in {*roles, "unused"}]:
        said.append(f"The teacher does not command {', '.join(lacking)}: none is learned.")
    return " ".join(said)


def duration(seconds: float) -> str:
    """In words, such as "12 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
