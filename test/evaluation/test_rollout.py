from __future__ import annotations

import io
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.action_space.card import ActionCardError, ActionDimension
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.decoder import DecodingError
from rt_vla_ros.action_space.state import StateDimension
from rt_vla_ros.control.controller import Controller
from rt_vla_ros.evaluation.players import DirectPlayer
from rt_vla_ros.evaluation.record import EpisodeRecord
from rt_vla_ros.evaluation.rollout import RolloutStep, rollout
from rt_vla_ros.evaluation.suite_run import SuiteRun
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.progress import Progress
from rt_vla_ros.sim.judge import Outcome
from rt_vla_ros.sim.scenes import Scene, make_scene
from rt_vla_ros.sim.scripted_expert import ScriptedExpert
from rt_vla_ros.sim.tabletop_sim import TabletopSim


class ExpertPolicy:
    """The expert behind a policy's surface; it looks at the simulator, not at the images."""

    name = "expert"
    card = tabletop_card("expert")

    def __init__(self, sim: TabletopSim, scene: Scene) -> None:
        self._sim, self._expert = sim, ScriptedExpert(scene)
        self.instructions: list[str] = []
        self.seen: list[Observation] = []

    def reset(self, instruction: str) -> None:
        self.instructions.append(instruction)

    def act(self, observation: Observation) -> ActionChunk:
        self.seen.append(observation)
        return ActionChunk((self._expert.step(self._sim),), self.card.period, frame_id=self.card.frame_id)


def test_a_policy_that_moves_a_base_is_not_for_an_arm_on_a_table(sim: TabletopSim) -> None:
    policy = ConstantPolicy()
    wheels = (ActionDimension("wheels_x", "base_x", -0.1, 0.1, "m"), ActionDimension("turn", "base_yaw", -1, 1, "rad"))
    policy.card = replace(policy.card, dimensions=(*policy.card.dimensions, *wheels))
    sentence = r"The actions move a mobile base \(wheels_x, turn\), and the simulated arm has none\. Compare"
    with pytest.raises(ActionCardError, match=sentence):
        rollout(policy, make_scene("pick-any", 0), sim, Controller())


def test_the_expert_succeeds(sim: TabletopSim) -> None:
    for seed in range(4):
        scene = make_scene("pick-any", seed)
        policy, steps = ExpertPolicy(sim, scene), []
        episode = rollout(policy, scene, sim, Controller(), on_step=steps.append)
        assert episode.outcome == Outcome.SUCCESS
        assert episode.success
        assert episode.terminated
        assert policy.instructions == [scene.task.instruction]
        assert len(steps) == len(policy.seen) == len(episode.latencies) == episode.steps
        assert episode.seconds == pytest.approx(0.2 * (episode.steps - 1)), "it ends at the image of the terminate"


def test_images_come_at_the_policys_period_as_the_card_says(sim: TabletopSim) -> None:
    scene = make_scene("pick-colours", 0)
    policy = ExpertPolicy(sim, scene)
    rollout(policy, scene, sim, Controller(), max_steps=5)
    assert [seen.stamp for seen in policy.seen] == [step * 200_000_000 / 1e9 for step in range(5)]
    for seen in policy.seen:
        assert list(seen.images) == ["front"]
        assert seen.images["front"].shape == (96, 96, 3)


def test_an_action_moves_the_arm_by_what_it_says(sim: TabletopSim) -> None:
    scene = make_scene("pick-colours", 0)
    policy = ConstantPolicy(translation=np.array([0.0, 0.02, 0.0]))
    episode = rollout(policy, scene, sim, Controller(), max_steps=5)
    moved = sim.ee_position - np.array(scene.layout.start)
    np.testing.assert_allclose(moved, [0.0, 0.1, 0.0], atol=0.02)
    assert (episode.steps, episode.terminated, episode.outcome) == (5, False, Outcome.TIMEOUT)


