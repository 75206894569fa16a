"""A stand-in for the two services of MoveIt's move_group that the collision check uses.

As moveit2's cartesian_path_service_capability.cpp and cartesian_interpolator.cpp (branch jazzy) have it: the way starts
with the start state, which is not checked; it ends before the first state that collides, and the fraction counts the
waypoints reached and the part of the next one. Its arm is a point that collides beyond a wall.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from moveit_msgs.msg import CollisionObject, ContactInformation, MoveItErrorCodes
from moveit_msgs.srv import GetCartesianPath, GetStateValidity
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectoryPoint

from rt_vla_ros.arms.panda_urdf import NAMES

GROUP = "panda_arm"


class StandInMoveGroup(Node):
    """wall: the tip collides where x is less [m]. tip: where it starts. objects: that were added. asked: requests.

    reaches: the inverse kinematics finds no way farther than this along x. bodies: in contact in a colliding state.
    """

    def __init__(self, wall: float = -math.inf) -> None:
        super().__init__("move_group")
        self.wall, self.reaches, self.tip = wall, math.inf, np.array([0.307, 0.0, 0.59])
        self.objects: list[Any] = []
        self.asked: list[Any] = []
        self.bodies = ("panda_link4", "forbidden box 1")
        self.create_service(GetCartesianPath, "compute_cartesian_path", self._on_path)
        self.create_service(GetStateValidity, "check_state_validity", self._on_state)
        self.create_subscription(CollisionObject, "collision_object", self.objects.append, 100)

    def _on_path(self, request: Any, response: Any) -> Any:
        self.asked.append(request)
        if request.group_name != GROUP:
            response.error_code.val = MoveItErrorCodes.INVALID_GROUP_NAME
            return response
        response.error_code.val = MoveItErrorCodes.SUCCESS
        way, done, states = self.tip, 0.0, [self.tip]
        for pose in request.waypoints:
            target = np.array([pose.position.x, pose.position.y, pose.position.z])
            count = max(1, math.ceil(np.linalg.norm(target - way) / request.max_step))
            free = [way + (target - way) * number / count for number in range(1, count + 1)]
            for number, state in enumerate(free):
                if (request.avoid_collisions and state[0] < self.wall) or state[0] > self.reaches:
                    free = free[:number]
                    break
            states += free
            done += len(free) / count
            if len(free) < count:
                break
            way = target
        response.fraction = done / len(request.waypoints)
        trajectory = response.solution.joint_trajectory
        trajectory.joint_names = list(NAMES)
        trajectory.points = [
            JointTrajectoryPoint(positions=[*map(float, state), 0.0, 0.0, 0.0, 0.0]) for state in states
        ]
        return response

    def _on_state(self, request: Any, response: Any) -> Any:
        self.asked.append(request)
        joints = dict(zip(request.robot_state.joint_state.name, request.robot_state.joint_state.position, strict=True))
        response.valid = joints[NAMES[0]] >= self.wall  # its point's x
        if not response.valid:
            one, other = self.bodies
            response.contacts = [ContactInformation(contact_body_1=one, contact_body_2=other)]
        return response
