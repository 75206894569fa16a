"""The newest frames of all episodes in memory, and random histories out of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.language.encoder import LanguageEncoder
from rt_vla_ros.training.episode_file import RecordedEpisode
from rt_vla_ros.training.paraphrase import said_otherwise


@dataclass(frozen=True)
class Batch:
    """Histories.

    images: uint8 (B, T, H, W, 3). instruction: int64 (B, L), or float32 (B, L) for sentence vectors.
    tokens: int64 (B, T, D). scene: float32 (B, T, 10). before: int64 (B,), how many steps lie before the episode's
    first, with black images and a zero sentence; None: none.
    """

    images: NDArray[np.uint8]
    instruction: NDArray[Any]
    tokens: NDArray[np.int64]
    scene: NDArray[np.float32]
    before: NDArray[np.int64] | None = None


class Replay:
    """A ring of frames; old ones are overwritten."""

    def __init__(
        self,
        capacity: int,
        steps: int,
        encoder: LanguageEncoder,
        image_size: int,
        dimensions: int,
        *,
        wording: float = 0.0,
    ) -> None:
        """steps: length of a history. wording: how much sentences are said otherwise, 0 ... 1."""
        self.capacity, self._steps, self._encoder, self._wording = capacity, steps, encoder, wording
        self._images = np.zeros((capacity, image_size, image_size, 3), np.uint8)
        self._tokens = np.zeros((capacity, dimensions), np.int64)
        self._scene = np.zeros((capacity, 10), np.float32)
        self._episode = np.full(capacity, -1, np.int64)
        self._sentences: list[str] = []
        self._sentence_numbers: dict[str, int] = {}
        self._sentence = np.zeros(capacity, np.int64)
        self._next, self._episodes, self.frames_seen = 0, 0, 0

    def __len__(self) -> int:
        return min(self.frames_seen, self.capacity)

    def add(self, episode: RecordedEpisode) -> None:
        """Take over an episode's frames; one shorter than a history is of no use and is left out."""
        count = len(episode.images)
        if count < self._steps:
            return
        at = (self._next + np.arange(count)) % self.capacity
        self._images[at], self._tokens[at], self._scene[at] = episode.images, episode.tokens, episode.scene
        self._episode[at], self._sentence[at] = self._episodes, self._number(episode.instruction)
        self._next = (self._next + count) % self.capacity
        self._episodes += 1
        self.frames_seen += count

    def sample(self, rng: np.random.Generator, count: int, shift: int) -> Batch:
        """`count` histories, each moved by up to `shift` pixels (edges repeated), its image positions with it.

        Raises ValueError where there are no frames yet.
        """
        if not len(self):
            raise ValueError("The replay is empty: no episode has come yet.")
        starts = self._starts(rng, count)
        at = (starts[:, None] + np.arange(self._steps)) % self.capacity  # (B, T)
        images, scene = self._images[at], self._scene[at]
        if shift:
            shift_images(images, scene, rng.integers(-shift, shift + 1, (count, 2)))
        said = [self._sentences[i] for i in self._sentence[starts]]
        if self._wording:
            said = [said_otherwise(sentence, rng, self._wording) for sentence in said]
        return Batch(images, np.stack([self._encoder.encode(text) for text in said]), self._tokens[at], scene)

    def _starts(self, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
        chosen: list[int] = []
        while len(chosen) < count:
            start = rng.integers(0, len(self), count)
            end = (start + self._steps - 1) % self.capacity
            whole = (self._episode[start] == self._episode[end]) & (self._episode[start] >= 0)
            chosen.extend(start[whole].tolist())
        return np.array(chosen[:count])

    def _number(self, instruction: str) -> int:
        if instruction not in self._sentence_numbers:
            self._sentence_numbers[instruction] = len(self._sentences)
            self._sentences.append(instruction)
        return self._sentence_numbers[instruction]


def shift_images(images: NDArray[np.uint8], scene: NDArray[np.float32], shifts: NDArray[np.int64]) -> None:
    """Move images (B, T, H, W, 3) by shifts (B, 2) in x and y [pixel], in place."""
    height, width = images.shape[2:4]
    rows, columns = np.arange(height), np.arange(width)
    for i, (dx, dy) in enumerate(shifts):
        moved_rows, moved_columns = np.clip(rows - dy, 0, height - 1), np.clip(columns - dx, 0, width - 1)
        images[i] = images[i][:, moved_rows][:, :, moved_columns]
        scene[i, :, 6::2] += dx / width
        scene[i, :, 7::2] += dy / height
