"""The data of a run: what is learned from and what is held out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rt_vla_ros.action_space.card import ActionCard, ActionCardError
from rt_vla_ros.data.episode import DatasetError, card_differences
from rt_vla_ros.data.example import ExampleSource
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.web.web_source import WebSource
from rt_vla_ros.training.rt2.fine_tune_settings import FineTuneSettings
from rt_vla_ros.training.rt2.held_out import part_episodes, web_parts
from rt_vla_ros.training.rt2.robot_source import Augmentation, RobotExamples
from rt_vla_ros.training.windows import fingerprint


@dataclass(frozen=True)
class FineTuneData:
    """robot, web: to learn from. held_out_robot, held_out_web: to look at. episodes: for training and held out.

    identity: tells these data from others.
    """

    robot: tuple[RobotExamples, ...]
    web: tuple[ExampleSource, ...]
    held_out_robot: tuple[RobotExamples, ...]
    held_out_web: tuple[ExampleSource, ...]
    episodes: tuple[int, int]
    identity: str

    @property
    def sources(self) -> tuple[ExampleSource, ...]:
        """All that is learned from, robots before the web."""
        return (*self.robot, *self.web)


def load_robot_sets(directories: Sequence[Path]) -> list[LeRobotDataset]:
    """Sets of one action card. Raises DatasetError, and ActionCardError that names all differences."""
    if not directories:
        raise DatasetError("There is no robot data: name at least one set, --robot DIR.")
    places = [directory.resolve() for directory in directories]
    again = [str(one) for one, place in zip(directories, places, strict=True) if places.count(place) > 1]
    if again:
        raise DatasetError(f"--robot names the same set more than once ({', '.join(again)}); name each once.")
    sets = [LeRobotDataset(directory) for directory in directories]
    for other in sets[1:]:
        if differences := card_differences(sets[0].card, other.card):
            raise ActionCardError(
                f"{other.directory} has another action card than {sets[0].directory} ({differences}); a policy has "
                "one, so train on sets with the same."
            )
    return sets


def make_data(
    sets: Sequence[LeRobotDataset], web: Sequence[ExampleSource], card: ActionCard, settings: FineTuneSettings
) -> FineTuneData:
    """card: of the policy. Raises DatasetError for damaged data, and ImplausibleActionsError."""
    augmentation = Augmentation(settings.shift_rows, settings.shift_columns, settings.jitter)
    split = [part_episodes(one, settings.validation, settings.seed) for one in sets]
    robot = [
        RobotExamples(one, card, episodes=own, augmentation=augmentation, plan_share=settings.plan_share)
        for one, (own, _) in zip(sets, split, strict=True)
    ]
    held_out = [RobotExamples(one, card, episodes=held) for one, (_, held) in zip(sets, split, strict=True) if held]
    parts = web_parts(web, settings.validation, settings.seed)
    digest = hashlib.sha256(fingerprint(sets).encode())
    for source in web:
        own = source.fingerprint() if isinstance(source, WebSource) else ""
        digest.update(f"{source.name} {len(source)} {own}".encode())
    return FineTuneData(
        tuple(robot),
        tuple(own for own, _ in parts),
        tuple(held_out),
        tuple(held for _, held in parts if held is not None),
        (sum(len(own) for own, _ in split), sum(len(held) for _, held in split)),
        digest.hexdigest(),
    )
