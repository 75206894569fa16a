"""The collision check by MuJoCo: the robot's own shapes by its description, the smoother's boxes as obstacles."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

import numpy as np
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from numpy.typing import NDArray
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from rt_vla_ros.arms.chain import MOVES, ChainError, joints_above, parse_robot
from rt_vla_ros.arms.collision_checker import CollisionChecker
from rt_vla_ros.arms.collision_protocol import CollisionQuestion, CollisionSetup, FoundCollision
from rt_vla_ros.arms.gazebo_urdf import in_share
from rt_vla_ros.arms.joint_feedback import JointFeedback
from rt_vla_ros.control.walls import boxes_of
from rt_vla_ros.nodes import conversions as convert
from rt_vla_ros.nodes.arrival import MAX_AGE
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.nodes.transform_tree import TransformTree, rotation_of

# An unbounded side of a box is this far away [m].
FAR = 20.0


class MujocoCheck:
    """Sets its process up as soon as the description, all joint states and the boxes' frame are known."""

    def __init__(self, node: GuardedNode, tree: TransformTree, values: Mapping[str, Any]) -> None:
        """values: the smoother's parameters."""
        self._node, self._tree = node, tree
        self._tip, self._boxes_frame = (values[name].lstrip("/") for name in ("tip_frame", "workspace_frame"))
        self._margin = values["collision_margin"]
        self.closeness = f"within {self._margin:g} m of"
        self._boxes = [
            np.clip([*box.low, *box.high], -FAR, FAR).tolist() for box in boxes_of(values["forbidden_boxes"])
        ]
        self._robot: RobotShapes | None = None
        self._feedback: JointFeedback | None = None
        self._checker: CollisionChecker | None = None
        self._told = ""
        self._allowed: list[list[str]] = []
        self._refusal: str | None = None
        lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        newest = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
        node.create_subscription(String, "robot_description", self._on_description, lasting)
        node.create_subscription(String, "robot_description_semantic", self._on_semantic, lasting)
        node.create_subscription(JointState, "joint_states", self._on_joints, newest)

    @property
    def problem(self) -> str | None:
        """See CollisionChecking."""
        if self._refusal is not None:
            return f"Collisions cannot be checked (collision_check): {self._refusal}"
        if self._robot is None or self._feedback is None:
            topic = self._node.resolve_topic_name("robot_description")
            return f"Collisions cannot be checked (collision_check): no robot description received on {topic!r}."
        positions = self._feedback.read(self._now())
        if isinstance(positions, str):
            return f"Collisions cannot be checked (collision_check): {positions}"
        return self._set_up(self._robot, positions) if self._checker is None else self._checker.problem

    def poll(self) -> None:
        """See CollisionChecking."""
        if self._checker is None:
            _ = self.problem  # sets it up as soon as that can be done
            return
        self._checker.poll()
        if self._checker.about and self._checker.about != self._told:
            self._told = self._checker.about
            self._node.get_logger().info(f"Every action is checked for collisions: {self._told}.")

    def ask(self, frame_id: str, way: list[tuple[int, NDArray[np.float64]]]) -> None:
        """See CollisionChecking."""
        if (problem := self.problem) is not None:
            raise ValueError(problem)
        assert self._robot is not None
        assert self._feedback is not None
        assert self._checker is not None
        positions = self._feedback.read(self._now())
        assert not isinstance(positions, str)
        by_name = dict(zip(self._robot.joints, positions.tolist(), strict=True))
        motion = [[step, *displacement.tolist()] for step, displacement in way]
        if frame_id in self._robot.links:
            self._checker.ask(CollisionQuestion(by_name, motion, frame_id))
            return
        placed = self._tree.lookup(self._robot.root, frame_id)
        if isinstance(placed, str):
            raise ValueError(f"Collisions cannot be checked (collision_check): {placed}.")
        if self._tree.stamp_ns(self._robot.root, frame_id) is not None:
            raise ValueError(
                f"Collisions cannot be checked (collision_check): the action's frame {frame_id!r} moves, and is no "
                "link of the robot description."
            )
        self._checker.ask(CollisionQuestion(by_name, motion, "", rotation_of(placed.transform).ravel().tolist()))

    def answer(self) -> FoundCollision | str | None:
        """See CollisionChecking."""
        if self._checker is None:
            raise ValueError("The robot description has changed during the collision check.")
        return self._checker.answer()

    def late(self, timeout: float) -> str:
        """See CollisionChecking."""
        assert self._checker is not None
        return self._checker.late(timeout)

    def close(self) -> None:
        """Ends its process."""
        if self._checker is not None:
            self._checker.close()
            self._checker = None

    def _now(self) -> float:
        return convert.seconds(int(self._node.get_clock().now().nanoseconds))

    def _set_up(self, robot: RobotShapes, positions: NDArray[np.float64]) -> str:
        """Starts the process. What nothing can be checked for yet, as a sentence."""
        inside, at = robot.root, [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
        if self._boxes_frame in robot.links:
            inside = self._boxes_frame
        elif self._boxes:
            placed = self._tree.lookup(robot.root, self._boxes_frame)
            if isinstance(placed, str):
                return f"Collisions cannot be checked (collision_check), forbidden_boxes are nowhere: {placed}."
            place, turn = placed.transform.translation, placed.transform.rotation
            at = [place.x, place.y, place.z, turn.w, turn.x, turn.y, turn.z]
        rest = dict(zip(robot.joints, positions.tolist(), strict=True))
        setup = CollisionSetup(
            robot.urdf, self._tip, self._margin, self._boxes, inside, at, allowed=self._allowed, rest=rest
        )
        self._checker = CollisionChecker(setup)
        return self._checker.problem or "The collision checker is starting."

    def _on_description(self, message: String) -> None:
        self.close()
        self._robot = self._feedback = self._refusal = None
        try:
            self._robot = RobotShapes(message.data)
        except (ChainError, PackageNotFoundError) as error:
            self._refusal = str(error).strip("'\"")
        else:
            self._feedback = JointFeedback(self._robot.joints, MAX_AGE)

    def _on_semantic(self, message: String) -> None:
        """An SRDF: pairs of links that MoveIt does not check either."""
        try:
            disabled = parse_robot(message.data).findall("disable_collisions")
        except ChainError as error:
            self._node.drop("robot_description_semantic", str(error))
            return
        allowed = [[pair.get("link1", ""), pair.get("link2", "")] for pair in disabled]
        if allowed != self._allowed:
            self._allowed = allowed
            self.close()

    def _on_joints(self, message: JointState) -> None:
        if self._feedback is None:
            return
        stamp = convert.stamp_seconds(message.header.stamp)
        refused = self._feedback.put(list(message.name), list(message.position), stamp, self._now())
        if refused is not None:
            self._node.drop("joint_states", refused)


class RobotShapes:
    """What the check needs of a robot description.

    urdf: without visual shapes; of meshes the paths. root: the link at the top. joints: that move independently.
    """

    def __init__(self, urdf: str) -> None:
        """Raises ChainError, and PackageNotFoundError for a mesh in a package that is not installed."""
        robot = parse_robot(urdf)
        above = joints_above(robot)
        self.links = [str(link.get("name")) for link in robot.findall("link")]
        roots = [link for link in self.links if link not in above]
        if len(roots) != 1:
            raise ChainError(f"The URDF is not a tree: {len(roots)} links have no parent joint, expected 1.")
        self.root = roots[0]
        moving = [joint for joint in robot.findall("joint") if joint.get("type") != "fixed"]
        others = [str(joint.get("name")) for joint in moving if joint.get("type") not in MOVES]
        if others:
            raise ChainError(f"The joint {others[0]!r} is of a type that is not checked; expected {', '.join(MOVES)}.")
        self.joints = [str(joint.get("name")) for joint in moving if joint.find("mimic") is None]
        for link in robot.findall("link"):
            for visual in link.findall("visual"):
                link.remove(visual)
        for mesh in robot.iter("mesh"):
            mesh.set("filename", in_share(mesh.get("filename", ""), get_package_share_directory))
        self.urdf = ET.tostring(robot, encoding="unicode")
