"""Whether a mobile base follows: its motion by the odometry on `base_odometry`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.clock import Clock, ClockType
from rclpy.qos import QoSProfile, ReliabilityPolicy

from rt_vla_ros.control.follow_watch import FollowWatch
from rt_vla_ros.control.followed import BASE
from rt_vla_ros.control.status import Command
from rt_vla_ros.control.track import angle_of, conjugate, multiply, rotation
from rt_vla_ros.nodes.arrival import MAX_AGE, Arrival
from rt_vla_ros.nodes.conversions import NANOSECONDS, nanoseconds, refuse_stamp, seconds
from rt_vla_ros.nodes.following import Following, MeasuredPose, Vector
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.nodes.sources import Sources
from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.recording.transform_streams import refuse_transform

CHECK_PERIOD = 0.1  # of who publishes [s]
# Between two messages no base moves by more than a step and a speed: that is a reset of the odometry.
STEP, SPEED = 0.2, 3.0  # [m], [m/s]
TURN, TURN_SPEED = 0.5, 10.0  # [rad], [rad/s]


class _BasePose(NamedTuple):
    """position (3,) [m] and quaternion (4,) of the base in `frame`, in the plane: x, y and the heading."""

    arrival: Arrival
    frame: str
    position: Vector
    quaternion: Vector


class BaseOdometry:
    """Subscribes to `base_odometry` and keeps its newest pose; not its twist, which an estimator may take from the
    commands. See WatchedMotion.
    """

    def __init__(self, node: GuardedNode, base_frame: str) -> None:
        """base_frame: the child frame that the odometry must have."""
        self._node, self._base_frame = node, base_frame.lstrip("/")
        self._newest: _BasePose | None = None
        self._refused: str | None = None  # why the last message is invalid
        self._jump: tuple[int, str] | None = None  # when the pose jumped [ns], and how
        newest = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
        odometry = node.create_subscription(Odometry, "base_odometry", self._on_odometry, newest)
        self._topic = odometry.topic_name
        self._sources, self._several = Sources(node, self._topic), list[str]()
        node.create_timer(CHECK_PERIOD, self._look_for_others, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def measured(self) -> MeasuredPose | str:
        """The base's newest pose in the frame of the odometry, without height, roll and pitch."""
        if self._several:
            return (
                f"{self._topic!r} has {len(self._several)} publishers, {' and '.join(self._several)}: stop all but one"
            )
        if self._refused is not None:
            return self._refused
        if self._newest is None:
            return f"no odometry received on {self._topic!r}: remap it to the odometry of the base's driver"
        now_ns = self._now_ns()
        unusable = self._newest.arrival.unusable("odometry", now_ns)
        if unusable is not None:
            return unusable
        if self._jump is not None and 0 <= now_ns - self._jump[0] <= MAX_AGE * NANOSECONDS:
            return self._jump[1]
        return MeasuredPose(seconds(self._newest.arrival.at_ns), self._newest.position, self._newest.quaternion)

    def told(self, command: Command) -> Vector:
        """The base's commanded velocity, in its own axes."""
        x, y, yaw = command.base
        return np.array([x, y, 0.0, 0.0, 0.0, yaw])

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _on_odometry(self, message: Odometry) -> None:
        now_ns = self._now_ns()
        self._refused = self._refuse(message, now_ns)
        if self._refused is not None:
            self._node.drop(self._topic, f"{self._refused}.")
            return
        heard = _heard(message, now_ns)
        last = self._newest
        if last is not None and last.arrival.unusable("odometry", now_ns) is None:
            if heard.arrival.at_ns <= last.arrival.at_ns:
                return  # a newer one has overtaken it
            jumped = _jumped(last, heard)
            self._jump = self._jump if jumped is None else (now_ns, jumped)
        self._newest = heard

    def _refuse(self, message: Odometry, now_ns: int) -> str | None:
        """Why a message is invalid, as the end of a sentence without a full stop, else None."""
        child, parent = message.child_frame_id.lstrip("/"), message.header.frame_id.lstrip("/")
        if child != self._base_frame:
            return (
                f"the odometry is that of the frame {child[:100]!r} (child_frame_id), expected {self._base_frame!r} "
                "(base_twist_frame)"
            )
        invalid = refuse_transform(child, parent, *_pose(message)) or refuse_stamp(message.header.stamp)
        if invalid is not None:
            return f"the odometry is invalid. {invalid.rstrip('.')}"
        return Arrival(nanoseconds(message.header.stamp), now_ns).from_future("odometry")

    def _look_for_others(self) -> None:
        self._several = self._sources.several()


def _pose(message: Odometry) -> tuple[Vector, Vector]:
    """Position (3,) [m] and quaternion w, x, y, z."""
    at, turn = message.pose.pose.position, message.pose.pose.orientation
    return np.array([at.x, at.y, at.z]), np.array([turn.w, turn.x, turn.y, turn.z])


def _heard(message: Odometry, now_ns: int) -> _BasePose:
    position, (w, x, y, z) = _pose(message)
    heading = math.atan2(2 * (w * z + x * y), w * w + x * x - y * y - z * z)
    return _BasePose(
        Arrival(nanoseconds(message.header.stamp), now_ns),
        message.header.frame_id.lstrip("/"),
        position * [1.0, 1.0, 0.0],
        rotation(np.array([0.0, 0.0, heading])),
    )


def _jumped(before: _BasePose, after: _BasePose) -> str | None:
    """How the pose changed between two messages if no base moves like that, as the end of a sentence, else None."""
    reset = "was its source reset or restarted?"
    if before.frame != after.frame:
        return f"the frame of the odometry changed from {before.frame[:100]!r} to {after.frame[:100]!r}: {reset}"
    duration = seconds(after.arrival.at_ns - before.arrival.at_ns)
    distance = float(np.linalg.norm(after.position - before.position))
    turn = float(angle_of(multiply(after.quaternion, conjugate(before.quaternion))))
    if distance <= STEP + SPEED * duration and turn <= TURN + TURN_SPEED * duration:
        return None
    return f"the odometry jumped by {distance:.3g} m and {math.degrees(turn):.3g} degrees: {reset}"


def make_base_following(node: GuardedNode, values: Mapping[str, Any]) -> Following | None:
    """None if base_follow_time is 0, or no base is driven. values: the smoother's parameters. Raises StartError."""
    if not values["drive_base"] or values["base_follow_time"] == 0:
        return None
    try:
        watch = FollowWatch(values["base_follow_time"], values["base_follow_tolerance"], BASE)
    except ValueError as error:
        raise StartError(f"Invalid parameters of the smoother: {error}.") from error
    return Following(watch, BaseOdometry(node, values["base_twist_frame"]), values["max_tick_gap"])
