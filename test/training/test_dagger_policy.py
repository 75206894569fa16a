from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import Episode
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.sim.scenes import make_scene
from rt_vla_ros.sim.tabletop_sim import TabletopSim
from rt_vla_ros.training.asked_teacher import AskedTeacher
from rt_vla_ros.training.dagger_policy import collect_episode, image_position
from rt_vla_ros.training.labeling_policy import WhoActs

EXPERT, LEARNER = WhoActs("expert", 1.0, 0.0), WhoActs("learner", 0.0, 0.0)
CARD = tabletop_card("test")


def collected(
    sim: TabletopSim,
    mixture: WhoActs,
    learner: Policy | None,
    seed: int = 5,
    steps: int = 40,
    teacher: Policy | None = None,
) -> Episode:
    asked = None if teacher is None else AskedTeacher(teacher, CARD)
    rng = np.random.default_rng(seed)
    return collect_episode(CARD, learner, sim, make_scene("pick-any", seed), mixture, rng, steps, asked)


def modes(episode: Episode) -> list[int]:
    return [int(mode) for mode in ActionTokenizer(CARD).encode(episode.values)[:, 0]]


def heights(episode: Episode) -> np.ndarray:
    assert episode.scene is not None
    return np.diff(episode.scene[:, 5])


def test_the_expert_is_recorded_with_its_end(sim: TabletopSim) -> None:
    episode = collected(sim, EXPERT, None)
    assert episode.success
    assert modes(episode) == [1] * (len(episode) - 3) + [0] * 3
    assert (episode.suite, episode.seed, episode.leader) == ("pick-any", 5, "expert")


def test_the_learner_acts_and_the_expert_labels(sim: TabletopSim) -> None:
    episode = collected(sim, LEARNER, ConstantPolicy(translation=np.array([0.0, 0.0, 0.01])), steps=8)
    assert not episode.success
    assert heights(episode).min() > 0, "the learner goes up"
    assert (episode.values[3:, 3] < -0.02).all(), "the expert would go down"


def test_the_learners_terminate_ends_the_episode(sim: TabletopSim) -> None:
    assert modes(collected(sim, LEARNER, ConstantPolicy(terminate=True))) == [1], "the expert says: not done"


def test_both_act_in_turn(sim: TabletopSim) -> None:
    up = ConstantPolicy(translation=np.array([0.0, 0.0, 0.01]))
    moved = heights(collected(sim, WhoActs("mixed", 0.5, 0.0), up, steps=30))
    assert (moved > 0.005).any()
    assert (moved < -0.005).any()


def test_a_teacher_acts_and_labels_in_place_of_the_scripted_expert(sim: TabletopSim) -> None:
    """It never terminates, and the episode ends all the same."""
    up = ConstantPolicy(translation=np.array([0.0, 0.0, 0.02]))
    episode = collected(sim, EXPERT, None, steps=8, teacher=up)
    assert (len(episode), episode.success, episode.leader) == (8, False, "expert")
    np.testing.assert_array_equal(episode.values, np.tile([1.0, 0.0, 0.0, 0.02, 0.0, 0.0], (8, 1)))
    assert heights(episode).min() > 0
    down = ConstantPolicy(translation=np.array([0.0, 0.0, -0.01]))
    episode = collected(sim, LEARNER, down, steps=8, teacher=up)
    assert heights(episode).max() < 0, "the learner goes down"
    assert (episode.values[:, 3] == 0.02).all(), "the teacher would go up"


def test_a_teachers_terminate_ends_its_episode_without_a_motion(sim: TabletopSim) -> None:
    done = ConstantPolicy(terminate=True, translation=np.array([0.0, 0.0, 0.04]))
    episode = collected(sim, EXPERT, None, teacher=done)
    assert modes(episode) == [0, 0, 0]
    assert (episode.values[:, 3] == 0.04).all(), "the label is what it says"
    assert np.abs(heights(episode)).max() < 0.002


def test_noise_does_not_turn_the_gripper_of_a_teacher_that_cannot_turn_it_back(sim: TabletopSim) -> None:
    teacher, noisy = ConstantPolicy(), WhoActs("expert", 1.0, 1.0)
    turned = []
    for dimensions in (CARD.dimensions, tuple(one for one in CARD.dimensions if one.role != "rotation_z")):
        teacher.card = replace(CARD, dimensions=dimensions)
        collected(sim, noisy, None, steps=6, teacher=teacher)
        turned.append(abs(sim.ee_yaw - make_scene("pick-any", 5).layout.start_yaw))
    assert turned[0] > 0.03
    assert turned[1] < 0.01


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
