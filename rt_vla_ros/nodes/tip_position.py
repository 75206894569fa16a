"""Where the end effector is, by TF: only needed where the workspace has walls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rclpy.node import Node
from rclpy.time import Time

from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.nodes.transform_tree import TransformTree

# A transform older than this [s], or this far in the future, says nothing of where the arm is now.
MAX_AGE = 0.5


class TipPosition:
    """Looks the tip's position up in TF.

    The walls stand in `workspace_frame`, and so must the actions: in a frame that moves with the arm, such as that of
    the flange, the tip never comes nearer to a wall.

    problem: why it is not known, in a sentence; None while it is.
    """

    def __init__(self, node: Node, tree: TransformTree, tip_frame: str, workspace_frame: str) -> None:
        self._node, self._tree, self._tip_frame, self._workspace_frame = node, tree, tip_frame, workspace_frame
        self.problem: str | None = None

    def position(self, frame_id: str) -> tuple[float, float, float] | None:
        """Of the tip in the frame `frame_id` of the actions [m]; None where it is not known."""
        if not frame_id:
            return None
        if frame_id != self._workspace_frame:
            self.problem = (
                f"The workspace has walls in the frame {self._workspace_frame!r} (workspace_frame), "
                f"and the actions are given in {frame_id!r}."
            )
            return None
        transform = self._tree.lookup(frame_id, self._tip_frame)
        if isinstance(transform, str):
            self._unknown(transform)
            return None
        age = (self._node.get_clock().now() - Time.from_msg(transform.header.stamp)).nanoseconds / 1e9
        if abs(age) > MAX_AGE:
            when = f"is {age:.3g} s old" if age > 0 else f"lies {-age:.3g} s in the future"
            self._unknown(f"the last transform {when}")
            return None
        self.problem = None
        at = transform.transform.translation
        return at.x, at.y, at.z

    def _unknown(self, why: str) -> None:
        self.problem = f"The workspace has walls, and TF does not know where the arm is: {why}."


def make_tip_position(node: Node, tree: TransformTree, values: Mapping[str, Any]) -> TipPosition | None:
    """None where the workspace has no walls. Raises StartError where it has some and a frame is not named."""
    walls = (*values["workspace_low"], *values["workspace_high"])
    if not any(map(math.isfinite, walls)):
        return None
    tip, workspace = values["tip_frame"], values["workspace_frame"]
    if not tip:
        raise StartError(
            "The workspace has walls, so the parameter 'tip_frame' must name the TF frame of the end effector."
        )
    if not workspace or workspace == tip:
        raise StartError(
            f"The workspace has walls, but 'workspace_frame' is {workspace!r}: name the TF frame that they "
            "and the actions are given in, one that does not move with the arm."
        )
    return TipPosition(node, tree, tip, workspace)
