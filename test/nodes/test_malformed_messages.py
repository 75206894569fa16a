"""No message and no request ends a node or moves what it should not: every topic and service, every field, extremes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped, TwistStamped
from nav_msgs.msg import Odometry
from numpy.typing import NDArray
from rcl_interfaces.msg import Parameter as ParameterMsg
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.msg import ControllerStatus
from rt_vla_ros.srv import ResetScene
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Float64, Float64MultiArray, String
from std_srvs.srv import Trigger
from support.actions import action
from support.extremes import variants
from support.node_bench import NodeBench
from support.scripted_policy import ConstantPolicy
from tf2_msgs.msg import TFMessage

from rt_vla_ros import ros
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.state import StateDimension
from rt_vla_ros.control.status import State
from rt_vla_ros.nodes import policy_node
from rt_vla_ros.nodes.conversions import chunk_message, time_message
from rt_vla_ros.nodes.images import image_message
from rt_vla_ros.nodes.policy_node import PolicyNode
from rt_vla_ros.nodes.running import ProgramNode
from rt_vla_ros.nodes.sim_arm_node import SimArmNode
from rt_vla_ros.nodes.smoother_node import SmootherNode
from rt_vla_ros.observations.observation import Observation

LAST_PARAMETER_TYPE = ParameterType.PARAMETER_STRING_ARRAY
WALLED = ("workspace_high:=[0.6, .inf, .inf]", "tip_frame:=tip", "workspace_frame:=base")


WATCHED_BASE = ("drive_base:=true", "base_follow_time:=1.0")
SMOOTHERS = [
    (WALLED, ()),
    (("use_sim_time:=true",), ("/clock", "/action")),
    (WATCHED_BASE, ("/base_odometry",)),
]
SEEN = ("tip_frame:=tip", "base_frame:=base", "gripper_joint:=a", "gripper_joint_closed:=1.0")


class Seeing(ConstantPolicy):
    """Notes what it sees of the robot, of which it sees everything."""

    card = replace(
        ConstantPolicy.card,
        state=(
            StateDimension("a", "rad", -1, 1, "joint:a"),
            StateDimension("x", "m", -1, 1, "tip:x"),
            StateDimension("rx", "rad", -1, 1, "tip:rx"),
            StateDimension("grip", "1", -1, 1, "gripper"),
            StateDimension("own", "1", -1, 1, "topic:1"),
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self.states: list[NDArray[np.float64]] = []

    def act(self, observation: Observation) -> ActionChunk:
        assert observation.state is not None
        self.states.append(observation.state)
        return super().act(observation)


def good_messages(now_ns: int) -> dict[type, Any]:
    """One of each kind that would be used as it is; the others are as they are made."""
    tip = TransformStamped(child_frame_id="tip")
    tip.header.frame_id, tip.header.stamp, tip.transform.rotation.w = "base", time_message(now_ns), 1.0
    twist = TwistStamped()
    twist.header.frame_id, twist.header.stamp, twist.twist.linear.z = "panda_link0", time_message(now_ns), 0.05
    status = ControllerStatus(state=1, commanding=True)
    status.header.stamp = status.action_stamp = time_message(now_ns)
    joints = JointState(name=["a", "b"], position=[0.1, 0.2])
    joints.header.stamp = time_message(now_ns)
    value = ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=False)
    parameters = [ParameterMsg(name="dry_run", value=value)]
    odometry = Odometry(child_frame_id="base_link")
    odometry.header.frame_id, odometry.header.stamp, odometry.pose.pose.orientation.w = (
        "odom",
        time_message(now_ns),
        1.0,
    )
    return {
        ChunkMsg: chunk_message(action((0.01, 0, 0)), now_ns, "base", 0),
        TFMessage: TFMessage(transforms=[tip]),
        TwistStamped: twist,
        ControllerStatus: status,
        Clock: Clock(clock=time_message(now_ns)),
        Image: image_message(np.zeros((8, 8, 3), np.uint8), now_ns, "camera"),
        CompressedImage: CompressedImage(format="rgb8; jpeg compressed bgr8", data=b"\xff\xd8\xff\xe0"),
        String: String(data="pick up the red cube"),
        Float64: Float64(data=1.0),
        Float64MultiArray: Float64MultiArray(data=[0.1, 0.2]),
        JointState: joints,
        Odometry: odometry,
        SetParameters.Request: SetParameters.Request(parameters=parameters),
        SetParametersAtomically.Request: SetParametersAtomically.Request(parameters=parameters),
        ResetScene.Request: ResetScene.Request(instruction="pick up the red cube"),
    }


def bombard(bench: NodeBench, node: ProgramNode, *topics: str, every: int = 1) -> int:
    """Hands variants of a message to every callback, or to those of some topics; how many there were.

    The timers are run after every few of them.
    """
    good = good_messages(node.get_clock().now().nanoseconds)
    callbacks = [(s.topic_name, s.msg_type, s.callback, ()) for s in node.subscriptions]
    callbacks += [(s.service_name, s.srv_type.Request, s.callback, (s.srv_type.Response,)) for s in node.services]
    count = refused = 0
    for name, kind, callback, further in [entry for entry in callbacks if not topics or entry[0] in topics]:
        for message in variants(good.get(kind, kind()), count):
            result = callback(message, *(make() for make in further))
            if inspect.iscoroutine(result):
                bench.world.executor.create_task(result)
            count += 1
            if count % every == 0:
                for timer in list(node.timers):
                    timer.callback()
                bench.world.executor.spin_once(timeout_sec=0)
            refused += raises_in_rclpy(name, message)
            assert node.callbacks_failed == refused, (name, message, node.recent_failure)
    return count


def raises_in_rclpy(name: str, message: Any) -> bool:
    """Whether one of rclpy's own callbacks raises for a message; the real one does for parameters without a type."""
    if name == "/clock":
        return bool(message.clock.sec < 0)
    parameters = getattr(message, "parameters", ())
    return ros.ensure() == ros.ROS2 and any(parameter.value.type > LAST_PARAMETER_TYPE for parameter in parameters)


