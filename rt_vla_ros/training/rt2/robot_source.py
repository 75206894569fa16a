"""Frames of a robot dataset as examples: images, instruction, and the chunk of actions from that step on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.plausibility import DimensionUse, check_recorded, check_recorded_state
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.example import Example, Turn
from rt_vla_ros.data.frame_weights import LearnedFrames
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.training.batch import draw_shifts, jitter_colours, shift_images
from rt_vla_ros.training.rt2.plans import plan_of

PLAN = "plan"
NO_SCENE = np.zeros((1, 1, 10), np.float32)


@dataclass(frozen=True)
class Augmentation:
    """See FineTuneSettings."""

    shift_rows: float = 0.0
    shift_columns: float = 0.0
    jitter: float = 0.0

    def __call__(self, image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Augment an image (H, W, 3) as if from a slightly different camera."""
        window = image[None, None, None].copy()  # (1, 1, 1, H, W, 3)
        if self.shift_rows or self.shift_columns:
            shifts = draw_shifts(rng, (1, 1), (self.shift_rows, self.shift_columns), image.shape[:2])
            shift_images(window, NO_SCENE.copy(), shifts)
        if self.jitter:
            generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
            window = jitter_colours(torch.from_numpy(window), self.jitter, generator).numpy()
        changed: NDArray[np.uint8] = window[0, 0, 0]
        return changed


class RobotExamples:
    """Implements ExampleSource: example n is a frame of some episodes of a dataset.

    A frame with a larger weight has several indices, an excluded one none. Chunks end at the episode's end and where
    the commander changes, as in RT-1, so the last chunks before are shorter. A plan is the value of the dataset's
    column "plan" at that time, else a shortened instruction. use: of the card's ranges by the recorded actions.
    """

    is_robot = True

    def __init__(
        self,
        dataset: LeRobotDataset,
        card: ActionCard,
        *,
        episodes: Sequence[int] | None = None,
        augmentation: Augmentation = Augmentation(),
        plan_share: float = 0.0,
        learned: Sequence[LearnedFrames] | None = None,
        least: float | None = None,
        name: str = "",
    ) -> None:
        """card: of the policy, with the horizon of the chunks. episodes: None: all of them.

        learned: of every episode of the dataset, see FrameWeighting; None: all frames equally. least: see
        `repetitions`. Raises DatasetError for damaged data and for a dataset without frames, and
        ImplausibleActionsError.
        """
        self.name, self.episodes = name or dataset.directory.name, episodes
        self._dataset, self._augmentation, self._plan_share = dataset, augmentation, plan_share
        chosen = range(len(dataset)) if episodes is None else episodes
        values, states = [], []
        self._plans, self._reach = dict[int, list[str] | None](), dict[int, NDArray[np.int64]]()
        self._bins, self._states = dict[int, NDArray[np.int64]](), dict[int, NDArray[np.float64] | None]()
        tokenizer = ActionTokenizer(card)
        for episode in chosen:
            labels = dataset.labels(episode)
            values.append(labels.values)
            states.append(np.zeros((len(labels), 0)) if labels.states is None else labels.states)
            self._bins[episode], self._states[episode] = tokenizer.encode(labels.values), labels.states
            self._plans[episode] = dataset.words(episode, PLAN) if plan_share else None
            self._reach[episode] = np.arange(len(labels), 0, -1) if learned is None else learned[episode].reach
        lengths = [len(self._reach[episode]) for episode in chosen]
        counts = [np.ones(length, np.int64) for length in lengths]
        if learned is not None:
            counts = repetitions([learned[episode].weights for episode in chosen], least)
        self._until = np.cumsum(np.concatenate(counts)) if counts else np.zeros(0, np.int64)  # numbers, up to a frame's
        self._episode_of = np.repeat(np.array(chosen, np.int64), lengths)
        self._step_of = np.concatenate([np.arange(length) for length in lengths]) if lengths else self._until
        if not len(self):
            raise DatasetError(f"The robot data {dataset.directory} has no episodes for training.")
        self.use: Sequence[DimensionUse] = check_recorded(card, np.concatenate(values))
        check_recorded_state(card, np.concatenate(states))
        self._horizon, self._cameras = card.horizon, [camera.name for camera in card.cameras]

    def __len__(self) -> int:
        return int(self._until[-1]) if len(self._until) else 0

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """See ExampleSource; with one turn."""
        frame = int(np.searchsorted(self._until, index, side="right"))
        episode, step = int(self._episode_of[frame]), int(self._step_of[frame])
        images = tuple(self._image(episode, name, step, rng) for name in self._cameras)
        known = min(self._horizon, int(self._reach[episode][step]))
        bins = self._bins[episode][step : step + known].flatten()
        instruction, states = self._dataset.parts[episode].instruction, self._states[episode]
        with_plan = bool(self._plan_share) and rng.random() < self._plan_share
        plans = self._plans[episode]
        plan = (plans[step].strip() if plans else plan_of(instruction)) if with_plan else ""
        turn = Turn(instruction, bins=tuple(bins.tolist()), plan=plan)
        return Example(images, (turn,), None if states is None else states[step])

    def _image(self, episode: int, camera: str, step: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        return self._augmentation(self._dataset.images(episode, camera, step, 1)[0], rng)


def repetitions(weights: Sequence[NDArray[np.float64]], least: float | None = None) -> list[NDArray[np.int64]]:
    """Number of repetitions of each frame in a list in which a frame of weight `least` occurs once.

    Fractions are carried over to the next frames. weights: 0: never. least: at most the smallest positive weight; None:
    that one, which makes lists of several datasets incomparable.
    """
    every = np.concatenate(weights) if weights else np.zeros(0)
    if not every.any():
        return [np.zeros(len(one), np.int64) for one in weights]
    until = np.floor(np.cumsum(every / (least or every[every > 0].min())) + 1e-6).astype(np.int64)
    return np.split(np.diff(until, prepend=0), np.cumsum([len(one) for one in weights])[:-1])
