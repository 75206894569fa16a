from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from support.datasets import CARD, make_episode, write_dataset

from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.training.frame_store import FrameStore, split

WORDS = HashedWords(4096)


@pytest.fixture
def datasets(tmp_path: Path) -> list[LeRobotDataset]:
    for name, seeds in (("a", range(3)), ("b", range(3, 5))):
        write_dataset(tmp_path / name, [make_episode(seed, length=5 + seed) for seed in seeds])
    return [LeRobotDataset(tmp_path / name) for name in "ab"]


def test_a_history_is_what_the_dataset_says(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    told: list[int] = []
    store = FrameStore(tmp_path / "frames", datasets, told.append)
    assert (store.frames, told) == (35, [1, 2, 3, 4, 5])
    batch = store.batch([(store.episodes[4], 2), (store.episodes[0], 0)], 3, WORDS)
    wanted = make_episode(4, length=9)
    np.testing.assert_array_equal(batch.images[0], wanted.images["front"][2:5])
    np.testing.assert_array_equal(batch.tokens[0], ActionTokenizer(CARD).encode(wanted.values[2:5]))
    assert wanted.scene is not None
    np.testing.assert_array_equal(batch.scene[0], wanted.scene[2:5])
    np.testing.assert_array_equal(batch.instruction[1], WORDS.encode("pick up the red cube"))


def test_films_are_decoded_once(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    FrameStore(tmp_path / "frames", datasets, lambda _: None)
    told: list[int] = []
    FrameStore(tmp_path / "frames", datasets, told.append)
    assert told == []
    FrameStore(tmp_path / "frames", datasets[:1], told.append)
    assert told == [1, 2, 3]


def test_random_histories_never_cross_the_border_of_an_episode(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    store = FrameStore(tmp_path / "frames", datasets, lambda _: None)
    batch = store.sample(store.episodes, np.random.default_rng(0), 200, 5, 0, WORDS)
    images = {
        frame.tobytes(): (e, i) for e in range(5) for i, frame in enumerate(datasets[e // 3][e % 3].images["front"])
    }
    seen = [[images[frame.tobytes()] for frame in history] for history in batch.images]
    assert all([e for e, _ in row] == [row[0][0]] * 5 and np.all(np.diff([i for _, i in row]) == 1) for row in seen)
    assert {row[0] for row in seen} == {(e, i) for e in range(5) for i in range(e + 1)}


def test_episodes_are_held_back_whole(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    store = FrameStore(tmp_path / "frames", datasets, lambda _: None)
    learned, held = split(store.episodes, 0.4, 3, seed=1)
    assert (len(learned), len(held)) == (3, 2)
    assert sorted([s.start for s in learned] + [s.start for s in held]) == [s.start for s in store.episodes]
    assert split(store.episodes, 0.4, 3, seed=1) == (learned, held)
    assert split(store.episodes, 0.0, 7, seed=1) == (store.episodes[2:], [])
    with pytest.raises(DatasetError, match="Of 5 episodes, 0 have the 20 frames of a history"):
        split(store.episodes, 0.1, 20, seed=1)
    with pytest.raises(ValueError, match=r"share for validation is 1\.5"):
        split(store.episodes, 1.5, 3, seed=1)


def test_a_disk_without_room_says_so_before_anything_is_written_into_a_map(
    datasets: list[LeRobotDataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(OSError, match="No space left"):
            FrameStore(tmp_path / "frames", datasets, lambda _: None)
    assert FrameStore(tmp_path / "frames", datasets, lambda _: None).frames == 35