def test_a_state_that_no_policy_has_seen_stops_the_arm_where_it_is(sim: TabletopSim) -> None:
    scene, policy = make_scene("pick-colours", 0), ConstantPolicy(translation=np.array([0.0, 0.02, 0.0]))
    y = scene.layout.start[1]
    policy.card = replace(policy.card, state=(StateDimension("y", "m", y - 0.1, y + 0.04, "tip:y"),))
    episode = rollout(policy, scene, sim, Controller())
    assert "dimension 'y' (tip:y) is about " in episode.refusal
    assert 5 <= episode.steps < 10
    assert episode.seconds == scene.task.time_limit
    assert y + 0.1 < sim.ee_position[1] < y + 0.16


def test_a_state_that_the_simulated_arm_does_not_have_ends_the_evaluation(sim: TabletopSim) -> None:
    policy = ConstantPolicy()
    policy.card = replace(policy.card, state=(StateDimension("finger", "m", 0, 1, "joint:panda_finger_joint1"),))
    with pytest.raises(ValueError, match=r"'finger' .* is missing: the simulated arm has tip, "):
        rollout(policy, make_scene("pick-colours", 0), sim, Controller())


def test_terminate_ends_at_once(sim: TabletopSim) -> None:
    episode = rollout(ConstantPolicy(terminate=True), make_scene("pick-colours", 0), sim, Controller())
    assert (episode.steps, episode.seconds, episode.terminated) == (1, 0.0, True)
    assert episode.outcome == Outcome.STOPPED_EARLY


def test_the_time_limit_is_the_scenes(sim: TabletopSim) -> None:
    scene = make_scene("pick-colours", 0)
    episode = rollout(ConstantPolicy(), scene, sim, Controller())
    assert episode.seconds == scene.task.time_limit
    assert not episode.terminated


def test_an_action_with_a_hole_ends_the_rollout(sim: TabletopSim) -> None:
    policy = ConstantPolicy(translation=np.array([np.nan, 0.0, 0.0]))
    with pytest.raises(DecodingError, match="the translation of step 0 is"):
        rollout(policy, make_scene("pick-colours", 0), sim, Controller())


def test_a_refused_action_moves_nothing(sim: TabletopSim) -> None:
    scene = make_scene("pick-colours", 0)
    rollout(ConstantPolicy(translation=np.array([5.0, 0.0, 0.0])), scene, sim, Controller(), max_steps=5)
    np.testing.assert_allclose(sim.ee_position, scene.layout.start, atol=0.005)


@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_what_the_policys_model_would_hardly_write_is_held_as_in_the_node(sim: TabletopSim, threshold: float) -> None:
    scene = make_scene("pick-colours", 0)
    policy = ConstantPolicy(translation=np.array([0.0, 0.02, 0.0]), legal_probability=0.2)
    episode = rollout(policy, scene, sim, Controller(), max_steps=5, min_legal_probability=threshold)
    moved = sim.ee_position[1] - scene.layout.start[1]
    assert moved == pytest.approx(0.0 if threshold else 0.1, abs=0.02)
    assert episode.legal_probability == 0.2


def test_an_evaluation_of_such_a_model_says_so_behind_its_first_episode() -> None:
    heard = io.StringIO()
    with closing(DirectPlayer(ConstantPolicy(terminate=True, legal_probability=0.0002))) as player:
        SuiteRun(player, "pick-colours", {}, None, Progress(heard)).play(range(2), videos=0, overwrite=False)
    assert heard.getvalue().count("with a probability of only 0.0002") == 1


def test_the_same_seed_gives_the_same_actions(sim: TabletopSim) -> None:
    """Also with simulator and controller that were used before, and for another scene in between."""
    policy, controller = load_policy("rt1-mini", device="cpu"), Controller()

    def play(seed: int) -> tuple[EpisodeRecord, list[RolloutStep]]:
        steps: list[RolloutStep] = []
        return rollout(policy, make_scene("pick-any", seed), sim, controller, max_steps=12, on_step=steps.append), steps

    first, steps = play(3)
    play(4)
    again, steps_again = play(3)
    assert (first.outcome, first.steps) == (again.outcome, again.steps)
    for a, b in zip(steps, steps_again, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.chunk.steps[0].translation, b.chunk.steps[0].translation)
        assert (a.chunk.tokens, a.chunk.confidence) == (b.chunk.tokens, b.chunk.confidence)
