"""Every outcome, provoked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rt_vla_ros.sim import Outcome, make_scene, settle


@pytest.fixture
def scene():
    return make_scene("pick-colours", 3)


def test_success(sim, drive, scene):
    sim.reset(scene.layout)
    assert drive(sim, scene).terminate
    before = sim.time
    assert settle(sim, scene.task) is Outcome.SUCCESS
    assert sim.time - before == pytest.approx(1.0)


def test_wrong_object(sim, drive, scene):
    other = replace(scene, task=replace(scene.task, target=(scene.task.target + 1) % 3))
    sim.reset(scene.layout)
    assert drive(sim, other).terminate
    assert settle(sim, scene.task) is Outcome.WRONG_OBJECT


def test_drop(sim, drive, scene):
    sim.reset(scene.layout)
    assert drive(sim, scene).terminate
    sim.command_gripper(0.0)
    assert settle(sim, scene.task) is Outcome.DROP


def test_nothing_lifted_is_a_timeout_or_an_early_stop(sim, scene):
    sim.reset(scene.layout)
    assert settle(sim, scene.task) is Outcome.TIMEOUT
    assert settle(sim, scene.task, terminated=True) is Outcome.STOPPED_EARLY


def test_a_terminate_does_not_hide_what_was_lifted(sim, drive, scene):
    other = replace(scene, task=replace(scene.task, target=(scene.task.target + 1) % 3))
    sim.reset(scene.layout)
    assert drive(sim, other).terminate
    assert settle(sim, scene.task, terminated=True) is Outcome.WRONG_OBJECT
    sim.command_gripper(0.0)
    assert settle(sim, other.task, terminated=True) is Outcome.DROP


def test_settling_holds_the_arm_still(sim, scene):
    sim.reset(scene.layout)
    sim.command(np.array([0.0, 0.2, 0.0]), np.zeros(3))
    sim.step(0.2)
    before = sim.ee_position
    settle(sim, scene.task)
    assert np.linalg.norm(sim.ee_position - before) < 0.02


def test_every_outcome_has_a_sentence():
    assert [outcome.value for outcome in Outcome] == ["success", "wrong_object", "drop", "stopped_early", "timeout"]
    assert Outcome("stopped_early") is Outcome.STOPPED_EARLY
    assert all(outcome.sentence.endswith(".") for outcome in Outcome)
