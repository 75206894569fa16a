"""The smoother node on a graph: what it sends, when it stops, what it says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped, TwistStamped
from rclpy.clock import ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.msg import ControllerStatus
from std_srvs.srv import Trigger
from support.actions import action
from support.node_bench import NodeBench
from support.smoother_rig import Rig, SimulatedTimeRig, publish_frames, transform, velocity
from tf2_msgs.msg import TFMessage
from tf2_ros import StaticTransformBroadcaster

from rt_vla_ros.control.status import State
from rt_vla_ros.nodes import diagnostics
from rt_vla_ros.nodes.conversions import chunk_message, nanoseconds
from rt_vla_ros.nodes.smoother_node import SmootherNode
from rt_vla_ros.nodes.start_error import StartError

OK, WARN, ERROR = 0, 1, 2


@pytest.fixture
def rig(bench: NodeBench) -> Rig:
    return Rig(bench)


def test_before_an_action_it_says_that_it_waits_and_sends_nothing(rig: Rig) -> None:
    rig.bench.until(lambda: len(rig.statuses) > 10)
    assert not rig.twists
    assert (rig.statuses[-1].state, rig.statuses[-1].reason) == (State.IDLE, "No action received yet.")
    rig.bench.until_diagnostics("smoother_node", OK, "No action received yet.")


def test_an_action_in_a_frame_that_tf_does_not_know_is_a_fault(rig: Rig) -> None:
    rig.act(frame="panda_link8")
    status = rig.until_state(State.FAULT)
    assert status.reason.startswith("TF does not know the frame 'panda_link8' of the actions; known frames: base_link")
    assert "Did you mean 'panda_link0'?" in status.reason
    assert nanoseconds(status.refused_stamp) > 0
    assert not rig.twists
    rig.act(frame="base_link")
    rig.until_state(State.MOVING)


def test_the_first_action_waits_for_a_frame_that_tf_tells_a_moment_later(rig: Rig) -> None:
    rig.act(frame="tool0")
    rig.bench.until(lambda: rig.node._first._kept is not None)
    StaticTransformBroadcaster(rig.bench.world).sendTransform(transform("panda_link0", "tool0"))
    rig.until_state(State.MOVING)
    assert all(status.state != State.FAULT for status in rig.statuses)


def test_a_stop_drops_an_action_that_waits_for_tf(rig: Rig) -> None:
    rig.act(frame="tool0")
    rig.bench.until(lambda: rig.node._first._kept is not None)
    rig.bench.call(Trigger, "smoother_node/stop")
    StaticTransformBroadcaster(rig.bench.world).sendTransform(transform("panda_link0", "tool0"))
    rig.bench.until(lambda: rig.node.transforms.refuse("tool0") is None)
    rig.bench.call(Trigger, "smoother_node/release")
    rig.until_state(State.IDLE)
    assert rig.node._first._kept is None
    assert not any(velocity(twist).any() for twist in rig.twists)


def test_a_transform_that_cannot_be_is_ignored(rig: Rig) -> None:
    broken = transform("panda_link0", "broken")
    broken.transform.rotation.w = 0.0
    rig.bench.publisher(TFMessage, "/tf").publish(
        TFMessage(transforms=[broken, transform("loop", "loop"), transform("panda_link0", "good")])
    )
    rig.bench.until(lambda: rig.node.transforms.refuse("good") is None)


def test_walls_and_actions_in_another_frame_are_a_fault(make_bench: Callable[..., NodeBench]) -> None:
    """Here one that moves with the tip, which is behind the wall already."""
    rig = Rig(make_bench(*WALLS))
    transforms = rig.bench.publisher(TFMessage, "/tf", 100)

    def publish_arm() -> bool:
        flange, tip = transform("panda_link0", "flange"), transform("flange", "tip")
        flange.header.stamp = tip.header.stamp = rig.node.get_clock().now().to_msg()
        flange.transform.translation.z = 0.6
        transforms.publish(TFMessage(transforms=[flange, tip]))
        return rig.node.transforms.refuse("tip") is None

    rig.bench.until(publish_arm)
    publish_arm()
    rig.act(frame="flange", translation=(0, 0, 0.04))
    rig.bench.until(lambda: "but the actions are in 'flange'" in rig.statuses[-1].reason)
    assert rig.statuses[-1].state == State.FAULT
    assert not any(velocity(twist).any() for twist in rig.twists)


def test_an_action_becomes_fresh_velocities_in_its_frame(rig: Rig) -> None:
    stamp_ns = rig.act(translation=(0.0, 0.04, 0.0), gripper=1.0)
    rig.until_state(State.HOLDING)
    moving = [t for t in rig.twists if velocity(t).any()]
    assert len(moving) >= 8
    assert all(t.header.frame_id == "panda_link0" for t in moving)
    stamps = [nanoseconds(t.header.stamp) for t in moving]
    assert stamps == sorted(stamps)
    assert stamps[0] >= stamp_ns
    assert max(velocity(t)[1] for t in moving) > 0.17
    # What a busy machine makes late is made up for by faster ticks; the way is what was asked for.
    times = [nanoseconds(t.header.stamp) / 1e9 for t in rig.twists]
    way = sum(velocity(t)[1] * (after - at) for t, at, after in zip(rig.twists, times, times[1:], strict=False))
    assert way == pytest.approx(0.04, abs=0.004)
    assert all(velocity(t)[0] == 0 for t in moving)
    assert [g.data for g in rig.grippers] == [1.0]
    assert nanoseconds(rig.statuses[-1].action_stamp) == pytest.approx(stamp_ns, abs=1000)
    assert sum(s.gripper_commanded for s in rig.statuses) == 1


def test_a_silent_policy_is_a_fault_and_the_arm_stands_still(rig: Rig) -> None:
    rig.act()
    status = rig.until_state(State.FAULT)
    assert status.reason == "The policy has been silent for more than 1 s."
    rig.until_still()
    rig.bench.until_diagnostics("smoother_node", ERROR, "The policy has been silent")


@pytest.mark.parametrize("arguments", [(), ("-r", "action:=/shared/action")])
def test_a_policy_that_left_the_graph_is_noticed_before_its_silence(
    make_bench: Callable[..., NodeBench], arguments: tuple[str, ...]
) -> None:
    rig = Rig(make_bench(*arguments))
    rig.act(period=0.9)
    rig.until_state(State.MOVING)
    rig.bench.spin_for(0.3)
    assert rig.statuses[-1].state == State.MOVING
    rig.bench.world.destroy_publisher(rig.policy)
    status = rig.until_state(State.FAULT)
    assert status.reason == "The policy is gone: no node publishes actions any more."


@pytest.mark.parametrize(
    ("publisher", "state", "reason"),
    [
        ("/dying/policy_node#1", State.FAULT, "The policy is gone: /dying/policy_node publishes no actions any more."),
        ("/beyond/a/bridge#1", State.MOVING, ""),  # the graph never had it: it may be there still
    ],
)
def test_a_followed_policy_that_left_is_noticed_though_others_publish_actions(
    rig: Rig, publisher: str, state: State, reason: str
) -> None:
    dying = rig.bench.add(Node("policy_node", namespace="/dying"))
    actions = dying.create_publisher(ChunkMsg, "/action", 10)
    rig.bench.until(lambda: len(rig.node._sources.several()) == 2)
    rig.act(period=2.0, publisher=publisher, request=1)
    rig.until_state(State.MOVING)
    rig.bench.spin_for(0.3)
    assert rig.statuses[-1].state == State.MOVING
    dying.destroy_publisher(actions)
    rig.bench.until(lambda: len(rig.node._sources.names()) == 1)
    rig.bench.spin_for(0.2)
    assert rig.statuses[-1].state == state
    assert reason in rig.statuses[-1].reason


def test_a_second_publisher_of_actions_is_named_until_it_is_gone(
    make_bench: Callable[..., NodeBench], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnostics, "STARTING", 0.0)
    rig = Rig(make_bench("-r", "action:=/shared/action"))
    other = rig.bench.add(Node("policy_node", namespace="/other"))
    rival = other.create_publisher(ChunkMsg, "action", 10)
    sentence = "Actions have 2 publishers, /other/policy_node and /world: the one whose request runs is followed,"
    rig.bench.until_diagnostics("smoother_node", WARN, sentence)
    other.destroy_publisher(rival)
    rig.bench.until_diagnostics("smoother_node", OK, "No action received yet.")
    other.create_publisher(ChunkMsg, "action", 10)
    rig.bench.until_diagnostics("smoother_node", WARN, sentence)
    rig.bench.spin_for(0.3)
    assert "".join(capfd.readouterr()).count(sentence) == 1


def test_of_two_publishers_the_one_whose_request_runs_is_followed(rig: Rig) -> None:
    other = rig.bench.add(Node("policy_node", namespace="/other"))
    rival = other.create_publisher(ChunkMsg, "/action", 10)
    rig.bench.until(lambda: rival.get_subscription_count() > 0)
    rig.bench.until(lambda: len(rig.node._sources.several()) == 2)
    for _ in range(8):
        rig.act(translation=(0.02, 0, 0), publisher="/world#1", request=1)
        message = chunk_message(action((0, 0.02, 0)), rig.node.get_clock().now().nanoseconds, "panda_link0", 0)
        message.publisher, message.request = "/other/policy_node#2", 1
        rival.publish(message)
        message.terminate = True
        rival.publish(message)
        rig.bench.spin_for(0.1)
    assert rig.statuses[-1].state == State.MOVING
    assert any(velocity(twist)[0] > 0.05 for twist in rig.twists)
    assert not any(velocity(twist)[1] for twist in rig.twists)
    rig.bench.until_diagnostics("smoother_node", WARN, "the actions of /other/policy_node are refused.")
    rig.act(publisher="/world#1", request=1)
    status = rig.until_state(State.MOVING)
    assert (status.followed_publisher, status.followed_request) == ("/world#1", 1)
    assert [(one.publisher, one.request) for one in status.refused] == [("/other/policy_node#2", 1)]
    assert status.refused[0].reason.startswith("The arm follows /world: the actions of /other/policy_node are refused.")
    rig.act()  # does not say who it is
    assert "this one is unnamed" in rig.until_state(State.FAULT).reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"translation": (np.nan, 0, 0)}, "The action holds a non-finite value."),
        ({"translation": (3.0, 0, 0)}, "The action translates 3 m, more than max_translation (0.15 m)."),
        ({"frame": ""}, "The action has no frame_id."),
        ({"age": 5.0}, "s old, more than max_action_age (1 s)."),
        ({"age": -5.0}, "s in the future: the clocks of camera and controller differ."),
    ],
)
def test_a_bad_action_moves_nothing(rig: Rig, changes: dict[str, Any], reason: str) -> None:
    rig.act(**changes)
    assert reason in rig.until_state(State.FAULT).reason
    rig.bench.until_diagnostics("smoother_node", ERROR, reason)
    assert not any(velocity(t).any() for t in rig.twists)
    rig.act()
    rig.until_state(State.MOVING)


@pytest.mark.parametrize("changes", [{"frame": "x" * 10_000_000}, {"terminate": True, "plan": "x" * 10_000_000}])
def test_of_what_is_too_long_only_the_beginning_is_told(rig: Rig, changes: dict[str, Any]) -> None:
    rig.act(**changes)
    rig.bench.until(lambda: rig.statuses[-1].state in (State.FAULT, State.TERMINATED))
    assert len(rig.statuses[-1].reason) <= 1000


def test_an_arm_that_nobody_drives_any_more_is_told_of(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = "No subscriber for the velocities on '/delta_twist_cmds': is the arm's driver running?"
    driver = next(s for s in rig.bench.world.subscriptions if s.topic_name == "/delta_twist_cmds")
    rig.act(period=5.0, translation=(0.1, 0.0, 0.0))
    rig.bench.until(lambda: rig.twists)
    rig.bench.until_diagnostics("smoother_node", OK, "Following an action.")
    rig.bench.world.destroy_subscription(driver)
    rig.act(period=5.0, translation=(0.1, 0.0, 0.0))
    rig.bench.until_diagnostics("smoother_node", ERROR, sentence)


def test_an_arm_that_was_never_there_is_a_warning(bench: NodeBench) -> None:
    node, policy = bench.add(SmootherNode()), bench.publisher(ChunkMsg, "action")
    publish_frames(bench, node)
    policy.publish(chunk_message(action(period=5.0), node.get_clock().now().nanoseconds, "panda_link0", 0))
    bench.until_diagnostics("smoother_node", WARN, "No subscriber for the velocities on '/delta_twist_cmds'")


def test_a_terminate_is_passed_on_and_taken_back_by_the_next_action(rig: Rig) -> None:
    rig.act()
    rig.until_state(State.MOVING)
    rig.act(terminate=True, plan="The instruction is empty: stop.")
    assert rig.until_state(State.TERMINATED).reason == "The instruction is empty: stop."
    rig.bench.until(lambda: [t.data for t in rig.terminates] == [True])
    rig.until_still()
    rig.act()
    rig.bench.until(lambda: [t.data for t in rig.terminates] == [True, False])


def test_a_stop_is_latched_until_released(rig: Rig) -> None:
    rig.act()
    rig.until_state(State.MOVING)
    assert rig.bench.call(Trigger, "smoother_node/stop").success
    rig.until_state(State.STOPPED)
    rig.until_still()
    rig.act()
    assert not rig.bench.call(Trigger, "smoother_node/reset").success
    assert rig.until_state(State.STOPPED).reason == "The stop service was called."
    rig.bench.until_diagnostics("smoother_node", WARN, "The stop service was called.")
    assert rig.bench.call(Trigger, "smoother_node/release").success
    rig.until_state(State.IDLE)
    rig.act()
    rig.until_state(State.MOVING)


def test_a_reset_forgets(rig: Rig) -> None:
    rig.act(translation=(np.nan, 0, 0))
    rig.until_state(State.FAULT)
    assert rig.bench.call(Trigger, "smoother_node/reset").success
    assert nanoseconds(rig.until_state(State.IDLE).action_stamp) == 0


def test_dry_run_is_everything_but_commands_and_can_be_ended(make_bench: Callable[..., NodeBench]) -> None:
    rig = Rig(make_bench("-p", "smoother_node:dry_run:=true"))
    rig.act(gripper=1.0)
    rig.until_state(State.MOVING)
    rig.until_state(State.HOLDING)
    rig.act(terminate=True)
    rig.until_state(State.TERMINATED)
    assert all(s.dry_run and not s.commanding and not s.gripper_commanded for s in rig.statuses)
    assert [*rig.twists, *rig.grippers, *rig.terminates] == []
    (result,) = rig.node.set_parameters([Parameter("dry_run", value=False)])
    assert result.successful
    rig.until_state(State.IDLE)
    rig.act(gripper=1.0)
    rig.bench.until(lambda: rig.twists and rig.grippers)


def test_a_clock_that_never_comes_is_named(make_bench: Callable[..., NodeBench]) -> None:
    bench = make_bench("-p", "smoother_node:use_sim_time:=true")
    bench.add(SmootherNode())
    bench.until_diagnostics("smoother_node", WARN, "use_sim_time is set, but no /clock was received")


def test_in_simulated_time_an_action_that_overtook_the_clock_waits_for_it(
    make_bench: Callable[..., NodeBench],
) -> None:
    rig = SimulatedTimeRig(make_bench("-p", "smoother_node:use_sim_time:=true"))

    def act(seconds: int) -> None:
        rig.decide(action(), seconds)
        rig.bench.spin_for(0.3)

    act(15)
    assert {status.state for status in rig.statuses} == {State.IDLE}
    rig.tell(15)
    rig.bench.until(lambda: rig.statuses[-1].state == State.MOVING)
    assert nanoseconds(rig.statuses[-1].action_stamp) == 15 * 10**9
    act(30)
    rig.tell(16)
    rig.bench.until(lambda: "s in the future: the clocks of camera and controller differ." in rig.statuses[-1].reason)


def test_an_action_for_a_smoother_of_before_is_refused_and_told(rig: Rig) -> None:
    stamp = rig.decide(action(), publisher="/p#1", request=1, smoother_session=rig.statuses[-1].session + 1)
    rig.bench.until(lambda: rig.statuses[-1].refused)
    assert rig.statuses[-1].refused[-1].reason.startswith("The request began before this start of the smoother: ")
    assert (rig.statuses[-1].state, stamp > 0) == (State.IDLE, True)
    rig.decide(action(), publisher="/p#1", request=2, smoother_session=rig.statuses[-1].session)
    rig.until_state(State.MOVING)


@pytest.mark.parametrize("name", ["teleop_tool", "smoother_node"])
def test_another_publisher_of_velocities_ends_the_motion_and_is_named(rig: Rig, name: str) -> None:
    rig.act(period=2.0, publisher="/p#1", request=1)
    rig.until_state(State.MOVING)
    other = rig.bench.add(Node(name))
    other.create_publisher(TwistStamped, "delta_twist_cmds", 10)
    reason = rig.until_state(State.FAULT).reason
    assert reason.startswith("'/delta_twist_cmds' has 2 publishers, /smoother_node and ")
    assert f"/{name}, and nothing moves" in reason
    rig.until_still()
    rig.bench.kill(other)
    rig.bench.until(lambda: rig.node._conditions.denied() is None)
    rig.act(publisher="/p#1", request=2)
    rig.until_state(State.MOVING)


def test_another_publisher_of_velocities_can_be_allowed(make_bench: Callable[..., NodeBench]) -> None:
    rig = Rig(make_bench("-p", "smoother_node:allow_other_velocities:=true"))
    rig.bench.add(Node("other")).create_publisher(TwistStamped, "delta_twist_cmds", 10)
    rig.bench.spin_for(0.3)
    rig.act()
    rig.until_state(State.MOVING)


def test_its_last_word_is_to_stand_still(rig: Rig) -> None:
    rig.act(period=1.0)
    rig.bench.until(lambda: rig.twists and velocity(rig.twists[-1]).any())
    rig.node.close()
    rig.bench.until(lambda: not velocity(rig.twists[-1]).any())


def test_its_last_word_is_to_stand_still_also_while_it_brakes(make_bench: Callable[..., NodeBench]) -> None:
    rig = Rig(make_bench("-p", "smoother_node:max_linear_acceleration:=0.1"))
    rig.act(period=1.0, translation=(0.1, 0.0, 0.0))
    rig.bench.until(lambda: rig.twists and velocity(rig.twists[-1])[0] > 0.03)
    rig.act(terminate=True)
    rig.until_state(State.TERMINATED)
    assert velocity(rig.twists[-1]).any()
    rig.node.close()
    rig.bench.until(lambda: not velocity(rig.twists[-1]).any())


def test_a_dry_run_begins_with_a_velocity_of_zero(rig: Rig) -> None:
    rig.act(period=1.0)
    rig.bench.until(lambda: rig.twists and velocity(rig.twists[-1]).any())
    assert rig.node.set_parameters([Parameter("dry_run", value=True)])[0].successful
    rig.bench.until(lambda: rig.statuses[-1].dry_run)
    told = len(rig.twists)
    rig.bench.until(lambda: not velocity(rig.twists[-1]).any())
    rig.bench.spin_for(0.1)
    assert len(rig.twists) <= told + 1


@pytest.mark.parametrize(
    ("arguments", "counts_in"),
    [((), ClockType.STEADY_TIME), (("-p", "smoother_node:use_sim_time:=true"), ClockType.ROS_TIME)],
)
def test_it_ticks_on_when_the_clock_of_the_host_is_set_back(
    make_bench: Callable[..., NodeBench], arguments: tuple[str, ...], counts_in: ClockType
) -> None:
    node = make_bench(*arguments).add(SmootherNode())
    (tick,) = [timer for timer in node.timers if timer.timer_period_ns == 20_000_000]
    assert tick.clock.clock_type is counts_in


WALLED = ("workspace_high:=[.inf, .inf, 0.5]", "tip_frame:=tip", "workspace_frame:=panda_link0")
WALLS = tuple(word for one in WALLED for word in ("-p", f"smoother_node:{one}"))


def test_within_walls_nothing_moves_while_tf_does_not_know_the_tip(make_bench: Callable[..., NodeBench]) -> None:
    rig = Rig(make_bench(*WALLS))
    rig.act(translation=(0, 0, 0.04))
    rig.bench.until_diagnostics("smoother_node", ERROR, "The workspace has walls, but TF does not give")
    rig.bench.until(lambda: rig.statuses[-1].state == ControllerStatus.FAULT)
    assert not any(velocity(twist).any() for twist in rig.twists)


def test_a_wall_acts_where_tf_knows_the_tip(make_bench: Callable[..., NodeBench]) -> None:
    rig = Rig(make_bench(*WALLS))
    transforms = rig.bench.publisher(TFMessage, "/tf", 100)

    def act_at(height: float, ahead: int = 0) -> str:
        tip = TransformStamped(child_frame_id="tip")
        tip.header.frame_id = "panda_link0"
        tip.header.stamp = rig.node.get_clock().now().to_msg()
        tip.header.stamp.sec += ahead
        tip.transform.translation.z = height
        tip.transform.rotation.w = 1.0
        transforms.publish(TFMessage(transforms=[tip]))
        rig.act(translation=(0, 0, 0.04))
        rig.bench.spin_for(0.02)
        return str(rig.statuses[-1].reason)

    rig.bench.until(lambda: act_at(0.5) == "Following an action, held back by the workspace wall.")
    rig.bench.until(lambda: act_at(0.5) and not velocity(rig.twists[-1]).any(), "it goes through the wall")
    rig.bench.until(lambda: act_at(0.1) == "Following an action." and velocity(rig.twists[-1]).any())
    rig.bench.until(lambda: "in the future" in act_at(0.1, ahead=60), "it believes a clock that is ahead")
    assert rig.statuses[-1].state == State.FAULT


def test_a_speed_scale_is_said_aloud(make_bench: Callable[..., NodeBench], capfd: pytest.CaptureFixture[str]) -> None:
    rig = Rig(make_bench("-p", "smoother_node:speed_scale:=0.3"))
    assert "speed_scale is 0.3: the arm goes at most 0.15 m/s and 0.75 rad/s" in "".join(capfd.readouterr())
    assert rig.statuses[-1].speed_scale == 0.3
    rig.act(translation=(0.1, 0, 0))
    rig.bench.until(lambda: "slowed down to the velocity limit (speed_scale 0.3)." in rig.statuses[-1].reason)


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ((), "'tip_frame' must name the TF frame"),
        (("forbidden_boxes:=[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]",), "'tip_frame' must name the TF frame"),
        (("tip_frame:=tip",), "'workspace_frame' is ''"),
        (("tip_frame:=tip", "workspace_frame:=tip"), "'workspace_frame' is 'tip'"),
    ],
)
def test_the_walls_of_a_workspace_need_to_know_the_frames(
    make_bench: Callable[..., NodeBench], frames: tuple[str, ...], words: str
) -> None:
    given = ("workspace_high:=[0.5, .inf, .inf]", *frames)
    make_bench(*(word for one in given for word in ("-p", f"smoother_node:{one}")))
    with pytest.raises(StartError, match=words):
        SmootherNode()


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("gripper_open_below:=0.9", "expected 0 < open_below <= close_above < 1"),
        ("workspace_low:=[1.0, 2.0]", "expected x, y, z each from low to high"),
        ("forbidden_boxes:=[1.0, 2.0]", "forbidden_boxes has 2 numbers, expected six for each box"),
        ("speed_scale:=1.5", "'speed_scale' must be float from 0.01 to 1"),
        ("gripper_mode:=sometimes", "is 'sometimes', expected one of binary, continuous"),
        ("command_rate:=5.0", "'command_rate' must be float from 20 to 500"),
        ("dry_run:=3", "'dry_run' must be bool"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(
    make_bench: Callable[..., NodeBench], argument: str, words: str
) -> None:
    make_bench("-p", f"smoother_node:{argument}")
    with pytest.raises(StartError, match=words):
        SmootherNode()
