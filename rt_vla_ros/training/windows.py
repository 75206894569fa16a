"""Windows (histories of images with their action tokens) out of datasets, chosen at random and made into batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import SCENE_SIZE, DatasetError
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.language.encoder import LanguageEncoder
from rt_vla_ros.training.augmentation import blacken_borders, draw_shifts, shift_images
from rt_vla_ros.training.batch import Batch


@dataclass(frozen=True)
class EpisodeSpan:
    """An episode: number `episode` of dataset number `dataset`; its frames are `start` and following of all."""

    dataset: int
    episode: int
    start: int
    length: int
    instruction: str


@dataclass(frozen=True)
class WindowIndices:
    """Which windows make a batch: (episode, its step that the window begins with; below 0: with black images).

    shifts: of their images in x and y [pixel], (B, 2).
    """

    starts: Sequence[tuple[EpisodeSpan, int]]
    shifts: NDArray[np.int64]

    def part(self, which: slice) -> WindowIndices:
        """Some of the windows."""
        return WindowIndices(self.starts[which], self.shifts[which])


ReadImages = Callable[[EpisodeSpan, int, int], NDArray[np.uint8]]
"""An episode's images from a step on, so many of them: uint8 (count, H, W, 3)."""


class WindowDataset:
    """Labels of all episodes in memory; images are read when a batch is made, which several threads may do at once."""

    def __init__(self, datasets: Sequence[LeRobotDataset], window: int, encoder: LanguageEncoder) -> None:
        """window: time steps. Images are decoded on demand. Raises DatasetError for damaged data."""
        card = datasets[0].card
        self.camera, self.window = card.cameras[0], window
        self._encoder, tokenizer = encoder, ActionTokenizer(card)
        self._zero_action = tokenizer.encode(np.zeros(len(card.dimensions)))
        self.episodes: list[EpisodeSpan] = []
        tokens: list[NDArray[np.int16]] = []
        scenes: list[NDArray[np.float32]] = []
        self.frames = 0
        for number, dataset in enumerate(datasets):
            for episode in range(len(dataset)):
                labels = dataset.labels(episode)
                self.episodes.append(EpisodeSpan(number, episode, self.frames, len(labels), labels.instruction))
                tokens.append(tokenizer.encode(labels.values).astype(np.int16))
                missing = np.zeros((len(labels), SCENE_SIZE), np.float32)
                scenes.append(missing if labels.scene is None else labels.scene)
                self.frames += len(labels)
        self._tokens, self._scene = np.concatenate(tokens), np.concatenate(scenes)
        self.read_images: ReadImages = lambda span, first, count: datasets[span.dataset].images(
            span.episode, self.camera.name, first, count
        )

    def use_cache(self, frames: NDArray[np.uint8]) -> None:
        """From now on images are these, all frames in order (see frame_cache.py)."""
        self.read_images = lambda span, first, count: frames[span.start + first : span.start + first + count]

    def batch(self, indices: WindowIndices, *, black_borders: bool = False) -> Batch:
        """The windows of these indices.

        Steps before an episode's first are black, and their action is zero, as where RT-1-X was trained.
        black_borders: of shifted images; otherwise their edges are repeated. Raises DatasetError.
        """
        offsets = np.array([offset for _, offset in indices.starts])[:, None] + np.arange(self.window)  # (B, T)
        at = np.array([span.start for span, _ in indices.starts])[:, None] + offsets.clip(min=0)
        images = np.zeros((*at.shape, self.camera.height, self.camera.width, 3), np.uint8)
        for history, (span, offset) in zip(images, indices.starts, strict=True):
            history[max(0, -offset) :] = self.read_images(span, max(0, offset), self.window + min(0, offset))
        tokens, scene, padded = self._tokens[at].astype(np.int64), self._scene[at], offsets < 0
        tokens[padded], scene[padded] = self._zero_action, 0
        if indices.shifts.any():
            shift_images(images, scene, indices.shifts)
            if black_borders:
                blacken_borders(images, indices.shifts)
        sentences = np.stack([self._encoder.encode(span.instruction) for span, _ in indices.starts])
        return Batch(images, sentences, tokens, scene, padded.sum(axis=1) if padded.any() else None)

    def draw(
        self,
        episodes: Sequence[EpisodeSpan],
        rng: np.random.Generator,
        count: int,
        *,
        padding: int = 0,
        shift: tuple[float, float] = (0.0, 0.0),
    ) -> WindowIndices:
        """`count` random windows from these episodes.

        padding: steps at most that a window may begin before its episode. shift: of the images at most, shares of
        height and width.
        """
        room = np.array([span.length - self.window + 1 + padding for span in episodes])
        chosen = rng.choice(len(episodes), count, p=room / room.sum())
        starts = [(episodes[i], int(rng.integers(room[i])) - padding) for i in chosen]
        return WindowIndices(starts, draw_shifts(rng, count, shift, (self.camera.height, self.camera.width)))


def split(
    episodes: Sequence[EpisodeSpan], share: float, steps: int, seed: int
) -> tuple[list[EpisodeSpan], list[EpisodeSpan]]:
    """Episodes for training and for validation; those shorter than `steps` are in neither.

    share: for validation, 0 ... 0.9. Raises DatasetError where nothing is left for training.
    """
    long = [span for span in episodes if span.length >= steps]
    held_out = 0 if share == 0 else max(1, round(share * len(long)))
    if len(long) <= held_out:
        raise DatasetError(
            f"Of {len(episodes)} episodes, {len(long)} have the {steps} frames of a window and {held_out} would be "
            "held out for validation: nothing is left for training. Collect more."
        )
    order = np.random.default_rng([seed, 3]).permutation(len(long))
    return [long[i] for i in sorted(order[held_out:])], [long[i] for i in sorted(order[:held_out])]
