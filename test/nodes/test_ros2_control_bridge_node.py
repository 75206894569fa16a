"""The bridge on a graph: velocities in, joint commands out, and what it refuses; ros2_control is played."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import TwistStamped
from support.node_bench import NodeBench
from support.played_ros2_control import BridgeRig, tip_poses

pytest.importorskip("pinocchio")

from controller_manager_msgs.msg import ControllerState

from rt_vla_ros.arms.controller_check import FORWARD
from rt_vla_ros.arms.panda_urdf import NAMES, READY, panda_urdf
from rt_vla_ros.nodes import controller_watch
from rt_vla_ros.nodes.ros2_control_bridge_node import Ros2ControlBridgeNode
from rt_vla_ros.nodes.start_error import StartError

Benches = Callable[..., NodeBench]


def make(make_bench: Benches, interface: str, *parameters: str, **options: object) -> BridgeRig:
    rate = "command_rate:=50.0"  # several nodes share a thread here
    given = (f"command_interface:={interface}", f"controller:=forward_{interface}_controller", rate, *parameters)
    words = [word for one in given for word in ("-p", f"ros2_control_bridge_node:{one}")]
    return BridgeRig(make_bench(*words), interface, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("interface", ["position", "velocity"])
def test_the_tip_goes_where_it_is_told_and_stands_when_nothing_comes(make_bench: Benches, interface: str) -> None:
    rig = make(make_bench, interface)
    rig.until_ready()
    start = rig.arm.position
    rig.drive(0.06, -0.08, 0, 0, 0, 0, seconds=1.0)
    rig.bench.until(lambda: not rig.node.commander.velocities.any(), "it goes on")
    rig.bench.spin_for(0.3)
    end = rig.arm.position
    before, after = tip_poses([start, end])
    way = after[:3, 3] - before[:3, 3]
    assert np.linalg.norm(way) > 0.05
    np.testing.assert_allclose(way / np.linalg.norm(way), [0.6, -0.8, 0], atol=0.02)
    np.testing.assert_allclose(after[:3, :3], before[:3, :3], atol=0.01)
    count = len(rig.arm.commands)
    rig.bench.spin_for(0.8)
    assert len(rig.arm.commands) < count + 50
    np.testing.assert_allclose(rig.arm.position, end, atol=1e-6)
    assert rig.statuses[-1].ready


def test_faults_on_the_graph_stop_the_arm_and_say_why(make_bench: Benches) -> None:
    rig = make(make_bench, "velocity")
    rig.until_ready()
    rig.drive(0.1, 0, 0, 0, 0, 0)
    for spoil, mend, words in (
        ({"silent": True}, {"silent": False}, "s old."),
        ({"age": 1.0}, {"age": 0.0}, "s old."),
        ({"age": -1.0}, {"age": 0.0}, "s in the future."),
        ({"spoiled": {2: float("nan")}}, {"spoiled": {}}, "invalid position of 'panda_joint3': nan."),
    ):
        vars(rig.arm).update(spoil)
        rig.bench.until(lambda: rig.send(0.1, 0, 0, 0, 0, 0) or not rig.statuses[-1].ready, "it goes on")
        assert words in rig.until_not_ready("joint state")
        rig.bench.until(lambda: not rig.arm.commands[-1].any(), "it is not told to stand still")
        vars(rig.arm).update(mend)
        rig.until_ready()
    for twist, frame, words in (
        ((float("nan"), 0, 0, 0, 0, 0), "panda_link0", "non-finite value"),
        ((0.1, 0, 0, 0, 0, float("inf")), "panda_link0", "non-finite value"),
        ((0.1, 0, 0, 0, 0, 0), "nowhere", "TF cannot transform to 'panda_link0'"),
        ((0.1, 0, 0, 0, 0, 0), "", "A velocity has no frame"),
    ):
        rig.drive(0.1, 0, 0, 0, 0, 0, seconds=0.1)
        rig.send(*twist, frame=frame)
        rig.until_not_ready(words)
        rig.bench.until(lambda: not rig.arm.commands[-1].any(), "it is not told to stand still")
        rig.until_ready()


def test_velocities_of_two_publishers_move_nothing_and_both_are_named(make_bench: Benches) -> None:
    rig = make(make_bench, "velocity")
    rig.until_ready()
    rig.drive(0.1, 0, 0, 0, 0, 0)
    other = rig.bench.add(rclpy.create_node("old_smoother"))
    other.create_publisher(TwistStamped, "delta_twist_cmds", 10)
    rig.bench.until(lambda: rig.send(0.1, 0, 0, 0, 0, 0) or not rig.statuses[-1].ready, "it goes on")
    rig.until_not_ready("has 2 publishers, /old_smoother and /world, and nothing moves until there is only one")
    rig.bench.until(lambda: not rig.arm.commands[-1].any(), "it is not told to stand still")
    rig.bench.kill(other)
    rig.until_ready()


@pytest.mark.parametrize("age", [0.15, -0.15, 3600.0, -3600.0])
def test_an_old_velocity_or_one_from_the_future_moves_nothing(make_bench: Benches, age: float) -> None:
    rig = make(make_bench, "position")
    rig.until_ready()
    rig.drive(0.1, 0, 0, 0, 0, 0, age=age, seconds=0.2)
    np.testing.assert_allclose(rig.arm.position, READY, atol=1e-9)
    assert rig.statuses[-1].ready


def test_a_solver_that_is_killed_stops_the_arm_at_once(make_bench: Benches) -> None:
    rig = make(make_bench, "velocity")
    rig.until_ready()
    rig.drive(0.1, 0, 0, 0, 0, 0)
    os.kill(rig.node.commander.solver.pid, signal.SIGKILL)
    begin = time.monotonic()
    rig.bench.until(lambda: rig.send(0.1, 0, 0, 0, 0, 0) or not rig.arm.commands[-1].any(), "it goes on")
    assert time.monotonic() - begin < 0.3
    rig.until_not_ready("has ended (signal 9)")
    rig.until_ready()


@pytest.mark.parametrize(
    ("options", "parameters", "words"),
    [
        ({"state": "inactive"}, (), "ros2 control switch_controllers --activate forward_position_controller"),
        ({"joints": NAMES[::-1]}, (), "Set the parameter joints to its order: [panda_joint7, panda_joint6"),
        ({"joints": NAMES[:6]}, (), "Set its parameter joints to these joints in this order"),
        ({"kind": "joint_trajectory_controller/JointTrajectoryController"}, (), "expected one of position_controllers"),
        ({}, ("controller:=arm_controller",), "no controller 'arm_controller'; loaded are forward_position_controller"),
        ({}, ("controller_manager:=/other/controller_manager",), "No controller manager answers at '/other/contro"),
        ({}, ("tip_frame:=tool0",), "The URDF has no link 'tool0' (tip_frame)"),
        ({}, ("base_frame:=panda_link7",), "No joint moves"),
        ({}, ("joints:=[panda_joint1]",), "it lacks panda_joint2"),
        ({"urdf": "<robot"}, (), "The robot description is not valid XML"),
        ({"urdf": panda_urdf(fingers=True)}, (), "several ends, panda_leftfinger, panda_rightfinger"),
        ({}, ("solver_python:=/nowhere/python",), "The inverse kinematics solver cannot start"),
    ],
)
def test_what_would_not_move_as_told_is_refused_with_what_to_do(
    make_bench: Benches, options: dict, parameters: tuple, words: str
) -> None:
    rig = make(make_bench, "position", *parameters, **options)
    rig.until_not_ready(words)
    rig.drive(0.1, 0, 0, 0, 0, 0, seconds=0.1)
    assert not rig.arm.commands


def test_a_controller_that_would_leave_the_last_velocity_is_warned_of(make_bench: Benches) -> None:
    rig = make(make_bench, "velocity", kind=FORWARD)
    rig.until_ready()
    rig.bench.until_diagnostics("ros2_control_bridge_node", 1, "the hardware keeps the last velocities")


def test_the_controller_is_switched_only_where_that_is_wanted(make_bench: Benches) -> None:
    rig = make(make_bench, "position", "switch_controllers:=true", state="inactive")
    other = ControllerState(name="arm_controller", state="active", claimed_interfaces=["panda_joint1/position"])
    rig.arm.others.append(other)
    rig.until_ready()
    assert rig.arm.switches == [(["forward_position_controller"], ["arm_controller"])]


def test_a_controller_that_somebody_deactivated_is_not_taken_back(
    make_bench: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller_watch, "SWITCH_AGAIN", 0.0)
    rig = make(make_bench, "position", "switch_controllers:=true", state="inactive")
    rig.until_ready()
    switches = list(rig.arm.switches)
    rig.arm.controller.state = "inactive"
    assert "does not activate it again" in rig.until_not_ready("is inactive")
    rig.bench.spin_for(1.5)
    assert rig.arm.switches == switches
    assert not rig.statuses[-1].ready


def test_a_description_that_comes_later_counts_and_the_end_is_to_stand_still(make_bench: Benches) -> None:
    rig = make(make_bench, "velocity", urdf="<robot name='none'/>")
    rig.until_not_ready("The URDF is not a tree")
    rig.describe(panda_urdf())
    rig.until_ready()
    rig.bench.until(
        lambda: rig.send(0.1, 0, 0, 0, 0, 0) or (rig.arm.commands and rig.arm.commands[-1].any()), "it does not move"
    )
    rig.node.close()
    rig.until_not_ready("The bridge to ros2_control was shut down.")
    rig.bench.until(lambda: not rig.arm.commands[-1].any())


def test_without_ros2_controls_messages_it_does_not_start(make_bench: Benches, monkeypatch: pytest.MonkeyPatch) -> None:
    make_bench()
    monkeypatch.setitem(sys.modules, "controller_manager_msgs.srv", None)
    with pytest.raises(StartError, match="sudo apt install ros-"):
        Ros2ControlBridgeNode()


def test_thresholds_that_contradict_each_other_are_refused(make_bench: Benches) -> None:
    make_bench("-p", "ros2_control_bridge_node:max_condition:=10.0")
    with pytest.raises(StartError, match="must be greater than 'max_condition_slow'"):
        Ros2ControlBridgeNode()
