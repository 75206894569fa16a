"""A robot with another view and another action card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.evaluation.rollout import make_controller, rollout
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.sim.scenes import Scene, make_scene
from rt_vla_ros.training.rt2.mini.collector import EPISODES, ROBOT, WEB, FrameCollector, first_shards
from rt_vla_ros.training.rt2.mini.embodiments import EMBODIMENTS, Embodiment
from rt_vla_ros.training.rt2.mini.settings import MiniSettings


class ExpertInTokens:
    """The expert of an embodiment, through the tokens of its card."""

    name = "expert"

    def __init__(self, embodiment: Embodiment, scene: Scene, sim) -> None:
        self.card, self._sim = embodiment.card, sim
        self._expert, self._tokenizer = embodiment.expert(scene), ActionTokenizer(embodiment.card)
        self._decoder = ActionDecoder(embodiment.card)

    def reset(self, instruction: str) -> None:
        self._decoder.reset()

    def act(self, observation: Observation) -> ActionChunk:
        bins = self._tokenizer.encode(self._tokenizer.from_step(self._expert.step(self._sim)))
        self._decoder.begin(observation.stamp)
        return self._decoder.from_tokens(bins.tolist(), confidence=1.0, legal_probability=1.0, plan="")


@pytest.mark.parametrize(("name", "suite"), [("front", "pick-any"), ("left", "left-any")])
def test_its_tokens_do_the_task(sim, name: str, suite: str) -> None:
    for seed in range(3):
        scene = make_scene(suite, seed)
        policy = ExpertInTokens(EMBODIMENTS[name], scene, sim)
        assert rollout(policy, scene, sim, make_controller(sim), max_steps=40).success


def test_the_same_motion_has_other_tokens() -> None:
    front, left = (EMBODIMENTS[name].card for name in ("front", "left"))
    assert [one.role for one in front.dimensions] == [one.role for one in left.dimensions]
    assert left.dimensions[2].high > front.dimensions[2].high
    assert (front.frame, left.frame) == ("base", "end_effector")
    assert (front.gripper_open, left.gripper_open) == (0.0, 1.0)


def test_the_other_view_is_another_picture_of_the_same_table(sim) -> None:
    layout = make_scene("pick-any", 0).layout
    pictures = []
    for embodiment in EMBODIMENTS.values():
        sim.reset(embodiment.before(layout, np.random.default_rng(0)))
        pictures.append(sim.render("front").astype(int))
    assert np.abs(pictures[0] - pictures[1]).mean() > 20


def test_all_kinds_of_frames_are_rendered_side_by_side() -> None:
    shards = first_shards(MiniSettings())
    assert shards[0] == WEB
    assert [shards.count(kind) for kind in (WEB, ROBOT, EPISODES)] == [32, 20, 16]
    assert set(shards[:6]) == {WEB, ROBOT, EPISODES}


def test_two_robots_have_as_many_frames_each(tmp_path: Path) -> None:
    settings = MiniSettings(embodiments="front,left", width=32, layers=2)
    collector = FrameCollector(tmp_path, settings)
    robots = [collector.whose(number) for number in range(260)]
    assert abs(robots.count("front") - robots.count("left")) <= 1
    assert robots.count(WEB) == 32 + 19


def test_an_unknown_robot_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no embodiment 'rear'; available: front, left"):
        MiniSettings(embodiments="front,rear")
