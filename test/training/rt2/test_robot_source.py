from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.datasets import CARD, change_column, change_info, make_episode, write_dataset

from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.parquet import arrow, read_table, write_table
from rt_vla_ros.training.rt2.held_out import part_episodes
from rt_vla_ros.training.rt2.plans import plan_of
from rt_vla_ros.training.rt2.robot_source import Augmentation, RobotExamples

RNG = np.random.default_rng(0)


def test_each_frame_has_its_chunk(robot: Path) -> None:
    dataset = LeRobotDataset(robot)
    source = RobotExamples(dataset, CARD.with_horizon(4))
    assert (len(source), source.name, source.is_robot) == (24, "robot", True)
    tokens = ActionTokenizer(CARD).encode(dataset.labels(1).values)
    for step, known in ((0, 4), (2, 4), (3, 3), (5, 1)):
        example = source.example(6 + step, RNG)
        assert example.turns[0].bins == tuple(tokens[step : step + 4].flatten().tolist())
        assert len(example.turns[0].bins) == known * tokens.shape[1]
        assert np.array_equal(example.images[0], dataset.images(1, "front", step, 1)[0])
        assert example.turns[0].text == "pick up the blue cube"


def test_images_are_changed_as_the_generator_says(robot: Path) -> None:
    dataset = LeRobotDataset(robot)
    plain, changed = (
        RobotExamples(dataset, CARD, augmentation=one).example(0, np.random.default_rng(seed)).images[0]
        for one, seed in ((Augmentation(), 1), (Augmentation(0.1, 0.1, 0.3), 1))
    )
    again = RobotExamples(dataset, CARD, augmentation=Augmentation(0.1, 0.1, 0.3))
    assert not np.array_equal(plain, changed)
    assert np.array_equal(again.example(0, np.random.default_rng(1)).images[0], changed)
    assert not np.array_equal(again.example(0, np.random.default_rng(2)).images[0], changed)
    assert np.array_equal(RobotExamples(dataset, CARD).example(0, RNG).images[0], plain)  # nothing is changed in place


def test_plans_stand_before_a_share(robot: Path) -> None:
    source = RobotExamples(LeRobotDataset(robot), CARD, plan_share=0.3)
    plans = [source.example(i % 24, np.random.default_rng(i)).turns[0].plan for i in range(400)]
    assert 0.2 < sum(map(bool, plans)) / 400 < 0.4
    assert set(plans) == {"", "pick red cube", "pick blue cube"}


def test_plans_of_the_set_s_own(robot: Path) -> None:
    for path in sorted((robot / "data").rglob("*.parquet")):
        table = read_table(path)
        texts = [f"step {number}" for number in range(len(table))]
        write_table(table.append_column("plan", arrow().array(texts)), path)
    info = json.loads((robot / "meta/info.json").read_text())["features"]
    change_info(robot, features={**info, "plan": {"dtype": "string", "shape": [1], "names": None}})
    source = RobotExamples(LeRobotDataset(robot), CARD, plan_share=1.0)
    assert [source.example(i, RNG).turns[0].plan for i in (0, 7, 18, 23)] == ["step 0", "step 7", "step 0", "step 5"]
    change_column(robot / "data/chunk-000/file-000.parquet", "plan", [1], arrow().int64())
    with pytest.raises(DatasetError, match="1 in the column 'plan', time step 0, expected a text"):
        RobotExamples(LeRobotDataset(robot), CARD, plan_share=1.0)


@pytest.mark.parametrize(
    ("instruction", "plan"),
    [
        ("Pick up the red cube.", "pick red cube"),
        ("Could you please put the apple into the bowl?", "put apple into bowl"),
        ("Up!", "Up!"),
        ("抓住方块", "抓住方块"),
    ],
)
def test_short_forms(instruction: str, plan: str) -> None:
    assert plan_of(instruction) == plan


def test_the_state_comes_along(tmp_path: Path) -> None:
    from rt_vla_ros.policies.tabletop_card import TABLETOP_STATE

    card = replace(CARD, state=TABLETOP_STATE)
    write_dataset(tmp_path / "set", [make_episode(0, card=card)], card)
    dataset = LeRobotDataset(tmp_path / "set")
    found = RobotExamples(dataset, card).example(3, RNG).state
    states = dataset.labels(0).states
    assert found is not None
    assert states is not None
    assert np.array_equal(found, states[3])


def test_episodes_are_held_out_whole_and_always_the_same(robot: Path) -> None:
    dataset = LeRobotDataset(robot)
    for share, held in ((0.0, 0), (0.01, 1), (0.5, 2), (0.9, 3)):
        training, out = part_episodes(dataset, share, 0)
        assert len(out) == held
        assert sorted([*training, *out]) == [0, 1, 2, 3]
        assert part_episodes(dataset, share, 0) == (training, out)


def test_a_set_without_episodes_is_refused(robot: Path) -> None:
    with pytest.raises(DatasetError, match="has no episodes for training"):
        RobotExamples(LeRobotDataset(robot), CARD, episodes=[])
