"""The bridge to Servo on a graph, with a Servo and a smoother that are played."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import rclpy
from geometry_msgs.msg import TwistStamped
from std_msgs.msg import String
from std_srvs.srv import SetBool
from support.node_bench import NodeBench
from support.servo_rig import ServoRig
from support.servo_stand_in import StandInServo

from rt_vla_ros.control.status import State

ERROR, WARN, OK = 2, 1, 0
SOON = 0.5


@pytest.fixture
def rig(bench: NodeBench) -> ServoRig:
    made = ServoRig(bench, servo=StandInServo())
    made.until_ready()
    return made


def servo_of(rig: ServoRig) -> StandInServo:
    assert rig.servo is not None
    return rig.servo


def test_it_makes_the_handshake_and_is_ready(rig: ServoRig) -> None:
    assert servo_of(rig).kind == 1
    assert not servo_of(rig).paused
    rig.bench.until_diagnostics("servo_bridge_node", OK, "Servo executes velocities.")
    assert rig.statuses[-1].header.stamp.sec > 0


def test_it_is_heard_often_enough(rig: ServoRig) -> None:
    """The smoother takes an older one than 0.25 s for none."""
    heard = len(rig.statuses)
    rig.bench.spin_for(1.0)
    assert len(rig.statuses) - heard >= 15


def test_without_a_servo_it_says_how_to_start_one(bench: NodeBench) -> None:
    rig = ServoRig(bench, servo=None)
    rig.until_said("No MoveIt Servo: the service '/servo_node/switch_command_type' is not available.")
    servo = bench.add(StandInServo())
    rig.until_ready()
    assert servo.kind == 1


def test_a_servo_of_another_name(make_bench: Callable[..., NodeBench]) -> None:
    rig = ServoRig(make_bench("-p", "servo_bridge_node:servo_node:=/left_servo"), servo=StandInServo("left_servo"))
    rig.until_ready()


def test_a_servo_that_was_started_again_gets_its_handshake_again(rig: ServoRig) -> None:
    rig.bench.kill(rig.servo)
    rig.until_said("No MoveIt Servo")
    rig.servo = rig.bench.add(StandInServo())
    rig.until_ready()
    assert rig.servo.kind == 1


def test_a_servo_that_refuses_velocities_is_told_of(bench: NodeBench) -> None:
    servo = StandInServo()
    servo.refuses = True
    rig = ServoRig(bench, servo=servo)
    rig.until_said("did not accept TWIST")
    servo.refuses = False
    rig.until_ready()


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"command_in_type": "unitless"}, "`command_in_type: speed_units`"),
        ({"smoothing_filter_plugin_name": "online_signal_smoothing::ButterworthFilterPlugin"}, "57%"),
        ({"scale__linear": 0.2}, "`scale: {linear: 0.3}`"),
        ({"scale__rotational": 0.8}, "`scale: {rotational: 1}`"),
        ({"incoming_command_timeout": 0.03}, "`incoming_command_timeout: 0.1`"),
    ],
)
def test_settings_that_falsify_distances_are_refused(bench: NodeBench, changed: dict[str, Any], line: str) -> None:
    rig = ServoRig(bench, servo=StandInServo(**changed))
    rig.until_said(line)
    rig.bench.until_diagnostics("servo_bridge_node", ERROR, line)


def test_a_setting_that_was_put_right_is_noticed(bench: NodeBench) -> None:
    servo = StandInServo(scale__linear=0.2)
    rig = ServoRig(bench, servo=servo)
    rig.until_said("scale.linear")
    servo.set_parameters([rclpy.parameter.Parameter("moveit_servo.scale.linear", value=0.5)])
    rig.until_ready()


@pytest.mark.parametrize("state", [State.MOVING, State.HUMAN])
def test_a_setting_that_was_made_wrong_is_noticed_when_a_motion_begins(rig: ServoRig, state: State) -> None:
    servo_of(rig).set_parameters([rclpy.parameter.Parameter("moveit_servo.scale.linear", value=0.05)])
    rig.bench.spin_for(0.1)
    rig.smooth(state, commanding=True)
    assert rig.until_said("clips velocities at 0.05 m/s") < SOON


def test_a_human_who_commands_once_more_gets_the_handshake_again(rig: ServoRig) -> None:
    rig.smooth(State.HUMAN, commander="human", commanding=True)
    rig.bench.spin_for(0.2)
    rig.smooth(State.HUMAN)
    rig.bench.spin_for(0.2)
    before = servo_of(rig).handshakes
    rig.smooth(State.HUMAN, commander="human", commanding=True)
    rig.bench.until(lambda: servo_of(rig).handshakes > before, "somebody else may have taken another type of command")


def test_without_the_smoothers_limits_nothing_is_ready(bench: NodeBench) -> None:
    rig = ServoRig(bench, servo=StandInServo(), limits=False)
    rig.until_said("The smoother's parameters cannot be read: no answer from '/smoother_node/get_parameters'")


def test_on_demand_nothing_is_checked_and_that_is_said(make_bench: Callable[..., NodeBench]) -> None:
    rig = ServoRig(
        make_bench("-p", "servo_bridge_node:check_servo_parameters:=false"),
        servo=StandInServo(scale__linear=0.01),
        limits=False,
    )
    rig.until_ready()
    rig.bench.until_diagnostics("servo_bridge_node", WARN, "Servo's parameters are not checked")


@pytest.mark.parametrize("state", [State.TERMINATED, State.STOPPED, State.FAULT])
def test_servo_is_paused_where_the_arm_rests_and_that_is_no_problem(rig: ServoRig, state: State) -> None:
    rig.keep_on(state, lambda: servo_of(rig).paused)
    heard = len(rig.statuses)
    rig.bench.spin_for(0.6)
    assert all(status.ready for status in rig.statuses[heard:])
    rig.bench.until_diagnostics("servo_bridge_node", OK, "Servo is paused until it is needed.")


def test_servo_is_woken_by_an_instruction_or_by_the_motion_itself(rig: ServoRig) -> None:
    rig.keep_on(State.TERMINATED, lambda: servo_of(rig).paused)
    rig.instructions.publish(String(data=" "))
    rig.bench.spin_for(0.1)
    assert servo_of(rig).paused
    rig.instructions.publish(String(data="pick up the red cube"))
    rig.bench.until(lambda: not servo_of(rig).paused)
    rig.keep_on(State.STOPPED, lambda: servo_of(rig).paused)
    rig.instructions.publish(String(data="pick up the red cube"))
    rig.bench.spin_for(0.1)
    assert servo_of(rig).paused
    rig.smooth(State.MOVING, commanding=True)
    rig.bench.until(lambda: not servo_of(rig).paused)
    assert rig.statuses[-1].ready


def test_a_smoother_that_is_gone_lets_servo_rest(rig: ServoRig) -> None:
    rig.smooth(State.MOVING, commanding=True)
    rig.bench.until(lambda: servo_of(rig).paused)


def test_a_servo_that_does_not_wake_ends_the_motion(rig: ServoRig) -> None:
    rig.keep_on(State.TERMINATED, lambda: servo_of(rig).paused)
    servo_of(rig).refuses = True
    rig.smooth(State.MOVING, commanding=True)
    assert rig.until_said("Servo does not unpause: no answer from '/servo_node/pause_servo'.") < SOON


def test_a_pause_by_somebody_else_ends_the_motion_and_is_not_undone(rig: ServoRig) -> None:
    rig.smooth(State.MOVING, commanding=True)
    rig.bench.spin_for(0.1)
    rig.bench.call(SetBool, "servo_node/pause_servo", data=True)
    assert rig.until_said("It was paused by another client") < SOON
    rig.keep_on(State.FAULT, lambda: len(rig.statuses) > 100)
    rig.instructions.publish(String(data="pick up the red cube"))
    rig.bench.spin_for(0.2)
    assert servo_of(rig).paused
    assert not rig.statuses[-1].ready
    rig.bench.call(SetBool, "servo_node/pause_servo", data=False)
    rig.until_ready()


def test_a_servo_that_waits_for_joint_states_is_not_ready(bench: NodeBench) -> None:
    servo = StandInServo()
    servo.waits = True
    rig = ServoRig(bench, servo=servo)
    rig.until_said("it waits for joint states")
    servo.waits = False
    rig.until_ready()


def test_a_halt_is_told_at_once_and_readiness_comes_back(rig: ServoRig) -> None:
    servo = servo_of(rig)
    for _ in range(20):
        rig.smooth(State.MOVING, commanding=True)
        rig.bench.spin_for(0.02)
    servo._code = 2
    begun = time.monotonic()
    rig.until_said("singularity (status 2)")
    assert time.monotonic() - begun < SOON
    rig.smooth(State.FAULT, commanding=True)
    servo._code = 0  # as the velocities of zero at the end of every stop make it
    rig.until_ready()


def test_a_slow_down_is_a_warning(rig: ServoRig) -> None:
    servo_of(rig)._code = 4
    rig.bench.until_diagnostics("servo_bridge_node", WARN, "near a collision")
    rig.bench.until(lambda: rig.statuses[-1].ready and "near a collision" in rig.statuses[-1].reason)


def test_its_last_word_is_that_it_is_gone(rig: ServoRig) -> None:
    rig.node.close()
    rig.bench.until(lambda: rig.said == "The bridge to Servo was shut down.")


def test_a_failing_callback_is_told(rig: ServoRig, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ValueError("nothing works")

    monkeypatch.setattr(rig.node._link, "look_at_graph", fail)
    rig.until_said("The bridge to Servo has a fault")


def test_a_servo_that_two_publish_velocities_for_is_paused_and_both_are_named(rig: ServoRig) -> None:
    rig.until_ready()
    for name in ("smoother", "teleop_tool"):
        rig.bench.add(rclpy.create_node(name)).create_publisher(TwistStamped, "/servo_node/delta_twist_cmds", 10)
    rig.until_said("has 2 publishers, /smoother and /teleop_tool, and nothing moves until there is only one")
    rig.bench.until(lambda: rig.node._link.pause.taken is True)
