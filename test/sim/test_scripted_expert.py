"""The expert does the tasks, keeps its limits and recovers from what goes wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rt_vla_ros.sim import SUITES, Outcome, ScriptedExpert, make_scene, settle
from rt_vla_ros.sim.scripted_expert import DONE_CLEARANCE


@pytest.mark.parametrize("suite", SUITES)
def test_succeeds_on_every_suite(sim, drive, suite):
    outcomes = []
    for seed in range(20):
        scene = make_scene(suite, 1000 + seed)
        sim.reset(scene.layout)
        drive(sim, scene)
        assert sim.time < scene.task.time_limit / 2
        outcomes.append(settle(sim, scene.task))
    assert outcomes.count(Outcome.SUCCESS) >= 19


def test_labels_are_within_limits_and_terminate_only_high_up(sim, drive):
    scene = make_scene("pick-any", 21)
    expert = ScriptedExpert(scene)
    sim.reset(scene.layout)
    labels = []
    for _ in range(30):
        label = expert.step(sim)
        again = expert.step(sim)
        np.testing.assert_array_equal(label.translation, again.translation)
        labels.append(label)
        assert np.abs(label.translation).max() <= 0.04 + 1e-12
        assert np.abs(label.rotation).max() <= 0.35 + 1e-12
        assert label.terminate == (label.gripper == 1.0 and sim.clearances[scene.task.target] >= DONE_CLEARANCE)
        if label.terminate:
            break
        drive(sim, scene, steps=1)
    assert labels[-1].terminate
    assert {label.gripper for label in labels} == {0.0, 1.0}


def test_puts_a_wrong_object_down_and_takes_the_right_one(sim, drive):
    scene = make_scene("pick-colours", 8)
    wrong = (scene.task.target + 1) % 3
    sim.reset(scene.layout)
    drive(sim, replace(scene, task=replace(scene.task, target=wrong)))
    assert sim.gripped() == wrong
    assert ScriptedExpert(scene).step(sim).gripper == 0.0
    drive(sim, scene)
    assert settle(sim, scene.task) is Outcome.SUCCESS


def test_reopens_a_gripper_closed_on_nothing(sim, drive):
    scene = make_scene("pick-colours", 9)
    sim.reset(scene.layout)
    sim.command_gripper(1.0)
    sim.step(0.6)
    label = ScriptedExpert(scene).step(sim)
    assert label.gripper == 0.0
    drive(sim, scene)
    assert settle(sim, scene.task) is Outcome.SUCCESS


@pytest.mark.parametrize("suite", SUITES)
def test_recovers_from_random_disturbances(sim, drive, suite):
    outcomes = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        scene = make_scene(suite, 2000 + seed)
        sim.reset(scene.layout)
        for _ in range(4):
            drive(sim, scene, steps=int(rng.integers(1, 6)))
            sim.command(rng.uniform(-0.2, 0.2, 3), np.array([0.0, 0.0, rng.uniform(-1, 1)]))
            sim.command_gripper(float(rng.integers(2)))
            sim.step(0.6)
        drive(sim, scene)
        outcomes.append(settle(sim, scene.task))
    assert outcomes.count(Outcome.SUCCESS) >= 5


def test_takes_a_fallen_cylinder_across_its_axis(sim, drive):
    scene = make_scene("pick-colours", 0, "pick up the blue cylinder")
    sim.reset(scene.layout)
    start = sim.model.joint(f"object{scene.task.target}").qposadr[0]
    sim.data.qpos[start + 2] = 0.02
    sim.data.qpos[start + 3 : start + 7] = (np.sqrt(0.5), 0.5, 0.5, 0.0)
    sim.step(0.4)
    assert abs(sim.object_rotations[scene.task.target][2, 2]) < 0.2
    assert drive(sim, scene).terminate
    assert settle(sim, scene.task) is Outcome.SUCCESS
