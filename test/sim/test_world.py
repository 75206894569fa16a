"""The simulated world under the node."""

from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.control.twist import Twist
from rt_vla_ros.sim import Outcome, TabletopSim
from rt_vla_ros.sim.world import BETWEEN_SCENES_NS, START_NS, STEP_NS, SimWorld


@pytest.fixture(scope="module")
def sim() -> TabletopSim:
    return TabletopSim()


def test_its_clock_runs_on_over_scenes(sim: TabletopSim) -> None:
    world = SimWorld(sim, "pick-colours", 3, "")
    assert world.time_ns == START_NS > 0
    world.advance(None, None)
    world.steps = 7
    scene = world.reset("", 4, "")
    assert (scene.suite, scene.seed) == ("pick-colours", 4)
    assert (world.time_ns, world.steps) == (START_NS + STEP_NS + BETWEEN_SCENES_NS, 0)
    assert sim.time == 0


def test_a_velocity_moves_the_arm_and_without_one_it_stands_still(sim: TabletopSim) -> None:
    world = SimWorld(sim, "pick-colours", 3, "")
    before = sim.ee_position
    for _ in range(25):
        world.advance(Twist(np.array([0.0, 0.0, 0.1]), np.zeros(3)), 1.0)
    there = sim.ee_position
    assert there[2] - before[2] == pytest.approx(0.05, abs=0.01)
    for _ in range(25):
        world.advance(None, None)
    assert np.linalg.norm(sim.ee_position - there) < 0.01
    assert sim.gripper_closedness > 0.5


def test_an_impossible_scene_changes_nothing(sim: TabletopSim) -> None:
    world = SimWorld(sim, "pick-colours", 3, "")
    scene = world.scene
    for suite, instruction in (("pick-nothing", ""), ("", "pick up the elephant")):
        with pytest.raises(ValueError, match=r"\w+ \w+"):
            world.reset(suite, 1, instruction)
    assert world.scene is scene
    assert world.scene.suite == "pick-colours"


def test_an_untouched_scene_is_a_timeout(sim: TabletopSim) -> None:
    world = SimWorld(sim, "pick-colours", 3, "")
    for _ in range(5):
        world.advance(None, None)
    for _ in range(2):
        assert (world.verdict(), world.steps) == (Outcome.TIMEOUT, 0)
        assert world.sim.time == pytest.approx(0.1)
        assert world.time_ns == START_NS + 5 * STEP_NS


def test_a_verdict_changes_nothing_to_the_last_bit(sim: TabletopSim) -> None:
    ends = []
    for judged in (False, True):
        world = SimWorld(sim, "pick-colours", 3, "")
        for i in range(40):
            world.advance(Twist(np.array([0.1, 0.05, -0.2]), np.array([0.0, 0.0, 0.3])), float(i > 10))
            if judged and i % 7 == 0:
                world.verdict(terminated=True)
        ends.append(np.concatenate([sim.data.qpos, sim.data.qvel, sim.ee_position, sim.peak_clearances, [sim.time]]))
        assert world.verdict() is Outcome.TIMEOUT
    np.testing.assert_array_equal(*ends)


def test_a_terminate_counts_for_its_own_scene_only(sim: TabletopSim) -> None:
    world = SimWorld(sim, "pick-colours", 3, "")
    world.terminated = True
    assert world.verdict() is Outcome.STOPPED_EARLY
    world.reset("", 4, "")
    assert world.verdict() is Outcome.TIMEOUT
