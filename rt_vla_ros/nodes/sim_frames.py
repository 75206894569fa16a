"""Velocities in any frame of TF, for the simulated arm."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rt_vla_ros.action_space.frames import BASE_LINK
from rt_vla_ros.control.twist import Twist
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.nodes.transform_tree import TransformTree, rotation_of
from rt_vla_ros.sim import TabletopSim


class SimFrames:
    """Knows the arm's own frames exactly; looks up other frames in TF."""

    def __init__(self, node: GuardedNode, sim: TabletopSim, clock: Callable[[], int]) -> None:
        """clock: of the stamps on /tf [ns]."""
        self._node, self._sim, self._clock = node, sim, clock
        self._tree: TransformTree | None = None

    def resolve(self, twist: Twist) -> Twist | str:
        """The same velocity in a frame of the simulated arm, or why it is not followed, as a sentence."""
        if not np.isfinite([twist.linear, twist.angular]).all():
            return "A velocity with a non-finite value was rejected."
        if twist.frame_id in self._sim.frames:
            return twist
        self._tree = self._tree or TransformTree(self._node, self._clock)
        unknown = self._tree.refuse(twist.frame_id, self._sim.frames)
        if unknown is not None:
            return f"A velocity was rejected. {unknown}"
        placed = self._tree.lookup(BASE_LINK, twist.frame_id)
        if isinstance(placed, str):
            return f"A velocity in the frame {twist.frame_id!r} was rejected: {placed}"
        axes = rotation_of(placed.transform)
        return Twist(axes @ twist.linear, axes @ twist.angular)
