"""The collision check by MoveIt's move_group, against its planning scene.

Of `/compute_cartesian_path` the fraction tells whether the whole way is free; if it is not, the same way without regard
to collisions leads to the first state that is not, whose contacts `/check_state_validity` names.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion
from moveit_msgs.msg import CollisionObject, MoveItErrorCodes, RobotState
from moveit_msgs.srv import GetCartesianPath, GetStateValidity
from numpy.typing import NDArray
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from shape_msgs.msg import SolidPrimitive

from rt_vla_ros.arms.collision_protocol import FoundCollision
from rt_vla_ros.control.track import multiply, rotate, rotation
from rt_vla_ros.control.walls import ForbiddenBox, boxes_of
from rt_vla_ros.nodes import conversions as convert
from rt_vla_ros.nodes.arrival import Arrival
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.nodes.mujoco_check import FAR
from rt_vla_ros.nodes.service_request import AwaitedAnswer
from rt_vla_ros.nodes.transform_tree import TransformTree

Vector = NDArray[np.float64]
MAX_STEP = 0.005  # between two states of the way [m]; MoveIt turns at most 3.5 rad/m times this
# How often the boxes are published, which a restarted move_group has to learn; and how long until they count [s].
BOXES_AGAIN = BOXES_COUNT = 1.0
WHOLE = 1.0 - 1e-6
UNCHECKED = "Collisions cannot be checked (collision_check): "
NOT_FOLLOWED = (
    "MoveIt does not follow the action's way to its end: a collision, or its inverse kinematics (collision_check)."
)


class MoveItCheck:
    """The forbidden boxes are added to the planning scene. Which links may touch and how near is MoveIt's decision, by
    its SRDF and paddings.
    """

    closeness = "into contact with"

    def __init__(self, node: GuardedNode, tree: TransformTree, values: Mapping[str, Any]) -> None:
        """values: the smoother's parameters."""
        self._node, self._tree, self._group = node, tree, values["moveit_group"]
        self._tip, self._frame = (values[name].lstrip("/") for name in ("tip_frame", "workspace_frame"))
        self._boxes = boxes_of(values["forbidden_boxes"])
        self._paths = node.create_client(GetCartesianPath, "compute_cartesian_path")
        self._states = node.create_client(GetStateValidity, "check_state_validity")
        self._objects = node.create_publisher(CollisionObject, "collision_object", QoSProfile(depth=100))
        newest = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
        node.create_subscription(JointState, "joint_states", self._on_joints, newest)
        self._positions: dict[str, float] = {}
        self._arrivals: dict[str, Arrival] = {}
        self._heard: Arrival | None = None
        self._there_since: float | None = None  # move_group, of the steady clock [s]
        self._told_boxes = 0.0
        self._request: GetCartesianPath.Request | None = None
        self._steps: list[int] = []
        self._pending: AwaitedAnswer | None = None
        self._blocked: tuple[int, int] | None = None  # step, number of the first state that is not free

    @property
    def problem(self) -> str | None:
        """See CollisionChecking."""
        if self._there_since is None:
            name = self._node.resolve_service_name("compute_cartesian_path")
            return f"{UNCHECKED}nobody offers {name!r}: is move_group running?"
        if self._boxes and time.monotonic() - self._there_since < BOXES_COUNT:
            return f"{UNCHECKED}move_group does not know the forbidden boxes yet."
        unusable = self._heard and self._heard.unusable("joint state", self._now_ns())
        if self._heard is None:
            return f"{UNCHECKED}no joint states received."
        return f"{UNCHECKED}{unusable}." if unusable else None

    def poll(self) -> None:
        """See CollisionChecking."""
        ready = self._paths.service_is_ready() and self._states.service_is_ready()
        if not ready or (self._boxes and not self._objects.get_subscription_count()):
            self._there_since = None
            return
        now = time.monotonic()
        if self._there_since is None or now - self._told_boxes > BOXES_AGAIN:
            self._told_boxes = now
            for number, box in enumerate(self._boxes, 1):
                self._objects.publish(_collision_object(f"forbidden box {number}", box, self._frame))
        self._there_since = self._there_since or now

    def ask(self, frame_id: str, way: list[tuple[int, Vector]]) -> None:
        """See CollisionChecking."""
        self.poll()  # also where one question follows another
        if (problem := self.problem) is not None:
            raise ValueError(problem)
        request = GetCartesianPath.Request(
            start_state=self._state(self._positions),
            group_name=self._group,
            link_name=self._tip,
            waypoints=self._waypoints(frame_id, way),
            max_step=MAX_STEP,
            avoid_collisions=True,
        )
        request.header.frame_id = self._frame
        self._steps, self._blocked, self._request = [step for step, _ in way], None, request
        self._pending = self._paths.call_async(request)

    def answer(self) -> FoundCollision | str | None:
        """See CollisionChecking."""
        if self._pending is None or self._request is None:
            raise ValueError(f"{UNCHECKED}nothing was asked.")
        if not self._pending.done():
            return None
        try:
            reply = self._pending.result()
        except Exception as error:  # whatever the middleware raises for a failed service
            raise ValueError(f"{UNCHECKED}move_group failed: {error}.") from error
        self._pending = None
        if isinstance(reply, GetStateValidity.Response):
            return self._contact(reply)
        if reply.error_code.val != MoveItErrorCodes.SUCCESS:
            raise ValueError(
                f"{UNCHECKED}move_group answered with the error code {reply.error_code.val} for the group "
                f"{self._group!r} (moveit_group) and the link {self._tip!r} (tip_frame)."
            )
        return self._path(reply)

    def late(self, timeout: float) -> str:
        """See CollisionChecking."""
        if self._pending is not None:
            self._paths.remove_pending_request(self._pending)
            self._states.remove_pending_request(self._pending)
        self._pending, self._there_since = None, None  # it may have been restarted without the boxes
        if self._blocked is not None:
            return NOT_FOLLOWED
        return f"MoveIt's move_group has not answered within {1000 * timeout:.0f} ms (collision_timeout)."

    def close(self) -> None:
        """See CollisionChecking."""

    def _path(self, reply: GetCartesianPath.Response) -> FoundCollision | str | None:
        trajectory, request = reply.solution.joint_trajectory, self._request
        assert request is not None
        if self._blocked is None:
            unknown = [name for name in trajectory.joint_names if name not in self._positions]
            if unknown or not trajectory.joint_names:
                raise ValueError(f"{UNCHECKED}the joint states lack {', '.join(unknown) or 'the arm'}.")
            for name in trajectory.joint_names:
                if (old := self._arrivals[name].unusable(f"joint state of {name!r}", self._now_ns())) is not None:
                    raise ValueError(f"{UNCHECKED}{old}.")
            if reply.fraction >= WHOLE:
                return ""
            count = len(self._steps)
            step = self._steps[min(int(reply.fraction * count + 1e-6), count - 1)]
            self._blocked = step, len(trajectory.points)
            request.avoid_collisions = False
            self._pending = self._paths.call_async(request)
            return None
        if len(trajectory.points) <= self._blocked[1]:
            raise ValueError(f"{UNCHECKED}MoveIt's inverse kinematics does not follow the action's way to its end.")
        point = trajectory.points[self._blocked[1]]
        state = self._state(self._positions | dict(zip(trajectory.joint_names, point.positions, strict=True)))
        question = GetStateValidity.Request(robot_state=state, group_name=self._group)
        self._pending = self._states.call_async(question)
        return None

    def _contact(self, reply: GetStateValidity.Response) -> FoundCollision:
        assert self._blocked is not None
        if not reply.contacts:
            raise ValueError(NOT_FOLLOWED)
        contact = reply.contacts[0]
        return FoundCollision(self._blocked[0], (contact.contact_body_1, contact.contact_body_2))

    def _waypoints(self, frame_id: str, way: list[tuple[int, Vector]]) -> list[Pose]:
        """Poses of the tip in workspace_frame after each displacement. Raises ValueError where TF does not know it."""
        tip, axes = (self._tree.lookup(self._frame, frame) for frame in (self._tip, frame_id))
        for placed in (tip, axes):
            if isinstance(placed, str):
                raise ValueError(f"{UNCHECKED}{placed}.")
        at, turn = _position(tip), _quaternion(tip)
        turned = _quaternion(axes)
        moves_along = self._tree.stamp_ns(self._frame, frame_id) is not None
        if moves_along and self._tree.stamp_ns(self._tip, frame_id) is not None:
            raise ValueError(
                f"{UNCHECKED}the action's frame {frame_id!r} moves, but not with {self._tip!r} (tip_frame)."
            )
        poses = []
        for _, displacement in way:
            at = at + rotate(turned, displacement[:3])
            change = rotation(rotate(turned, displacement[3:]))
            turn = multiply(change, turn)
            turned = multiply(change, turned) if moves_along else turned
            poses.append(Pose(position=Point(**dict(zip("xyz", at.tolist(), strict=True))), orientation=_message(turn)))
        return poses

    def _state(self, positions: Mapping[str, float]) -> RobotState:
        return RobotState(joint_state=JointState(name=[*positions], position=[*positions.values()]), is_diff=True)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _on_joints(self, message: JointState) -> None:
        wrong = len(message.position) != len(message.name) or not np.isfinite(message.position).all()
        refused = "Its positions cannot be used." if wrong else convert.refuse_stamp(message.header.stamp)
        if refused is not None:
            self._node.drop("joint_states", refused)
            return
        self._positions |= dict(zip(message.name, message.position, strict=True))
        self._heard = Arrival(convert.nanoseconds(message.header.stamp), self._now_ns())
        self._arrivals |= dict.fromkeys(message.name, self._heard)


def _collision_object(name: str, box: ForbiddenBox, frame_id: str) -> CollisionObject:
    low, high = np.clip(box.low, -FAR, FAR), np.clip(box.high, -FAR, FAR)
    shape = SolidPrimitive(type=SolidPrimitive.BOX, dimensions=(high - low).tolist())
    x, y, z = ((low + high) / 2).tolist()
    pose = Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(w=1.0))
    found = CollisionObject(id=name, primitives=[shape], primitive_poses=[pose], operation=CollisionObject.ADD)
    found.pose.orientation.w = 1.0
    found.header.frame_id = frame_id
    return found


def _position(placed: Any) -> Vector:
    at = placed.transform.translation
    return np.array([at.x, at.y, at.z])


def _quaternion(placed: Any) -> Vector:
    turn = placed.transform.rotation
    return np.array([turn.w, turn.x, turn.y, turn.z])


def _message(quaternion: Vector) -> Quaternion:
    w, x, y, z = map(float, quaternion)
    return Quaternion(x=x, y=y, z=z, w=w)
