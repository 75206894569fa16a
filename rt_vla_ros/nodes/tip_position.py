"""The end effector's position by TF: only needed if the workspace has walls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rt_vla_ros.nodes.conversions import seconds
from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.nodes.transform_tree import TransformTree


class TipPosition:
    """Looks the tip's position up in TF.

    The walls are fixed in `workspace_frame`, and the actions must use it as well: in a frame that moves with the arm,
    such as the flange's, the tip never approaches a wall.

    problem: why it is unknown, as a sentence; None while it is known.
    """

    def __init__(self, tree: TransformTree, tip_frame: str, workspace_frame: str) -> None:
        self._tree, self._tip_frame, self._workspace_frame = tree, tip_frame, workspace_frame
        self.problem: str | None = None

    def position(self, frame_id: str) -> tuple[tuple[float, float, float], float] | None:
        """Of the tip in the frame `frame_id` of the actions [m], and when it was there [s]; None while unknown."""
        if not frame_id:
            return None
        if frame_id != self._workspace_frame:
            self.problem = (
                f"The workspace has walls in the frame {self._workspace_frame!r} (workspace_frame), but the actions "
                f"are in {frame_id!r}."
            )
            return None
        placed = self._tree.lookup(frame_id, self._tip_frame)
        if isinstance(placed, str):
            self.problem = f"The workspace has walls, but TF does not give the arm's position: {placed}."
            return None
        self.problem = None
        at = placed.transform.translation
        return (at.x, at.y, at.z), seconds(placed.at_ns)


def has_walls(values: Mapping[str, Any]) -> bool:
    """Whether the workspace has walls, including those of forbidden boxes. values: the smoother's parameters.

    Raises StartError if it has some and a frame is not named.
    """
    walls = (*values["workspace_low"], *values["workspace_high"])
    if not any(map(math.isfinite, walls)) and not any(values["forbidden_boxes"]):
        return False
    tip, workspace = values["tip_frame"].lstrip("/"), values["workspace_frame"].lstrip("/")
    if not tip:
        raise StartError(
            "The workspace has walls, so the parameter 'tip_frame' must name the TF frame of the end effector."
        )
    if not workspace or workspace == tip:
        raise StartError(
            f"The workspace has walls, but 'workspace_frame' is {workspace!r}: name the TF frame of the walls and "
            "the actions, one that does not move with the arm."
        )
    return True


def make_tip_position(tree: TransformTree, values: Mapping[str, Any]) -> TipPosition | None:
    """None if the workspace has no walls. Raises StartError, see `has_walls`."""
    if not has_walls(values):
        return None
    return TipPosition(tree, *(values[name].lstrip("/") for name in ("tip_frame", "workspace_frame")))
