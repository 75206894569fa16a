"""Whether the arm follows: its tip's motion in TF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from geometry_msgs.msg import Transform

from rt_vla_ros.control.follow_watch import FollowWatch
from rt_vla_ros.control.status import Command
from rt_vla_ros.nodes.conversions import seconds
from rt_vla_ros.nodes.following import Following, MeasuredPose, Vector
from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.nodes.transform_tree import TransformTree, rotation_of


class TipMotion:
    """In the axes of `workspace_frame`: those of the actions may move with the arm. See WatchedMotion."""

    def __init__(self, tree: TransformTree, tip_frame: str, workspace_frame: str) -> None:
        self._tree, self._tip_frame, self._workspace_frame = tree, tip_frame, workspace_frame

    def measured(self) -> MeasuredPose | str:
        """The tip's newest pose."""
        placed = self._tree.lookup(self._workspace_frame, self._tip_frame)
        if isinstance(placed, str):
            return placed
        at = placed.transform.translation
        return MeasuredPose(seconds(placed.at_ns), np.array([at.x, at.y, at.z]), _quaternion(placed.transform))

    def told(self, command: Command) -> Vector:
        """The tip's commanded velocity."""
        told = np.stack([command.linear, command.angular])
        if told.any() and command.frame_id.lstrip("/") != self._workspace_frame:
            placed = self._tree.lookup(self._workspace_frame, command.frame_id)
            if not isinstance(placed, str):
                told = told @ rotation_of(placed.transform).T
        return told.ravel()


def _quaternion(transform: Transform) -> Vector:
    """As w, x, y, z."""
    turn = transform.rotation
    quaternion = np.array([turn.w, turn.x, turn.y, turn.z])
    unit: Vector = quaternion / np.linalg.norm(quaternion)
    return unit


def make_arm_following(tree: TransformTree, values: Mapping[str, Any]) -> Following | None:
    """None if follow_time is 0. values: the smoother's parameters. Raises StartError."""
    if values["follow_time"] == 0:
        return None
    tip, workspace = values["tip_frame"].lstrip("/"), values["workspace_frame"].lstrip("/")
    if not tip or not workspace or tip == workspace:
        raise StartError(
            "With follow_time the parameters 'tip_frame' and 'workspace_frame' must name the TF frames of the end "
            f"effector and of one that does not move with the arm; they are {tip!r} and {workspace!r}."
        )
    try:
        watch = FollowWatch(values["follow_time"], values["follow_tolerance"])
    except ValueError as error:
        raise StartError(f"Invalid parameters of the smoother: {error}.") from error
    return Following(watch, TipMotion(tree, tip, workspace), values["max_tick_gap"])
