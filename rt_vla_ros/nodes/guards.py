"""Preconditions of any motion, whatever the action; denied by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rclpy.node import Node

from rt_vla_ros.control.status import Command
from rt_vla_ros.nodes.arm_watch import ArmWatch
from rt_vla_ros.nodes.deadman import Deadman
from rt_vla_ros.nodes.following import make_following
from rt_vla_ros.nodes.transform_tree import TransformTree
from rt_vla_ros.nodes.velocity_rivals import VelocityRivals


class Guards:
    """Of the smoother node, as its parameters ask for them; a request that one of them ends stays ended."""

    def __init__(self, node: Node, tree: TransformTree, values: Mapping[str, Any]) -> None:
        """values: the smoother's parameters. Raises StartError."""
        base = ("base_twist_cmds",) if values["drive_base"] else ()
        self._rivals = VelocityRivals(node, "delta_twist_cmds", *base)
        self._arm = ArmWatch(node) if values["require_arm_status"] else None
        timeout = values["deadman_timeout"]
        self._deadman = Deadman(node, timeout) if timeout > 0 else None
        self._following = make_following(tree, values)
        if self._arm is not None and self._following is None:
            node.get_logger().warning(
                "Motion is not monitored (whether the arm follows): set follow_time (0.4 s), tip_frame and "
                "workspace_frame."
            )

    def denied(self, *, human: bool = False) -> str | None:
        """Why nothing may move now, as a sentence. human: by a human, who holds a deadman of teleoperation instead."""
        for guard in (self._rivals, None if human else self._deadman, self._arm):
            if guard is not None and (problem := guard.problem) is not None:
                return problem
        return None if self._following is None else self._following.look()

    def does_not_follow(self) -> str | None:
        """Describes the deviation of an arm that does not follow, as a sentence."""
        return None if self._following is None else self._following.alarm()

    @property
    def is_repeated(self) -> bool:
        """Whether this is not the first time in a row."""
        return self._following is not None and self._following.in_a_row > 1

    def released(self) -> None:
        """The stop was released by an operator."""
        if self._following is not None:
            self._following.forgive()

    def tick(self, command: Command, now: float, *, commanding: bool, watching: bool) -> None:
        """What the arm is commanded from `now` [s] on; see Following."""
        if self._following is not None:
            self._following.tick(command, now, commanding=commanding, watching=watching)
