from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.datasets import CARD, SIZE, TABLES, change_column, make_episode, write_dataset

from rt_vla_ros.action_space.plausibility import ImplausibleActionsError
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.parquet import arrow, write_table
from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.training.windows import EpisodeSpan, WindowDataset, WindowIndices, split

WORDS = HashedWords(4096)
STILL = np.zeros((2, 1, 2), np.int64)


def test_a_window_is_what_the_dataset_says(datasets: list[LeRobotDataset]) -> None:
    windows = WindowDataset(datasets, 3, WORDS)
    assert windows.frames == 35
    batch = windows.batch(WindowIndices([(windows.episodes[4], 2), (windows.episodes[0], 0)], STILL))
    assert batch.padding is None
    wanted = make_episode(4, length=9)
    np.testing.assert_array_equal(batch.images[0, :, 0], wanted.images["front"][2:5])
    np.testing.assert_array_equal(batch.tokens[0], ActionTokenizer(CARD).encode(wanted.values[2:5]))
    assert wanted.scene is not None
    np.testing.assert_array_equal(batch.scene[0], wanted.scene[2:5])
    np.testing.assert_array_equal(batch.instruction[1], WORDS.encode("pick up the red cube"))


def test_random_windows_never_cross_the_border_of_an_episode(datasets: list[LeRobotDataset]) -> None:
    windows = WindowDataset(datasets, 5, WORDS)
    batch = windows.batch(windows.draw(windows.episodes, np.random.default_rng(0), 200))
    images = {
        frame.tobytes(): (e, i) for e in range(5) for i, frame in enumerate(datasets[e // 3][e % 3].images["front"])
    }
    seen = [[images[frame.tobytes()] for frame in window] for window in batch.images]
    assert all([e for e, _ in row] == [row[0][0]] * 5 and np.all(np.diff([i for _, i in row]) == 1) for row in seen)
    assert {row[0] for row in seen} == {(e, i) for e in range(5) for i in range(e + 1)}


def test_a_window_may_begin_before_its_episode(datasets: list[LeRobotDataset]) -> None:
    windows = WindowDataset(datasets, 3, WORDS)
    batch = windows.batch(WindowIndices([(windows.episodes[1], -2), (windows.episodes[0], 0)], STILL))
    assert batch.padding is not None
    assert batch.padding.tolist() == [2, 0]
    assert not batch.images[0, :2].any()
    np.testing.assert_array_equal(batch.images[0, 2, 0], make_episode(1, length=6).images["front"][0])
    zero_action = ActionTokenizer(CARD).encode(np.zeros(6))
    np.testing.assert_array_equal(batch.tokens[0, :2], [zero_action, zero_action])
    windows = WindowDataset(datasets, 20, WORDS)
    drawn = windows.draw(windows.episodes, np.random.default_rng(0), 500, padding=19)
    assert {start for _, start in drawn.starts} == set(range(-19, -10))
    assert len({span.start + start + 19 for span, start in drawn.starts}) == 35, "every frame is the last of one"


def test_shifted_images_have_black_borders_or_repeated_edges(datasets: list[LeRobotDataset]) -> None:
    windows = WindowDataset(datasets, 2, WORDS)
    indices = WindowIndices([(windows.episodes[4], 0), (windows.episodes[0], 0)], np.array([[[3, -2]], [[-5, 4]]]))
    black, repeated = (windows.batch(indices, black_borders=choice).images[:, :, 0] for choice in (True, False))
    image = make_episode(4, length=9).images["front"][0]
    np.testing.assert_array_equal(black[0, 0, :-2, 3:], image[2:, :-3])
    assert not black[0, :, -2:].any()
    assert not black[0, :, :, :3].any()
    assert not black[1, :, :4].any()
    assert not black[1, :, :, -5:].any()
    np.testing.assert_array_equal(repeated[0, 0, :-2, 3:], image[2:, :-3])
    np.testing.assert_array_equal(repeated[0, 0, :-2, 0], image[2:, 0])
    drawn = windows.draw(windows.episodes, np.random.default_rng(0), 300, 0, shift=(2 / SIZE, 5 / SIZE)).shifts[:, 0]
    assert (drawn.min(axis=0).tolist(), drawn.max(axis=0).tolist()) == ([-5, -2], [5, 2])


def test_episodes_are_held_out_whole(datasets: list[LeRobotDataset]) -> None:
    episodes = WindowDataset(datasets, 3, WORDS).episodes
    training, held_out = split(episodes, 0.4, 3, seed=1)
    assert (len(training), len(held_out)) == (3, 2)
    assert sorted([s.start for s in training] + [s.start for s in held_out]) == [s.start for s in episodes]
    assert split(episodes, 0.4, 3, seed=1) == (training, held_out)
    assert {span.dataset for span in training} == {0, 1}
    assert split(episodes, 0.0, 7, seed=1) == (episodes[2:], [])
    with pytest.raises(DatasetError, match="Of 5 episodes, 0 have the 20 frames of a window"):
        split(episodes, 0.1, 20, seed=1)


def spans(*lengths: int) -> list[EpisodeSpan]:
    """lengths: how many episodes each dataset has."""
    numbers = [(dataset, number) for dataset, count in enumerate(lengths) for number in range(count)]
    return [EpisodeSpan(dataset, n, 0, 9, "do it", n, i) for i, (dataset, n) in enumerate(numbers)]


@pytest.mark.parametrize(
    ("lengths", "share", "held"),
    [
        ((2, 1), 0.1, (1, 0)),
        ((1, 2), 0.1, (0, 1)),
        ((1, 1), 0.1, (0, 0)),
        ((20, 1), 0.1, (2, 0)),
        ((20, 10, 3), 0.1, (2, 1, 0)),
        ((2, 2), 0.9, (1, 1)),
        ((20, 1), 0.0, (0, 0)),
    ],
)
def test_episodes_are_held_out_of_each_dataset(lengths: tuple[int, ...], share: float, held: tuple[int, ...]) -> None:
    for seed in range(5):
        training, held_out = split(spans(*lengths), share, 3, seed)
        assert tuple(sum(span.dataset == k for span in held_out) for k in range(len(lengths))) == held
        assert {span.dataset for span in training} == {*range(len(lengths))}
        assert split(spans(*lengths), share, 3, seed) == (training, held_out)


def test_the_only_episode_is_not_held_out() -> None:
    with pytest.raises(DatasetError, match="1 would be held out for validation: nothing is left for training"):
        split(spans(1), 0.1, 3, 0)
    assert split(spans(1), 0.0, 3, 0) == (spans(1), [])


def test_actions_in_another_unit_than_the_card_says_are_not_trained_on(tmp_path: Path) -> None:
    column = next(i for i, d in enumerate(CARD.dimensions) if d.role == "translation_x")
    episodes = [make_episode(seed, length=6) for seed in range(3)]
    millimetres = [
        replace(e, values=np.where(np.arange(e.values.shape[1]) == column, 1000 * e.values, e.values)) for e in episodes
    ]
    write_dataset(tmp_path / "mm", millimetres)
    with pytest.raises(ImplausibleActionsError, match=f"'{CARD.dimensions[column].name}' .*they look like millimeters"):
        WindowDataset([LeRobotDataset(tmp_path / "mm")], 3, WORDS)


def test_a_window_is_of_one_instruction(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "a", [make_episode(seed, length=10) for seed in range(3)])
    tasks = arrow().table({"task_index": [0, 1], "task": ["open the drawer", "close it"]})
    write_table(tasks, data / "meta/tasks.parquet")
    change_column(data / TABLES[0], "task_index", [0] * 4 + [1] * 6)
    change_column(data / "meta/episodes/chunk-000/file-000.parquet", "tasks", [["close it", "open the drawer"]])
    windows = WindowDataset([LeRobotDataset(data)], 3, WORDS)
    wanted = [("open the drawer", 4), ("close it", 6)] * 3
    assert [(span.instruction, span.length) for span in windows.episodes] == wanted
    batch = windows.batch(WindowIndices([(windows.episodes[2], 1), (windows.episodes[3], 0)], STILL))
    images, values = make_episode(1, length=10).images["front"], make_episode(1, length=10).values
    for place, (first, instruction) in enumerate([(1, "open the drawer"), (4, "close it")]):
        np.testing.assert_array_equal(batch.images[place, :, 0], images[first : first + 3])
        np.testing.assert_array_equal(batch.tokens[place], ActionTokenizer(CARD).encode(values[first : first + 3]))
        np.testing.assert_array_equal(batch.instruction[place], WORDS.encode(instruction))
    training, held_out = split(windows.episodes, 0.4, 3, seed=1)
    assert (len(training), len(held_out)) == (4, 2)
    assert not {span.recorded for span in training} & {span.recorded for span in held_out}
