"""The topics that a recorder listens to, and how their messages become samples."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped, TwistStamped
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Float64, Float64MultiArray, String
from tf2_ros import TransformListener

from rt_vla_ros.msg import ControllerStatus
from rt_vla_ros.nodes.conversions import nanoseconds, refuse_stamp
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.nodes.images import open_bridge
from rt_vla_ros.nodes.pictures import Picture, check_picture
from rt_vla_ros.recording.robot_streams import RobotStreams
from rt_vla_ros.recording.sample_stream import JUMP_NS
from rt_vla_ros.recording.topic_map import COMPRESSED


class RecorderTopics:
    """Subscribes; `clock` is the node's, the one of the stamps [ns]. Messages without a stamp are stamped on
    arrival.
    """

    def __init__(
        self, node: GuardedNode, streams: RobotStreams, clock: Callable[[], int], *, simulated: bool = False
    ) -> None:
        """simulated: the clock is what /clock says, which the other messages overtake."""
        open_bridge()
        self._node, self._streams, self._clock, self._simulated = node, streams, clock, simulated
        self._ticked_ns = 0  # of the smoother, by its status
        topics, card = streams.topics, streams.card
        often = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
        images = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
        for camera, topic in topics.camera_topics().items():
            if camera in streams.pictures:
                kind = CompressedImage if topic.endswith(COMPRESSED) else Image
                node.create_subscription(kind, topic, partial(self._on_image, camera), images)
        if any(name != "topic" for name in streams.readings):
            node.create_subscription(JointState, topics.joint_states, self._on_joints, often)
        if "topic" in streams.readings:
            node.create_subscription(Float64MultiArray, topics.state_topic, self._on_numbers, often)
        if card.index("gripper") is not None and topics.gripper_topic:
            node.create_subscription(Float64, topics.gripper_topic, self._on_gripper, 100)
        if topics.action_from == "commands":
            node.create_subscription(TwistStamped, topics.twist_topic, self._on_twist, often)
        if topics.instruction_topic:
            node.create_subscription(String, topics.instruction_topic, self._on_instruction, 10)
        if not topics.commander and topics.status_topic:
            node.create_subscription(ControllerStatus, topics.status_topic, self._on_status, often)
        if not topics.commander and topics.teleop_topic:
            node.create_subscription(TwistStamped, topics.teleop_topic, self._on_human, often)
        self._listener = TransformListener(self, node)

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        """Called by TransformListener for each transform on /tf."""
        self._put_transform(transform, "/tf", nanoseconds(transform.header.stamp))

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None:
        """Called by TransformListener for each transform on /tf_static."""
        self._put_transform(transform, "/tf_static", None)

    def _heard_ns(self, stamp_ns: int) -> int:
        """The arrival time of a message. There is one simulated clock: a stamp from the future has overtaken /clock.

        Also the first one of all, before which that clock is 0.
        """
        now_ns = self._clock()
        overtaken = now_ns == 0 or 0 < stamp_ns - now_ns < JUMP_NS
        return stamp_ns if self._simulated and overtaken else now_ns

    def _put_transform(self, message: TransformStamped, topic: str, stamp_ns: int | None) -> None:
        at, turn = message.transform.translation, message.transform.rotation
        refused = refuse_stamp(message.header.stamp) or self._streams.put_transform(
            message.child_frame_id,
            message.header.frame_id,
            stamp_ns,
            np.array([at.x, at.y, at.z]),
            np.array([turn.w, turn.x, turn.y, turn.z]),
            self._heard_ns(stamp_ns or 0),
        )
        if refused is not None:
            self._node.drop(topic, refused)

    def _on_image(self, camera: str, message: Picture) -> None:
        problem = check_picture(message)
        if problem is not None:
            self._streams.pictures[camera].audit.refuse(problem)
            self._node.drop(f"the camera {camera!r}", problem)
            return
        stamp_ns = nanoseconds(message.header.stamp)
        self._streams.put_picture(camera, stamp_ns, message, self._heard_ns(stamp_ns))

    def _on_joints(self, message: JointState) -> None:
        problem = refuse_stamp(message.header.stamp)
        if problem is None and len(message.position) not in (0, len(message.name)):
            problem = f"It has {len(message.name)} joint names and {len(message.position)} positions."
        if problem is not None:
            self._node.drop(self._streams.topics.joint_states, problem)
            return
        positions = dict(zip(message.name, message.position, strict=False))
        stamp_ns = nanoseconds(message.header.stamp)
        self._streams.put_joints(stamp_ns, positions, self._heard_ns(stamp_ns))

    def _on_numbers(self, message: Float64MultiArray) -> None:
        self._streams.put_numbers(np.array(message.data, np.float64), self._clock())

    def _on_gripper(self, message: Float64) -> None:
        """Handles a gripper command, which has no stamp and belongs to a tick of the smoother."""
        self._streams.put_gripper(message.data, self._heard_ns(self._ticked_ns))

    def _on_twist(self, message: TwistStamped) -> None:
        problem = refuse_stamp(message.header.stamp)
        if problem is not None:
            self._node.drop(self._streams.topics.twist_topic, problem)
            return
        velocity = np.array([getattr(part, a) for part in (message.twist.linear, message.twist.angular) for a in "xyz"])
        stamp_ns = nanoseconds(message.header.stamp)
        self._streams.put_twist(stamp_ns, velocity, message.header.frame_id, self._heard_ns(stamp_ns))

    def _on_instruction(self, message: String) -> None:
        self._streams.put_instruction(message.data, self._clock())

    def _on_status(self, message: Any) -> None:
        """In a dry run the smoother does not command the arm; others may."""
        if refuse_stamp(message.header.stamp) is None and not message.dry_run:
            self._ticked_ns = nanoseconds(message.header.stamp)
            self._streams.put_commander(self._ticked_ns, message.commander, self._heard_ns(self._ticked_ns))

    def _on_human(self, _message: TwistStamped) -> None:
        self._streams.put_human(self._clock())
