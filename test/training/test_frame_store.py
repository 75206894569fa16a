from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from support.datasets import CARD, SIZE, make_episode, write_dataset

from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.training.frame_store import INDEX, Draw, FrameStore, split

WORDS = HashedWords(4096)
STILL = np.zeros((2, 2), np.int64)


@pytest.fixture
def datasets(tmp_path: Path) -> list[LeRobotDataset]:
    for name, seeds in (("a", range(3)), ("b", range(3, 5))):
        write_dataset(tmp_path / name, [make_episode(seed, length=5 + seed) for seed in seeds])
    return [LeRobotDataset(tmp_path / name) for name in "ab"]


def test_a_history_is_what_the_dataset_says(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    told: list[int] = []
    store = FrameStore(tmp_path / "frames", datasets, told.append)
    assert (store.frames, told) == (35, [1, 2, 3, 4, 5])
    batch = store.batch(Draw([(store.episodes[4], 2), (store.episodes[0], 0)], STILL), 3, WORDS)
    assert batch.before is None
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
    batch = store.batch(store.draw(store.episodes, np.random.default_rng(0), 200, 5), 5, WORDS)
    images = {
        frame.tobytes(): (e, i) for e in range(5) for i, frame in enumerate(datasets[e // 3][e % 3].images["front"])
    }
    seen = [[images[frame.tobytes()] for frame in history] for history in batch.images]
    assert all([e for e, _ in row] == [row[0][0]] * 5 and np.all(np.diff([i for _, i in row]) == 1) for row in seen)
    assert {row[0] for row in seen} == {(e, i) for e in range(5) for i in range(e + 1)}


def test_a_history_may_begin_before_its_episode(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    store = FrameStore(tmp_path / "frames", datasets, lambda _: None)
    batch = store.batch(Draw([(store.episodes[1], -2), (store.episodes[0], 0)], STILL), 3, WORDS)
    assert batch.before is not None
    assert batch.before.tolist() == [2, 0]
    assert not batch.images[0, :2].any()
    np.testing.assert_array_equal(batch.images[0, 2], make_episode(1, length=6).images["front"][0])
    standstill = ActionTokenizer(CARD).encode(np.zeros(6))
    np.testing.assert_array_equal(batch.tokens[0, :2], [standstill, standstill])
    drawn = store.draw(store.episodes, np.random.default_rng(0), 500, 20, before=19)
    assert {start for _, start in drawn.starts} == set(range(-19, -10))
    assert len({span.start + start + 19 for span, start in drawn.starts}) == 35, "every frame is the last of one"


def test_moved_images_have_black_borders_or_repeated_edges(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    store = FrameStore(tmp_path / "frames", datasets, lambda _: None)
    shifts = np.array([[3, -2], [-5, 4]])
    draw = Draw([(store.episodes[4], 0), (store.episodes[0], 0)], shifts)
    black, repeated = (store.batch(draw, 2, WORDS, black_borders=choice).images for choice in (True, False))
    image = make_episode(4, length=9).images["front"][0]
    np.testing.assert_array_equal(black[0, 0, :-2, 3:], image[2:, :-3])
    assert not black[0, :, -2:].any()
    assert not black[0, :, :, :3].any()
    assert not black[1, :, :4].any()
    assert not black[1, :, :, -5:].any()
    np.testing.assert_array_equal(repeated[0, 0, :-2, 3:], image[2:, :-3])
    np.testing.assert_array_equal(repeated[0, 0, :-2, 0], image[2:, 0])
    drawn = store.draw(store.episodes, np.random.default_rng(0), 300, 2, shift=(2 / SIZE, 5 / SIZE)).shifts
    assert (drawn.min(axis=0).tolist(), drawn.max(axis=0).tolist()) == ([-5, -2], [5, 2])


def test_episodes_are_held_back_whole(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    store = FrameStore(tmp_path / "frames", datasets, lambda _: None)
    learned, held = split(store.episodes, 0.4, 3, seed=1)
    assert (len(learned), len(held)) == (3, 2)
    assert sorted([s.start for s in learned] + [s.start for s in held]) == [s.start for s in store.episodes]
    assert split(store.episodes, 0.4, 3, seed=1) == (learned, held)
    assert split(store.episodes, 0.0, 7, seed=1) == (store.episodes[2:], [])
    with pytest.raises(DatasetError, match="Of 5 episodes, 0 have the 20 frames of a history"):
        split(store.episodes, 0.1, 20, seed=1)


def test_damaged_frames_are_made_anew_or_named(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    FrameStore(frames, datasets, lambda _: None)
    (frames / INDEX).write_text("{")
    decoded: list[int] = []
    FrameStore(frames, datasets, decoded.append)
    assert decoded == [1, 2, 3, 4, 5]
    (frames / "tokens.npy").write_bytes(b"half")
    with pytest.raises(DatasetError, match=r"The decoded films in .*frames are damaged .*; delete this directory"):
        FrameStore(frames, datasets, decoded.append)


def test_a_disk_without_room_says_so_before_anything_is_written_into_a_map(
    datasets: list[LeRobotDataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(OSError, match=r"No space left.*frames"):
            FrameStore(tmp_path / "frames", datasets, lambda _: None)
    assert FrameStore(tmp_path / "frames", datasets, lambda _: None).frames == 35


def test_frames_are_kept_where_no_room_can_be_taken_at_once(
    datasets: list[LeRobotDataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS."""
    monkeypatch.delattr(os, "posix_fallocate")
    assert FrameStore(tmp_path / "frames", datasets, lambda _: None).frames == 35