def restore(node: ProgramNode, parameters: Mapping[str, bool]) -> None:
    """Those that a variant may have set."""
    node.set_parameters(
        [Parameter(name, value=value) for name, value in parameters.items() if node.has_parameter(name)]
    )


@pytest.mark.parametrize(("arguments", "topics"), SMOOTHERS)
def test_the_smoother_takes_everything(
    make_bench: Callable[..., NodeBench], arguments: tuple[str, ...], topics: tuple[str, ...]
) -> None:
    bench = make_bench(*(word for one in arguments for word in ("-p", f"smoother_node:{one}")))
    twists = bench.listen(TwistStamped, "delta_twist_cmds")
    statuses = bench.listen(ControllerStatus, "controller_status")
    node = bench.add(SmootherNode())
    bench.publisher(ChunkMsg, "action")
    assert bombard(bench, node, *topics) > 200
    bench.spin_for(0.1)
    for twist in twists:
        velocity = [twist.twist.linear.x, twist.twist.linear.y, twist.twist.linear.z]
        assert np.linalg.norm(velocity) < 0.5 + 1e-9
    assert {status.state for status in statuses} <= set(map(int, State))
    restore(node, {"use_sim_time": False, "dry_run": False})
    assert bench.call(Trigger, "smoother_node/release").success
    bench.call(Trigger, "smoother_node/resume")  # some message may have been a human's takeover

    def moves() -> bool:
        messages = good_messages(node.get_clock().now().nanoseconds)
        node.transforms.set_transform(messages[TFMessage].transforms[0], "")
        for odometry in (s for s in node.subscriptions if s.msg_type is Odometry):
            odometry.callback(messages[Odometry])
        next(s for s in node.subscriptions if s.msg_type is ChunkMsg).callback(messages[ChunkMsg])
        bench.spin_for(0.05)
        return bool(statuses[-1].state == State.MOVING)

    bench.until(moves)


