"""The data of a run: training and held-out parts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rt_vla_ros.action_space.card import ActionCard, ActionCardError
from rt_vla_ros.data.episode import DatasetError, card_differences
from rt_vla_ros.data.example import ExampleSource
from rt_vla_ros.data.fingerprint import fingerprint
from rt_vla_ros.data.frame_weights import ALL_ALIKE, FrameWeighting, effect, set_names
from rt_vla_ros.data.held_out_episodes import EpisodeSplit
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.web.web_source import WebSource
from rt_vla_ros.training.rt2.fine_tune_settings import FineTuneSettings
from rt_vla_ros.training.rt2.held_out import part_episodes, web_parts
from rt_vla_ros.training.rt2.robot_source import Augmentation, RobotExamples


@dataclass(frozen=True)
class FineTuneData:
    """robot, web: training data. held_out_robot, held_out_web: for validation.

    episodes: numbers for training and held out. identity: identifies the data. effect: sentences on the selection and
    weights of robot frames. splits: the episodes of each robot dataset.
    """

    robot: tuple[RobotExamples, ...]
    web: tuple[ExampleSource, ...]
    held_out_robot: tuple[RobotExamples, ...]
    held_out_web: tuple[ExampleSource, ...]
    episodes: tuple[int, int]
    identity: str
    effect: tuple[str, ...] = ()
    splits: tuple[EpisodeSplit, ...] = ()

    @property
    def sources(self) -> tuple[ExampleSource, ...]:
        """All training sources, robot data before web data."""
        return (*self.robot, *self.web)


def load_robot_sets(directories: Sequence[Path]) -> list[LeRobotDataset]:
    """Datasets with the same action card. Raises DatasetError, and ActionCardError with all differences."""
    if not directories:
        raise DatasetError("There is no robot data: give at least one dataset, --robot DIR.")
    places = [directory.resolve() for directory in directories]
    again = [str(one) for one, place in zip(directories, places, strict=True) if places.count(place) > 1]
    if again:
        raise DatasetError(f"--robot lists the same dataset more than once ({', '.join(again)}); give each once.")
    sets = [LeRobotDataset(directory) for directory in directories]
    for other in sets[1:]:
        if differences := card_differences(sets[0].card, other.card):
            raise ActionCardError(
                f"{other.directory} has a different action card than {sets[0].directory} ({differences}); a policy has "
                "one, so train on sets with the same."
            )
    return sets


def make_data(
    sets: Sequence[LeRobotDataset],
    web: Sequence[ExampleSource],
    card: ActionCard,
    settings: FineTuneSettings,
    weighting: FrameWeighting = ALL_ALIKE,
) -> FineTuneData:
    """card: of the policy. Raises DatasetError for damaged data, and ImplausibleActionsError."""
    augmentation = Augmentation(settings.shift_rows, settings.shift_columns, settings.jitter)
    split = [part_episodes(one, settings.validation, settings.seed) for one in sets]
    learned = weighting.of(sets)
    least = min(float(f.weights[f.weights > 0].min()) for parts in learned for f in parts if f.weights.any())
    robot = [
        RobotExamples(
            one,
            card,
            episodes=own,
            augmentation=augmentation,
            plan_share=settings.plan_share,
            learned=frames,
            least=least,
        )
        for one, (own, _), frames in zip(sets, split, learned, strict=True)
    ]
    held_out = [
        RobotExamples(one, card, episodes=kept, learned=frames, least=least)
        for one, (_, held), frames in zip(sets, split, learned, strict=True)
        if (kept := [episode for episode in held if frames[episode].weights.any()])
    ]
    parts = web_parts(web, settings.validation, settings.seed)
    digest = hashlib.sha256((fingerprint(sets) + str(weighting)).encode())
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
        tuple(
            f"{name}: {sentence}"
            for name, (own, _), frames in zip(set_names(sets), split, learned, strict=True)
            for sentence in effect([], [frames], [[f.weights * (i in own) for i, f in enumerate(frames)]])
        ),
        tuple(
            EpisodeSplit(one, *(frozenset(one.parts[i].recorded for i in numbers) for numbers in both))
            for one, both in zip(sets, split, strict=True)
        ),
    )
