"""Meta-World itself, where `rt-vla env install metaworld` has installed it."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.environments.exact_follower import ExactFollower
from rt_vla_ros.environments.foreign import ForeignEnvironment
from rt_vla_ros.environments.installs import installed
from rt_vla_ros.environments.metaworld import MT10, SENTENCES, metaworld_card
from rt_vla_ros.environments.opening import EnvironmentChoice
from rt_vla_ros.environments.serving_check import refuse_card
from rt_vla_ros.evaluation.players import DirectPlayer
from rt_vla_ros.evaluation.plumbing import Unseen, check_plumbing
from rt_vla_ros.evaluation.rollout import play_episode
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED

TASK = "metaworld:drawer-open-v3"
needs_metaworld = pytest.mark.skipif(
    installed("metaworld") is None, reason="Meta-World is not installed: rt-vla env install metaworld"
)


@needs_metaworld
def test_the_expert_succeeds_through_our_actions() -> None:
    choice = EnvironmentChoice(TASK)
    with closing(choice.open(None, Unseen)) as environment:
        row = check_plumbing(environment, choice.own_card(), TASK, range(1), lambda said: None)
    assert (row.expert, row.replayed, row.random) == (1, 1, 0)


@needs_metaworld
def test_the_same_seed_is_the_same_picture_the_right_way_up() -> None:
    with closing(EnvironmentChoice(TASK).open(metaworld_card((64, 64)))) as environment:
        assert environment.lay(TASK, 3).instruction == "open the drawer"
        image = environment.see("corner2")
        environment.lay(TASK, 4)
        other = environment.see("corner2")
        environment.lay(TASK, 3)
        np.testing.assert_array_equal(environment.see("corner2"), image)
    assert (image != other).any()
    # The plain wall is above, the tiled floor and what stands on it below.
    assert image[:8].std() < 5 < image[-8:].std()


@needs_metaworld
def test_a_policy_that_sees_its_images_is_judged_by_meta_world() -> None:
    policy = ConstantPolicy(frame_id="world", gripper=0.0, period=0.5)
    policy.card = metaworld_card((32, 32), 2.0)
    environment = EnvironmentChoice(TASK).open(policy.card)
    with closing(DirectPlayer(policy, environment, ExactFollower(environment.tick_ns))) as player:
        record, trajectory = player.play(TASK, 0)
    # 500 steps of 12.5 ms, a decision every 0.5 s.
    assert (record.outcome, record.seconds, record.steps) == ("timeout", 6.25, 13)
    assert trajectory.images[0][1].shape == (32, 32, 3)


def test_a_policy_at_10_hz_with_its_card_is_served() -> None:
    refuse_card(metaworld_card((96, 96), 10.0), metaworld_card(), "Meta-World")


@needs_metaworld
def test_the_experts_labels_leave_the_simulation_as_it_is() -> None:
    """Two trials of one episode at 10 Hz, with labels asked once and three times per step, are the same."""
    card, seen = metaworld_card((32, 32), 10.0), []
    with closing(EnvironmentChoice(TASK).open(card)) as environment:
        for times in (1, 3):
            laid = environment.lay(TASK, FIRST_TRAINING_SEED)
            policy = ExpertAtRate(environment, card, times)
            record = play_episode(policy, environment, laid, ExactFollower(environment.tick_ns))
            assert record.success
            seen.append(np.stack(policy.images))
    np.testing.assert_array_equal(*seen)


@needs_metaworld
@pytest.mark.slow
def test_the_scene_of_every_task_is_known_and_drawn_where_it_is_said_to_be() -> None:
    """The experts of all tasks say where they move; the goal of reach-v3, a red dot, is in the image at that place."""
    with closing(EnvironmentChoice("metaworld:MT50").open(metaworld_card((16, 16)))) as environment:
        for task in SENTENCES:
            environment.lay(f"metaworld:{task}", 0)
            scene = environment.scene()
            assert scene is not None, task
            assert scene.shape == (10,), task
            assert np.isfinite(scene).all(), task
    with closing(EnvironmentChoice("metaworld:reach-v3").open(metaworld_card((320, 240)))) as environment:
        for seed in range(3):
            environment.lay("metaworld:reach-v3", seed)
            image, scene = environment.see("corner2"), environment.scene()
            assert scene is not None
            column, row = (scene[6:8] * [320, 240]).astype(int)
            red, green, blue = image[row - 1 : row + 2, column - 1 : column + 2].mean(axis=(0, 1))
            assert red > 150
            assert max(green, blue) < red / 2


class ExpertAtRate:
    """Does what the expert does in a period, asked this many times."""

    name = "expert"

    def __init__(self, environment: ForeignEnvironment, card: ActionCard, times: int) -> None:
        self.card, self._environment, self._times = card, environment, times

    def reset(self, instruction: str) -> None:
        self.images: list[np.ndarray] = []

    def act(self, observation: Observation) -> ActionChunk:
        self.images.append(observation.images["corner2"])
        values = [self._environment.expert_values(self.card) for _ in range(self._times)]
        step = ActionDecoder(self.card).step(values[-1])
        return ActionChunk((step,), self.card.period, frame_id=self.card.frame_id)


@needs_metaworld
@pytest.mark.slow
def test_tasks_in_turn_are_those_of_fresh_processes() -> None:
    """More tasks than are kept, so that some are replaced; nothing of an episode is left in a later one."""
    turn = [f"metaworld:{name}" for name in (*MT10, "coffee-pull-v3")]
    card = metaworld_card((48, 48), 10.0)
    with closing(EnvironmentChoice("metaworld:MT50").open(card)) as environment:
        for number, task in enumerate(turn):
            trial(environment, task, 7, number)
        seen = {task: trial(environment, task, 3, 0) for task in reversed(turn)}
    for task in (turn[0], turn[1], turn[3], turn[-2], turn[-1]):
        with closing(EnvironmentChoice(task).open(card)) as environment:
            for image, other in zip(trial(environment, task, 3, 0), seen[task], strict=True):
                np.testing.assert_array_equal(image, other)


def trial(environment: ForeignEnvironment, task: str, seed: int, noise: int) -> list[np.ndarray]:
    """Images of an episode with random actions, and then the expert's actions, which depend on the whole state."""
    environment.lay(task, seed)
    rng, images = np.random.default_rng(noise), [environment.see("corner2")]
    for _ in range(4):
        for _ in range(5):
            environment._step(rng.uniform(-1.0, 1.0, 4))
        images.append(environment.see("corner2"))
    actions, _ = environment.play_natively()
    return [*images, np.stack(actions)]
