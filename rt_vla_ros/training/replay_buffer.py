"""The newest frames of all episodes in memory, and random windows out of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import SCENE_SIZE, Episode
from rt_vla_ros.language.encoder import LanguageEncoder
from rt_vla_ros.training.batch import Batch, Shift, draw_shifts, shift_images
from rt_vla_ros.training.paraphrase import paraphrase


class ReplayBuffer:
    """A ring of frames of the card's first camera; old ones are overwritten."""

    def __init__(
        self, capacity: int, window: int, card: ActionCard, encoder: LanguageEncoder, *, paraphrase: float = 0.0
    ) -> None:
        """window: time steps. paraphrase: share of an instruction's words that change at most, 0 ... 1."""
        self.capacity, self._window, self._encoder, self._paraphrase = capacity, window, encoder, paraphrase
        self._camera, self._tokenizer = card.cameras[0], ActionTokenizer(card)
        self._images = np.zeros((capacity, self._camera.height, self._camera.width, 3), np.uint8)
        self._tokens = np.zeros((capacity, len(card.dimensions)), np.int64)
        self._scene = np.zeros((capacity, SCENE_SIZE), np.float32)
        self._episode = np.full(capacity, -1, np.int64)
        self._instructions: dict[int, str] = {}
        self._next, self._episodes, self.frames_seen = 0, 0, 0

    def __len__(self) -> int:
        return min(self.frames_seen, self.capacity)

    def add(self, episode: Episode) -> None:
        """Take over an episode's frames; one shorter than a window is of no use and is left out."""
        if (count := len(episode)) < self._window:
            return
        at = (self._next + np.arange(count)) % self.capacity
        self._images[at], self._tokens[at] = episode.images[self._camera.name], self._tokenizer.encode(episode.values)
        self._scene[at] = 0 if episode.scene is None else episode.scene
        self._episode[at], self._instructions[self._episodes] = self._episodes, episode.instruction
        self._next = (self._next + count) % self.capacity
        self._episodes += 1
        self.frames_seen += count

    def sample(self, rng: np.random.Generator, count: int, shift: Shift = (0, 0), black_borders: bool = False) -> Batch:
        """`count` windows, each shifted by up to `shift`, shares of height and width, its image positions with it.

        black_borders: of shifted images; otherwise their edges are repeated.
        Raises ValueError where there are no frames yet.
        """
        if not self.frames_seen:
            raise ValueError("The replay buffer is empty: there is no episode yet.")
        starts = self._starts(rng, count)
        at = (starts[:, None] + np.arange(self._window)) % self.capacity  # (B, T)
        images, scene = self._images[at], self._scene[at]
        if any(shift):
            shifts = draw_shifts(rng, count, shift, (self._camera.height, self._camera.width))
            shift_images(images, scene, shifts, black_borders)
        instructions = [self._instructions[i] for i in self._episode[starts]]
        if self._paraphrase:
            instructions = [paraphrase(text, rng, self._paraphrase) for text in instructions]
        return Batch(images, np.stack([self._encoder.encode(text) for text in instructions]), self._tokens[at], scene)

    def _starts(self, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
        chosen: list[int] = []
        while len(chosen) < count:
            start = rng.integers(0, len(self), count)
            end = (start + self._window - 1) % self.capacity
            whole = (self._episode[start] == self._episode[end]) & (self._episode[start] >= 0)
            chosen.extend(start[whole].tolist())
        return np.array(chosen[:count])
