"""The URDF that the simulated arm publishes is that arm, and the collision check raises no false alarm on the demo."""

from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.arms.collision_path import CollisionPath
from rt_vla_ros.arms.collision_protocol import CollisionQuestion, CollisionSetup, FoundCollision
from rt_vla_ros.sim import SUITES, ScriptedExpert, TabletopSim, make_scene

# As docs/real_arm.md says: the table's top lower by the margin, where the gripper takes things from it.
MARGIN = 0.01
TABLE = [-0.1, -0.6, -0.5, 0.9, 0.6, -MARGIN]


def path_of(sim: TabletopSim) -> CollisionPath:
    base = sim.arm.link_frames[0][1]
    return CollisionPath(CollisionSetup(sim.arm.urdf, sim.arm.tool_frame, MARGIN, [TABLE], base))


def positions(sim: TabletopSim) -> dict[str, float]:
    return dict(zip(sim.arm.joint_names, map(float, sim.joint_positions[:7]), strict=True))


def test_its_links_are_where_those_of_the_simulated_arm_are(sim: TabletopSim) -> None:
    path, rng = path_of(sim), np.random.default_rng(0)
    for _ in range(5):
        sim.command(rng.uniform(-0.1, 0.1, 3), rng.uniform(-0.5, 0.5, 3))
        sim.step(0.4)
        path.check(CollisionQuestion(positions(sim), []))
        for frame, pose in sim.link_poses.items():
            assert path.shapes.data.body(frame).xpos == pytest.approx(pose.position, abs=1e-3), frame
            x, y, z, w = pose.quaternion
            assert abs(path.shapes.data.body(frame).xquat @ [w, x, y, z]) == pytest.approx(1.0, abs=1e-4), frame


@pytest.mark.parametrize("suite", SUITES)
def test_no_false_alarm_while_the_demo_picks_things_up(sim: TabletopSim, suite: str, drive) -> None:  # type: ignore[no-untyped-def]
    path, checked = path_of(sim), 0
    for seed in range(2):
        scene = make_scene(suite, 4000 + seed)
        sim.reset(scene.layout)
        for _ in range(30):
            step = ScriptedExpert(scene).step(sim)
            motion = [[0.0, *step.translation, *step.rotation]]
            assert path.check(CollisionQuestion(positions(sim), motion)) is None, (suite, seed, sim.time)
            checked += 1
            if step.terminate:
                break
            drive(sim, scene, steps=1)
    assert checked >= 20
    into_the_table = CollisionQuestion(positions(sim), [[0, 0, 0, -0.4, 0, 0, 0]])
    assert path.check(into_the_table) == FoundCollision(0, ("robotiq_85_base_link", "forbidden box 1"))


def test_no_false_alarm_in_random_motion_within_the_workspace(sim: TabletopSim) -> None:
    path, rng = path_of(sim), np.random.default_rng(1)
    for seed in range(3):
        sim.reset(make_scene(next(iter(SUITES)), seed).layout)
        for _ in range(100):
            linear, yaw = rng.uniform(-0.2, 0.2, 3), rng.uniform(-1, 1)
            before = sim.reference_position.copy()
            here = positions(sim)
            sim.command(linear, np.array([0.0, 0.0, yaw]))
            sim.step(0.2)
            moved = sim.reference_position - before  # within the workspace
            assert path.check(CollisionQuestion(here, [[0.0, *moved, 0.0, 0.0, 0.2 * yaw]])) is None
