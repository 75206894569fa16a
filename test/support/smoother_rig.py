"""A smoother node among a policy and an arm that are played."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped, TwistStamped
from rosgraph_msgs.msg import Clock as ClockMsg
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.msg import ControllerStatus
from std_msgs.msg import Bool, Float64
from support.actions import action
from support.node_bench import NodeBench
from tf2_ros import StaticTransformBroadcaster

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.control.status import State
from rt_vla_ros.nodes.conversions import chunk_message, time_message
from rt_vla_ros.nodes.smoother_node import SmootherNode


class Rig:
    """A smoother, a policy and an arm that are played."""

    def __init__(self, bench: NodeBench) -> None:
        self.bench = bench
        self.twists = bench.listen(TwistStamped, "delta_twist_cmds")
        self.grippers = bench.listen(Float64, "gripper_command")
        self.terminates = bench.listen(Bool, "terminate")
        self.statuses = bench.listen(ControllerStatus, "controller_status")
        self.node = bench.add(SmootherNode())
        self.policy = bench.publisher(ChunkMsg, "action")
        publish_frames(bench, self.node)
        bench.until(lambda: self.node.count_subscribers("delta_twist_cmds") and self.statuses)
        bench.until(lambda: self.node.get_publishers_info_by_topic("action"))

    def act(
        self, *, age: float = 0.0, frame: str = "panda_link0", publisher: str = "", request: int = 0, **changes: Any
    ) -> int:
        """Publishes an action on an image of `age` [s]; its stamp. publisher, request: of the message."""
        return self.decide(action(**changes), age=age, frame=frame, publisher=publisher, request=request)

    def decide(self, whole: ActionChunk, *, age: float = 0.0, frame: str = "panda_link0", **fields: Any) -> int:
        """Publishes a chunk on an image of `age` [s]; its stamp. fields: of the message, in place of the chunk's."""
        stamp_ns = self.node.get_clock().now().nanoseconds - round(age * 1e9)
        message = chunk_message(whole, stamp_ns, frame, 0)
        for name, value in fields.items():
            setattr(message, name, value)
        self.policy.publish(message)
        return stamp_ns

    def until_state(self, state: State) -> ControllerStatus:
        self.bench.until(lambda: self.statuses and self.statuses[-1].state == state, f"never {state.name}")
        return self.statuses[-1]

    def until_still(self) -> None:
        """The arm was told to stand still and then nothing more."""
        self.bench.until(lambda: self.twists and not velocity(self.twists[-1]).any(), "it still moves")
        self.bench.until(lambda: not self.statuses[-1].commanding, "it still commands")


class SimulatedTimeRig:
    """A smoother in simulated time. bench: made with use_sim_time for the smoother."""

    def __init__(self, bench: NodeBench) -> None:
        self.bench = bench
        self.statuses, self.node = bench.listen(ControllerStatus, "controller_status"), bench.add(SmootherNode())
        self._clock, self._policy = bench.publisher(ClockMsg, "/clock"), bench.publisher(ChunkMsg, "action")
        publish_frames(bench, self.node)
        bench.until(lambda: self.node.get_publishers_info_by_topic("action") and self.node.count_publishers("/clock"))
        self.tell(10)
        bench.until(lambda: self.statuses)

    def tell(self, seconds: int) -> None:
        """The time."""
        self._clock.publish(ClockMsg(clock=time_message(seconds * 10**9)))
        self.bench.until(lambda: self.node.get_clock().now().nanoseconds == seconds * 10**9)

    def decide(self, whole: ActionChunk, seconds: int) -> None:
        """Publishes a chunk on an image of this time."""
        self._policy.publish(chunk_message(whole, seconds * 10**9, "panda_link0", 0))


def transform(parent: str, child: str) -> TransformStamped:
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id, message.transform.rotation.w = parent, 1.0
    return message


def publish_frames(bench: NodeBench, node: SmootherNode) -> None:
    """TF as a robot_state_publisher tells it; returns once the node knows it."""
    StaticTransformBroadcaster(bench.world).sendTransform(transform("base_link", "panda_link0"))
    bench.until(lambda: node.transforms.refuse("panda_link0") is None)


def velocity(twist: TwistStamped) -> np.ndarray:
    return np.array([twist.twist.linear.x, twist.twist.linear.y, twist.twist.linear.z])
