"""The bridges to arms and grippers as managed nodes: while one is not active nothing goes through it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from std_msgs.msg import Float64, Float64MultiArray
from std_srvs.srv import SetBool
from support.node_bench import NodeBench
from support.servo_rig import ServoRig
from support.servo_stand_in import StandInServo

from rt_vla_ros.control.status import State
from rt_vla_ros.nodes.gripper_bridge_node import GripperBridgeNode
from rt_vla_ros.nodes.ros2_control_bridge_node import Ros2ControlBridgeNode

WARN = 1
Benches = Callable[..., NodeBench]


def change(bench: NodeBench, node: str, label: str) -> None:
    assert bench.call(ChangeState, f"{node}/change_state", transition=Transition(label=label)).success


def enable(bench: NodeBench, node: str, *, wanted: bool) -> None:
    assert bench.call(SetBool, f"{node}/enable", data=wanted).success


def test_servo_is_told_nothing_before_the_bridge_is_active(make_bench: Benches) -> None:
    bench = make_bench("-p", "servo_bridge_node:autostart:=false")
    servo = StandInServo()
    rig = ServoRig(bench, servo=servo)
    rig.until_said("`ros2 lifecycle set /servo_bridge_node configure`")
    rig.smooth(State.MOVING, commanding=True)
    rig.bench.spin_for(0.5)
    assert servo.kind != 1, "the handshake was made"
    heard = len(rig.statuses)
    rig.bench.spin_for(0.5)
    assert len(rig.statuses) - heard >= 5, "the smoother takes an arm that is silent for one that is gone"
    change(rig.bench, "servo_bridge_node", "configure")
    rig.until_said("The bridge to Servo is disabled; call /servo_bridge_node/enable to execute velocities.")
    change(rig.bench, "servo_bridge_node", "activate")
    rig.until_ready()
    assert servo.kind == 1


def test_a_bridge_to_servo_that_is_deactivated_pauses_it_and_leaves_it_alone(bench: NodeBench) -> None:
    servo = StandInServo()
    rig = ServoRig(bench, servo=servo)
    rig.until_ready()
    rig.smooth(State.MOVING, commanding=True)
    enable(bench, "servo_bridge_node", wanted=False)
    rig.until_said("The bridge to Servo is disabled")
    bench.until(lambda: servo.paused, "it is not paused")
    rig.bench.until_diagnostics("servo_bridge_node", WARN, "The bridge to Servo is disabled")
    servo.paused = False  # somebody else wakes it
    rig.smooth(State.IDLE)
    rig.smooth(State.MOVING, commanding=True)
    bench.spin_for(0.5)
    assert not servo.paused
    enable(bench, "servo_bridge_node", wanted=True)
    rig.until_ready()


def test_a_gripper_does_not_move_while_its_bridge_is_not_active(make_bench: Benches) -> None:
    words = ("kind:=topic", "server:=hand/commands", "autostart:=false")
    bench = make_bench(*(word for one in words for word in ("-p", f"gripper_bridge_node:{one}")))
    goals = bench.listen(Float64MultiArray, "hand/commands")
    bench.add(GripperBridgeNode())
    wishes = bench.publisher(Float64, "gripper_command")
    bench.until(wishes.get_subscription_count)
    bench.until_diagnostics("gripper_bridge_node", WARN, "`ros2 lifecycle set /gripper_bridge_node configure`")
    wishes.publish(Float64(data=1.0))
    for label in ("configure", "activate"):
        bench.spin_for(0.2)
        change(bench, "gripper_bridge_node", label)
    bench.spin_for(0.3)
    assert not goals, "a wish from before it was active is carried out"
    wishes.publish(Float64(data=1.0))
    bench.until(lambda: goals)
    enable(bench, "gripper_bridge_node", wanted=False)
    bench.until_diagnostics("gripper_bridge_node", WARN, "The gripper's bridge is disabled")
    wishes.publish(Float64(data=0.0))
    bench.spin_for(0.3)
    enable(bench, "gripper_bridge_node", wanted=True)
    bench.spin_for(0.3)
    assert len(goals) == 1


def test_an_arm_of_ros2_control_stands_still_at_once_and_its_controller_is_left_alone(make_bench: Benches) -> None:
    pytest.importorskip("pinocchio")
    from support.played_ros2_control import BridgeRig

    words = ("command_interface:=velocity", "controller:=forward_velocity_controller", "switch_controllers:=true")
    given = (*words, "command_rate:=50.0", "autostart:=false")
    bench = make_bench(*(word for one in given for word in ("-p", f"ros2_control_bridge_node:{one}")))
    rig = BridgeRig(bench, "velocity", state="inactive")
    rig.until_not_ready("`ros2 lifecycle set /ros2_control_bridge_node configure`")
    bench.until(lambda: rig.node.commander is not None)
    rig.drive(0.1, 0, 0, 0, 0, 0)
    bench.spin_for(1.5)
    assert (rig.arm.switches, rig.arm.commands) == ([], [])
    for label in ("configure", "activate"):
        change(bench, "ros2_control_bridge_node", label)
    rig.until_ready()
    bench.until(
        lambda: rig.send(0.1, 0, 0, 0, 0, 0) or (rig.arm.commands and rig.arm.commands[-1].any()), "it does not move"
    )
    enable(bench, "ros2_control_bridge_node", wanted=False)
    bench.until(lambda: not rig.arm.commands[-1].any(), "it goes on")
    rig.until_not_ready("The bridge to ros2_control is disabled; call /ros2_control_bridge_node/enable")
    rig.drive(0.1, 0, 0, 0, 0, 0, seconds=0.2)
    assert not rig.arm.commands[-1].any()
    enable(bench, "ros2_control_bridge_node", wanted=True)
    rig.until_ready()


def test_a_solver_that_was_given_up_has_another_chance_when_the_bridge_is_enabled_again(
    make_bench: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pinocchio")
    from support.played_ros2_control import BridgeRig

    bench = make_bench("-p", "ros2_control_bridge_node:command_rate:=50.0", "-p", "solver_python:=/nowhere/python")
    rig = BridgeRig(bench, "position")
    said = rig.until_not_ready("The inverse kinematics solver cannot start")
    assert "After fixing this, disable and enable the bridge (its ~/enable)." in said
    node: Ros2ControlBridgeNode = rig.node
    object.__setattr__(node._commander_settings, "solver_python", "")
    enable(bench, "ros2_control_bridge_node", wanted=False)
    enable(bench, "ros2_control_bridge_node", wanted=True)
    rig.until_ready()
