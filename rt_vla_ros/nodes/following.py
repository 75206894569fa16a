"""Whether the arm follows: compares the tip's motion in TF with the commanded velocities, for the smoother node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from geometry_msgs.msg import Transform

from rt_vla_ros.control.follow_watch import FollowWatch
from rt_vla_ros.control.status import Command
from rt_vla_ros.control.track import STILL
from rt_vla_ros.nodes.conversions import seconds
from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.nodes.transform_tree import TransformTree, rotation_of


class Following:
    """Feeds a FollowWatch, in the axes of `workspace_frame`: those of the actions may move with the arm."""

    def __init__(
        self, tree: TransformTree, watch: FollowWatch, tip_frame: str, workspace_frame: str, gap: float
    ) -> None:
        """gap: a pause between two ticks [s] after which nobody knows what the arm did."""
        self._tree, self._watch, self._gap = tree, watch, gap
        self._tip_frame, self._workspace_frame = tip_frame, workspace_frame
        self._last: float | None = None

    def look(self) -> str | None:
        """Reads the tip's newest pose; why nobody can know whether the arm follows, as a sentence, else None."""
        placed = self._tree.lookup(self._workspace_frame, self._tip_frame)
        if isinstance(placed, str):
            return f"Whether the arm follows cannot be checked (follow_time): {placed}."
        at = placed.transform.translation
        self._watch.measure(seconds(placed.at_ns), np.array([at.x, at.y, at.z]), _quaternion(placed.transform))
        return None

    def alarm(self) -> str | None:
        """Describes the deviation of an arm that does not follow, as a sentence."""
        return self._watch.alarm()

    def forgive(self) -> None:
        """See FollowWatch."""
        self._watch.forgive()

    @property
    def in_a_row(self) -> int:
        """How many times in a row it did not follow."""
        return self._watch.alarms

    def tick(self, command: Command, now: float, *, commanding: bool, watching: bool) -> None:
        """What the arm is commanded from `now` [s] on. commanding: whether a command is sent. watching: whether a
        request runs.
        """
        if self._last is not None and not 0 <= now - self._last <= self._gap:
            self._watch.reset()
        self._last = now
        self._watch.tick(now, self._told(command) if commanding else STILL, watching=watching)

    def _told(self, command: Command) -> np.ndarray:
        told = np.stack([command.linear, command.angular])
        if told.any() and command.frame_id.lstrip("/") != self._workspace_frame:
            placed = self._tree.lookup(self._workspace_frame, command.frame_id)
            if not isinstance(placed, str):
                told = told @ rotation_of(placed.transform).T
        return told.ravel()


def _quaternion(transform: Transform) -> np.ndarray:
    """As w, x, y, z."""
    turn = transform.rotation
    quaternion = np.array([turn.w, turn.x, turn.y, turn.z])
    unit: np.ndarray = quaternion / np.linalg.norm(quaternion)
    return unit


def make_following(tree: TransformTree, values: Mapping[str, Any]) -> Following | None:
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
    return Following(tree, watch, tip, workspace, values["max_tick_gap"])
