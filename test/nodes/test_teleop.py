"""A human takes the arm over on a graph: topics, frames, joysticks, services."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import pytest
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Joy
from std_msgs.msg import Bool, Float64
from std_srvs.srv import Trigger
from support.node_bench import NodeBench
from support.played_human import PlayedHuman
from support.smoother_rig import Rig, SimulatedTimeRig, publish_frames, transform, velocity
from tf2_ros import StaticTransformBroadcaster

from rt_vla_ros.control.status import State
from rt_vla_ros.nodes.conversions import time_message
from rt_vla_ros.nodes.smoother_node import SmootherNode
from rt_vla_ros.nodes.start_error import StartError


@pytest.fixture
def rig(make_bench: Callable[..., NodeBench]) -> Rig:
    """With patience, for a human in this process, which a busy machine may hold up."""
    return Rig(make_bench("-p", "smoother_node:teleop_timeout:=1.0"))


def resume(rig: Rig) -> Trigger.Response:
    return rig.bench.call(Trigger, "smoother_node/resume")


def test_a_human_takes_over_and_gives_back(rig: Rig) -> None:
    human = PlayedHuman(rig.bench)
    rig.act(period=2.0)
    assert rig.until_state(State.MOVING).commander == "policy"
    assert resume(rig).message == "there was no takeover"
    human.held = True
    status = rig.until_state(State.HUMAN)
    assert (status.commander, status.awaits_resume) == ("human", True)
    rig.bench.until(lambda: abs(velocity(rig.twists[-1])[1] - 0.05) < 1e-4)
    rig.act()
    rig.bench.spin_for(0.1)
    assert rig.statuses[-1].state == State.HUMAN
    refused = resume(rig)
    assert (refused.success, "release it first" in refused.message) == (False, True)
    human.held = False
    rig.bench.until(lambda: rig.statuses[-1].commander == "")
    rig.until_still()
    rig.act()
    rig.bench.spin_for(0.2)
    assert (rig.statuses[-1].state, rig.statuses[-1].awaits_resume) == (State.HUMAN, True)
    assert resume(rig).message == "the policy's next action on a fresh image moves the arm"
    assert not rig.until_state(State.IDLE).awaits_resume
    rig.act(age=0.5)
    rig.bench.spin_for(0.1)
    assert rig.statuses[-1].state == State.IDLE
    rig.act()
    rig.until_state(State.MOVING)


def test_a_stop_counts_while_a_human_commands(rig: Rig) -> None:
    human = PlayedHuman(rig.bench)
    human.held = True
    rig.until_state(State.HUMAN)
    rig.bench.until(lambda: rig.twists and velocity(rig.twists[-1]).any())
    assert "stopped until" in rig.bench.call(Trigger, "smoother_node/stop").message
    rig.until_still()
    rig.bench.call(Trigger, "smoother_node/release")
    assert rig.until_state(State.HUMAN).commander == ""  # although the deadman is still held
    rig.bench.spin_for(0.2)
    assert not velocity(rig.twists[-1]).any()
    human.held = False
    rig.bench.spin_for(0.1)
    human.held = True
    rig.bench.until(lambda: rig.statuses[-1].commander == "human")


def test_a_human_whose_driver_dies_is_a_latched_stop(rig: Rig) -> None:
    human = PlayedHuman(rig.bench)
    human.held = True
    rig.until_state(State.HUMAN)
    rig.bench.until(lambda: rig.twists and velocity(rig.twists[-1]).any())
    human.held = human.velocity = None
    assert "is lost" in rig.until_state(State.STOPPED).reason
    rig.until_still()
    released = rig.bench.call(Trigger, "smoother_node/release")
    assert "the policy's actions have no effect until /smoother_node/resume is called" in released.message
    assert rig.until_state(State.HUMAN).awaits_resume
    rig.act()
    rig.bench.spin_for(0.1)
    assert (rig.statuses[-1].state, rig.statuses[-1].commander) == (State.HUMAN, "")


@pytest.mark.parametrize("fault", ["nan", "stale", "future"])
def test_a_twist_that_cannot_be_used_is_a_latched_stop(rig: Rig, fault: str) -> None:
    human = PlayedHuman(rig.bench)
    human.held = True
    rig.until_state(State.HUMAN)
    if fault == "nan":
        human.velocity = (math.nan, 0, 0, 0, 0, 0)
    else:
        human.age = 3.0 if fault == "stale" else -3.0
    assert "is lost" in rig.until_state(State.STOPPED).reason


def test_two_sticks_are_named_and_stop_where_the_deadman_is_held(rig: Rig) -> None:
    human = PlayedHuman(rig.bench)
    other = rig.bench.add(Node("other"))
    other.create_publisher(TwistStamped, "teleop_twist", 10)
    rig.bench.until(lambda: rig.node._teleop is not None and rig.node._teleop.trouble is not None)
    rig.bench.until_diagnostics("smoother_node", 1, "come from 2 publishers, /other and /world: stop all but one.")
    assert rig.statuses[-1].state == State.IDLE
    human.held = True
    assert "come from 2 publishers" in rig.until_state(State.STOPPED).reason


def test_two_deadmen_are_one_too_many(rig: Rig) -> None:
    human = PlayedHuman(rig.bench)
    rig.bench.add(Node("other")).create_publisher(Bool, "teleop_deadman", 10)
    rig.bench.until(lambda: rig.node._teleop is not None and rig.node._teleop.trouble is not None)
    human.held = True
    assert "The deadman comes from 2 publishers" in rig.until_state(State.STOPPED).reason


def test_a_twist_in_the_axes_of_the_tool_is_turned(rig: Rig) -> None:
    quarter = transform("panda_link0", "tool")
    quarter.transform.rotation.z = quarter.transform.rotation.w = math.sqrt(0.5)
    StaticTransformBroadcaster(rig.bench.world).sendTransform(quarter)
    rig.bench.until(lambda: rig.node.transforms.refuse("tool") is None)
    rig.act(period=2.0)
    rig.until_state(State.MOVING)
    human = PlayedHuman(rig.bench, "tool")
    human.held = True
    rig.bench.until(lambda: np.allclose(velocity(rig.twists[-1]), (-0.05, 0, 0), atol=1e-4))
    assert rig.twists[-1].header.frame_id == "panda_link0"


def test_a_frame_that_tf_does_not_know_moves_nothing(rig: Rig) -> None:
    human = PlayedHuman(rig.bench, "nowhere")
    human.held = True
    assert "TF does not know the frame 'nowhere'" in rig.until_state(State.FAULT).reason
    assert rig.statuses[-1].awaits_resume
    assert not any(velocity(twist).any() for twist in rig.twists)


def test_a_twist_without_a_stamp_or_a_frame_is_taken_in_the_default_frame(rig: Rig) -> None:
    human = PlayedHuman(rig.bench)
    human.velocity = None
    twists, message = rig.bench.publisher(Twist, "teleop_twist_unstamped"), Twist()
    message.linear.z = 0.04
    rig.bench.world.create_timer(0.03, lambda: twists.publish(message))
    rig.bench.spin_for(0.1)
    human.held = True
    rig.bench.until(lambda: rig.twists and abs(velocity(rig.twists[-1])[2] - 0.04) < 1e-4)
    assert rig.twists[-1].header.frame_id == "base_link"


def test_the_gripper_obeys_the_human_while_the_deadman_is_held(rig: Rig) -> None:
    human = PlayedHuman(rig.bench)
    gripper = rig.bench.publisher(Float64, "teleop_gripper")
    gripper.publish(Float64(data=1.0))
    rig.bench.spin_for(0.1)
    assert not rig.grippers
    human.held = True
    rig.until_state(State.HUMAN)
    gripper.publish(Float64(data=math.nan))
    rig.bench.until(lambda: rig.node.messages_dropped)
    gripper.publish(Float64(data=1.0))
    rig.bench.until(lambda: [one.data for one in rig.grippers] == [1.0])


def test_a_gripper_command_that_comes_with_the_deadman_counts(rig: Rig) -> None:
    human = PlayedHuman(rig.bench)
    gripper = rig.bench.publisher(Float64, "teleop_gripper")
    rig.bench.until(gripper.get_subscription_count)
    rig.bench.spin_for(0.1)
    human.held = True
    human.say()
    gripper.publish(Float64(data=1.0))
    time.sleep(0.05)  # both wait
    rig.bench.until(lambda: [one.data for one in rig.grippers] == [1.0])


def test_the_policys_deadman_does_not_bar_a_human(make_bench: Callable[..., NodeBench]) -> None:
    rig = Rig(make_bench("-p", "smoother_node:deadman_timeout:=0.3"))
    rig.act()
    assert "deadman switch is not held" in rig.until_state(State.FAULT).reason
    human = PlayedHuman(rig.bench)
    human.held = True
    rig.until_state(State.HUMAN)
    rig.bench.until(lambda: rig.twists and velocity(rig.twists[-1]).any())


def test_an_arm_that_is_not_ready_bars_a_human(make_bench: Callable[..., NodeBench]) -> None:
    rig = Rig(make_bench("-p", "smoother_node:require_arm_status:=true"))
    human = PlayedHuman(rig.bench)
    human.held = True
    reason = rig.until_state(State.FAULT).reason
    assert reason.startswith("No arm status received")
    assert "Release the teleoperation deadman and hold it again." in reason
    assert not any(velocity(twist).any() for twist in rig.twists)


def test_nobody_takes_over_where_teleoperation_is_off(make_bench: Callable[..., NodeBench]) -> None:
    rig = Rig(make_bench("-p", "smoother_node:teleop_timeout:=0.0"))
    assert rig.node.count_subscribers("teleop_twist") == 0
    assert resume(rig).message == "there was no takeover"


def test_a_stick_that_is_its_own_deadman_takes_over_by_its_motion(make_bench: Callable[..., NodeBench]) -> None:
    rig = Rig(make_bench("-p", "smoother_node:teleop_deadman:=motion"))
    rig.act(period=2.0)
    rig.until_state(State.MOVING)
    twists, message = rig.bench.publisher(Twist, "teleop_twist_unstamped"), Twist()
    rig.bench.world.create_timer(0.03, lambda: twists.publish(message))
    rig.bench.spin_for(0.2)
    assert rig.statuses[-1].state == State.MOVING
    message.angular.z = 0.3
    rig.until_state(State.HUMAN)
    message.angular.z = 0.0
    rig.bench.until(lambda: rig.statuses[-1].commander == "")
    assert rig.statuses[-1].state == State.HUMAN


class Gamepad:
    """As joy_node tells it, again and again."""

    def __init__(self, rig: Rig) -> None:
        self.axes, self.buttons = [0.0] * 8, [0] * 11
        self._node, self._publisher = rig.bench.world, rig.bench.publisher(Joy, "joy")
        self.age = 0.0
        self.timer = rig.bench.world.create_timer(0.03, self._say)
        rig.bench.spin_for(0.1)

    def _say(self) -> None:
        message = Joy(axes=self.axes, buttons=self.buttons)
        message.header.stamp = time_message(self._node.get_clock().now().nanoseconds - round(self.age * 1e9))
        message.header.frame_id = "joy"
        self._publisher.publish(message)


@pytest.fixture
def pad_rig(make_bench: Callable[..., NodeBench]) -> Rig:
    return Rig(make_bench("-p", "smoother_node:joy_map:=gamepad"))


def test_a_gamepad_takes_over_closes_the_gripper_gives_back_and_stops(pad_rig: Rig) -> None:
    rig, pad = pad_rig, Gamepad(pad_rig)
    rig.act(period=2.0)
    rig.until_state(State.MOVING)
    pad.buttons[4], pad.axes[1] = 1, 1.0
    rig.until_state(State.HUMAN)
    rig.bench.until(lambda: abs(velocity(rig.twists[-1])[0] - 0.1) < 1e-4)
    pad.buttons[0] = 1
    rig.bench.until(lambda: [one.data for one in rig.grippers][-1:] == [1.0])
    pad.buttons[4] = pad.buttons[0] = 0
    rig.bench.until(lambda: rig.statuses[-1].commander == "")
    rig.bench.spin_for(0.1)
    pad.buttons[7] = 1
    rig.until_state(State.IDLE)
    pad.buttons[6] = 1
    assert rig.until_state(State.STOPPED).reason == "The stop button of the joystick was pressed."


@pytest.mark.parametrize("fault", ["silent", "stale", "nan"])
def test_a_gamepad_that_is_lost_is_a_latched_stop(pad_rig: Rig, fault: str) -> None:
    rig, pad = pad_rig, Gamepad(pad_rig)
    pad.buttons[4], pad.axes[1] = 1, 1.0
    rig.until_state(State.HUMAN)
    if fault == "silent":
        pad.timer.cancel()
    elif fault == "stale":
        pad.age = 1.0
    else:
        pad.axes[1] = math.nan
    assert "is lost" in rig.until_state(State.STOPPED).reason


def test_a_press_that_is_old_does_not_give_the_arm_back(pad_rig: Rig) -> None:
    rig, pad = pad_rig, Gamepad(pad_rig)
    pad.buttons[4] = 1
    rig.until_state(State.HUMAN)
    pad.buttons[4] = 0
    rig.bench.until(lambda: rig.statuses[-1].commander == "")
    pad.age, pad.buttons[7] = 30.0, 1
    rig.bench.spin_for(0.2)
    assert rig.statuses[-1].awaits_resume
    assert rig.node.messages_dropped
    pad.age, pad.buttons[7] = 0.0, 0
    rig.bench.spin_for(0.1)
    pad.buttons[7] = 1
    rig.until_state(State.IDLE)


def test_what_waited_while_the_smoother_was_held_up_is_not_done_one_by_one(pad_rig: Rig) -> None:
    rig, pad = pad_rig, Gamepad(pad_rig)
    pad.timer.cancel()
    for button in (4, 4, 0, 7, 0, 6, 0):  # of what came meanwhile, only the last and a stop count
        pad.buttons = [0] * 11
        pad.buttons[button] = 1
        pad._say()
    time.sleep(0.05)
    assert rig.until_state(State.STOPPED).reason == "The stop button of the joystick was pressed."
    assert not rig.statuses[-1].awaits_resume


def test_a_joystick_that_does_not_fit_its_map_is_named(pad_rig: Rig) -> None:
    pad = Gamepad(pad_rig)
    pad.axes = [0.0, 0.0]
    pad_rig.bench.until_diagnostics("smoother_node", 1, "The joystick has 2 axes and 11 buttons, but the map needs 8")


def test_a_map_that_is_not_there_ends_the_start(make_bench: Callable[..., NodeBench]) -> None:
    make_bench("-p", "smoother_node:joy_map:=gamepda")
    with pytest.raises(
        StartError, match=r"joy_map is 'gamepda', expected an existing file or one of gamepad, spacemouse"
    ):
        SmootherNode()


def test_a_dry_run_does_not_give_the_arm_back(rig: Rig) -> None:
    human = PlayedHuman(rig.bench)
    human.held = True
    rig.until_state(State.HUMAN)
    human.held = False
    rig.bench.until(lambda: rig.statuses[-1].commander == "")
    rig.node.set_parameters([Parameter("dry_run", value=True)])
    rig.bench.until(lambda: rig.statuses[-1].dry_run)
    assert rig.statuses[-1].awaits_resume
    assert "except for the takeover" in rig.bench.call(Trigger, "smoother_node/reset").message
    rig.bench.spin_for(0.1)
    assert rig.statuses[-1].awaits_resume


def test_a_resume_says_what_is_still_in_the_way(make_bench: Callable[..., NodeBench]) -> None:
    given = ("smoother_node:teleop_timeout:=1.0", "smoother_node:deadman_timeout:=0.5", "smoother_node:dry_run:=true")
    rig = Rig(make_bench(*(word for one in given for word in ("-p", one))))
    human = PlayedHuman(rig.bench)
    human.held = True
    rig.until_state(State.HUMAN)
    human.held = False
    rig.bench.until(lambda: rig.statuses[-1].commander == "")
    rig.bench.spin_for(0.2)
    answer = resume(rig)
    assert answer.success
    assert ", once this is resolved: " in answer.message
    assert "The deadman switch is not held" in answer.message
    assert "This is a dry run" in answer.message
    rig.bench.call(Trigger, "smoother_node/stop")
    assert ", once this is resolved: The deadman switch" in rig.bench.call(Trigger, "smoother_node/release").message


def test_a_takeover_outlives_a_smoother_that_is_killed(rig: Rig) -> None:
    human = PlayedHuman(rig.bench)
    human.held = True
    rig.until_state(State.HUMAN)
    human.held = False
    rig.bench.until(lambda: rig.statuses[-1].commander == "")
    session = rig.statuses[-1].session
    rig.bench.kill(rig.node)
    rig.statuses.clear()
    rig.node = rig.bench.add(SmootherNode())
    publish_frames(rig.bench, rig.node)
    rig.bench.until(lambda: rig.statuses and rig.statuses[-1].session == rig.node._session)
    rig.statuses[:] = [status for status in rig.statuses if status.session != session]  # what the killed one had said
    status = rig.statuses[0]
    assert (status.awaits_resume, status.session != session) == (True, True)
    assert status.reason.startswith("A human took over before this start. (since 2")
    rig.bench.until(lambda: rig.policy.get_subscription_count())
    rig.act()
    rig.bench.spin_for(0.2)
    assert {status.state for status in rig.statuses} == {State.HUMAN}
    assert resume(rig).success
    rig.act()
    rig.until_state(State.MOVING)


def test_in_simulated_time_a_command_counts_when_it_comes(make_bench: Callable[..., NodeBench]) -> None:
    rig = SimulatedTimeRig(make_bench("-p", "smoother_node:use_sim_time:=true"))
    deadman, twists = rig.bench.publisher(Bool, "teleop_deadman"), rig.bench.publisher(TwistStamped, "teleop_twist")
    for held in (False, True):
        deadman.publish(Bool(data=held))
        rig.bench.spin_for(0.05)
    message = TwistStamped()
    message.header.stamp, message.header.frame_id = time_message(10 * 10**9), "panda_link0"
    message.twist.linear.x = 0.1
    twists.publish(message)
    rig.bench.until(lambda: rig.statuses[-1].action_stamp.sec == 10)
    assert rig.statuses[-1].commander == "human"