@pytest.mark.parametrize(("sec", "nanosec"), [(0, 10**9), (2**31 - 1, 2**32 - 1), (-1, 0), (-(2**31), 0)])
def test_an_action_whose_stamp_is_no_time_is_a_fault_and_a_terminate_stops(
    bench: NodeBench, sec: int, nanosec: int
) -> None:
    statuses = bench.listen(ControllerStatus, "controller_status")
    node, policy = bench.add(SmootherNode()), bench.publisher(ChunkMsg, "action")
    for terminate, state in ((False, State.FAULT), (True, State.TERMINATED)):
        message = chunk_message(action(terminate=terminate), 0, "base", 0)
        message.header.stamp.sec, message.header.stamp.nanosec = sec, nanosec
        policy.publish(message)
        bench.until(lambda wanted=state: statuses and statuses[-1].state == wanted)
    assert "The action's stamp is not a valid time." in {status.reason for status in statuses}
    assert node.callbacks_failed == 0


def test_a_period_that_is_no_duration_is_a_fault(bench: NodeBench) -> None:
    statuses = bench.listen(ControllerStatus, "controller_status")
    node, policy = bench.add(SmootherNode()), bench.publisher(ChunkMsg, "action")
    message = chunk_message(action(), node.get_clock().now().nanoseconds, "base", 0)
    message.period.nanosec = 2**32 - 1
    policy.publish(message)
    bench.until(lambda: statuses and statuses[-1].reason == "The action holds a non-finite value.")


@pytest.mark.parametrize("kind", [200, 255])
def test_a_parameter_of_a_type_that_there_is_not_is_refused(bench: NodeBench, kind: int) -> None:
    node = bench.add(SmootherNode())
    parameters = [ParameterMsg(name="dry_run", value=ParameterValue(type=kind))]
    results = bench.call(SetParameters, "smoother_node/set_parameters", parameters=parameters).results
    if ros.ensure() == ros.ROS2:  # whose own callback raises
        assert (len(results), node.callbacks_failed) == (0, 1)
        return
    (result,) = results
    assert (result.successful, str(kind) in result.reason) == (False, True)
    both = bench.call(SetParametersAtomically, "smoother_node/set_parameters_atomically", parameters=parameters)
    assert not both.result.successful
    assert node.callbacks_failed == 0


def test_a_clock_of_minus_a_second_is_told_and_the_next_one_counts(make_bench: Callable[..., NodeBench]) -> None:
    bench = make_bench("-p", "smoother_node:use_sim_time:=true")
    node, clock = bench.add(SmootherNode()), bench.publisher(Clock, "/clock")
    bad = Clock()
    bad.clock.sec = -1
    clock.publish(bad)
    bench.until_diagnostics("smoother_node", 2, "The callback of the topic /clock failed: ValueError: Seconds value")
    clock.publish(Clock(clock=time_message(5 * 10**9)))
    bench.until(lambda: node.get_clock().now().nanoseconds == 5 * 10**9)


def test_the_simulated_arm_takes_everything(bench: NodeBench) -> None:
    node = bench.add(SimArmNode())
    assert bombard(bench, node, every=40) > 500
    assert np.isfinite(node._world.sim.data.qpos).all()
    assert np.isfinite(node._world.sim.ee_position).all()


@pytest.mark.parametrize(("transport", "topics"), [("raw", ()), ("compressed", ("/image/compressed",))])
def test_the_policy_node_takes_everything(
    make_bench: Callable[..., NodeBench], monkeypatch: pytest.MonkeyPatch, transport: str, topics: tuple[str, ...]
) -> None:
    policy = Seeing()
    monkeypatch.setattr(policy_node, "load_policy", lambda name, **_options: policy)
    arguments = (f"image_transport:={transport}", *SEEN)
    bench = make_bench(*(word for one in arguments for word in ("-p", f"policy_node:{one}")))
    actions = bench.listen(ChunkMsg, "action")
    node = bench.add(PolicyNode())
    bench.until(lambda: node._policy is not None)
    bench.publisher(String, "instruction").publish(String(data="pick up the red cube"))
    assert bombard(bench, node, *topics) > 60
    bench.spin_for(0.1)
    assert np.isfinite(policy.states).all()
    assert (np.abs(policy.states) <= 2).all()
    assert all(0 <= step.gripper <= 1 or step.gripper == -1 for one in actions for step in one.steps)
