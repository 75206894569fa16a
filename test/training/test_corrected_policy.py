from __future__ import annotations

import numpy as np
import pytest
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.control.controller import Controller
from rt_vla_ros.evaluation.rollout import EpisodeResult, rollout
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.sim.scenes import make_scene
from rt_vla_ros.sim.tabletop_sim import TabletopSim
from rt_vla_ros.training.corrected_policy import CorrectedPolicy, Leading, image_position
from rt_vla_ros.training.episode_file import RecordedEpisode

EXPERT, LEARNER = Leading("expert", 1.0, 0.0), Leading("learner", 0.0, 0.0)
CARD = tabletop_card("test")


def played(
    sim: TabletopSim, leading: Leading, learner: Policy | None, seed: int = 5, steps: int = 40
) -> tuple[EpisodeResult, RecordedEpisode]:
    policy, scene = CorrectedPolicy(CARD, learner, sim, np.random.default_rng(seed)), make_scene("pick-any", seed)
    policy.begin(scene, leading)
    episode = rollout(policy, scene, sim, Controller(), max_steps=steps)
    return episode, policy.recorded(episode.success)


def test_the_expert_is_recorded_with_its_end(sim: TabletopSim) -> None:
    episode, recorded = played(sim, EXPERT, None)
    assert episode.success
    assert recorded.success
    assert len(recorded.images) == len(recorded.tokens) == len(recorded.scene) == episode.steps
    assert recorded.tokens[:-3, 0].tolist() == [1] * (episode.steps - 3)
    assert recorded.tokens[-3:, 0].tolist() == [0] * 3


def test_the_learner_acts_and_the_expert_is_recorded(sim: TabletopSim) -> None:
    away = ConstantPolicy(translation=np.array([0.0, 0.0, 0.01]))
    episode, recorded = played(sim, LEARNER, away, steps=8)
    assert not episode.success
    assert np.diff(recorded.scene[:, 5]).min() > 0, "the learner's way leads up"
    values = ActionTokenizer(CARD).decode(recorded.tokens)
    assert (values[3:, 3] < -0.02).all(), "the expert's leads down"


def test_the_learners_terminate_ends_the_episode(sim: TabletopSim) -> None:
    episode, recorded = played(sim, LEARNER, ConstantPolicy(terminate=True))
    assert episode.steps == len(recorded.tokens) == 1
    assert recorded.tokens[0, 0] == 1, "the expert says that it is not done"


def test_both_lead_in_turn(sim: TabletopSim) -> None:
    up = ConstantPolicy(translation=np.array([0.0, 0.0, 0.01]))
    _, recorded = played(sim, Leading("mixed", 0.5, 0.0), up, steps=30)
    heights = np.diff(recorded.scene[:, 5])
    assert (heights > 0.005).any()
    assert (heights < -0.005).any()


def test_image_positions_are_where_things_are_seen(sim: TabletopSim) -> None:
    """The named object's colour is found at the place that was computed."""
    found = 0
    for seed in range(6):
        scene = make_scene("pick-colours", seed)
        sim.reset(scene.layout)
        u, v = image_position(sim, "front", sim.object_positions[scene.task.target])
        pixel = sim.render("front")[int(v * 96), int(u * 96)].astype(float)
        table = sim.render("front")[90, 5].astype(float)
        found += np.abs(pixel - table).max() > 60
    assert found >= 5
    with pytest.raises(ValueError, match="There is no camera"):
        image_position(sim, "side", np.zeros(3))
