from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.recorded import made_up

from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.training.dagger_source import ReplayBuffer


def replay(capacity: int = 60, window: int = 3, side: int = 8) -> ReplayBuffer:
    return ReplayBuffer(capacity, window, made_up(0, side=side).card, HashedWords(64))


def sampled(memory: ReplayBuffer, count: int = 400) -> np.ndarray:
    """Values of the frames of each window, shape (count, window)."""
    batch = memory.sample(np.random.default_rng(0), count)
    values = batch.images[:, :, 0, 4, 4, 0].astype(int)
    np.testing.assert_array_equal(values, batch.tokens[:, :, 3])
    return values


def test_windows_are_neighbours_of_one_episode() -> None:
    memory = replay()
    for number in range(5):
        memory.add(made_up(number, side=8))
    values = sampled(memory)
    assert (np.diff(values, axis=1) == 1).all()
    assert (values // 10 == values[:, :1] // 10).all()
    assert len(np.unique(values[:, 0])) == 5 * 4, "every start is drawn"


def test_sentences_belong_to_their_episodes() -> None:
    memory, encoder = replay(), HashedWords(64)
    for number in range(3):
        memory.add(made_up(number, side=8))
    batch = memory.sample(np.random.default_rng(0), 50)
    for values, sentence in zip(batch.tokens[:, 0, 3], batch.instruction, strict=True):
        np.testing.assert_array_equal(sentence, encoder.encode(f"pick up the red cube number {values // 10}"))


def test_old_frames_go_when_it_is_full() -> None:
    """Also where the ring closes in the middle of an episode."""
    memory = replay(capacity=20)
    for number in range(9):
        memory.add(made_up(number, side=8))
        values = sampled(memory, 100)
        assert (np.diff(values, axis=1) == 1).all()
    assert len(memory) == 20
    assert memory.frames_seen == 54
    assert set(np.unique(values // 10)) <= {5, 6, 7, 8}


def test_too_short_episodes_are_left_out() -> None:
    memory = replay()
    memory.add(made_up(0, frames=2, side=8))
    assert len(memory) == 0
    with pytest.raises(ValueError, match="there are no episodes yet"):
        memory.sample(np.random.default_rng(0), 1)


def test_shift_moves_image_and_places_alike() -> None:
    memory, side = replay(side=40), 40
    episode = made_up(0, frames=3, side=side)
    images = np.zeros_like(episode.images["front"])
    images[:, 20, 10] = 255  # row 20, column 10: v 0.5, u 0.25, where the made-up target is
    memory.add(replace(episode, images={"front": images}))
    batch, moved = memory.sample(np.random.default_rng(0), 30, (3 / side, 3 / side)), set()
    assert episode.scene is not None
    for image, scene in zip(batch.images[:, 0, 0], batch.scene[:, 0], strict=True):
        row, column = np.argwhere(image[..., 0] == 255)[0]
        np.testing.assert_allclose(scene[6:8] * side, [column, row], atol=1e-4)
        np.testing.assert_allclose(scene[:6], episode.scene[0, :6])
        moved.add((row - 20, column - 10))
    assert len(moved) > 10
    assert max(abs(d) for pair in moved for d in pair) == 3
