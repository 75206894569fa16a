"""Where the end effector is, by TF: only needed where the workspace has walls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from rt_vla_ros.nodes.running import StartError
from rt_vla_ros.nodes.transform_tree import TransformTree

# A transform older than this [s] says nothing of where the arm is now.
MAX_AGE = 0.5


class TipPosition:
    """Looks the tip's position up in TF.

    problem: why it is not known, in a sentence; None while it is.
    """

    def __init__(self, node: Node, tree: TransformTree, tip_frame: str) -> None:
        self._node, self._tree, self._tip_frame = node, tree, tip_frame
        self.problem: str | None = None

    def position(self, frame_id: str) -> tuple[float, float, float] | None:
        """Of the tip in the frame `frame_id` [m]; None where it is not known."""
        if not frame_id:
            return None
        if frame_id == self._tip_frame:
            self._unknown(f"the actions are given in the frame of the tip itself ({frame_id}), in which it never moves")
            return None
        transform = self._tree.lookup(frame_id, self._tip_frame)
        if isinstance(transform, str):
            self._unknown(transform)
            return None
        age = self._node.get_clock().now() - Time.from_msg(transform.header.stamp)
        if age > Duration(seconds=MAX_AGE):
            self._unknown(f"the last transform is {age.nanoseconds / 1e9:.3g} s old")
            return None
        self.problem = None
        at = transform.transform.translation
        return at.x, at.y, at.z

    def _unknown(self, why: str) -> None:
        self.problem = f"The workspace has walls, and TF does not know where the arm is: {why}."


def make_tip_position(node: Node, tree: TransformTree, values: Mapping[str, Any]) -> TipPosition | None:
    """None where the workspace has no walls. Raises StartError where it has some and no frame is named."""
    walls = (*values["workspace_low"], *values["workspace_high"])
    if not any(map(math.isfinite, walls)):
        return None
    if not values["tip_frame"]:
        raise StartError(
            "The workspace has walls, so the parameter 'tip_frame' must name the TF frame of the end effector."
        )
    return TipPosition(node, tree, values["tip_frame"])
