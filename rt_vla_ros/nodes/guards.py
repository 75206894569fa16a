"""Preconditions of any motion, whatever the action; denied by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rt_vla_ros.control.status import Command, State
from rt_vla_ros.nodes.arm_watch import ArmWatch
from rt_vla_ros.nodes.base_odometry import make_base_following
from rt_vla_ros.nodes.deadman import Deadman
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.nodes.tip_motion import make_arm_following
from rt_vla_ros.nodes.transform_tree import TransformTree
from rt_vla_ros.nodes.velocity_rivals import VelocityRivals


class Guards:
    """Of the smoother node, as its parameters ask for them; a request that one of them ends stays ended."""

    def __init__(self, node: GuardedNode, tree: TransformTree, values: Mapping[str, Any]) -> None:
        """values: the smoother's parameters. Raises StartError."""
        base = ("base_twist_cmds",) if values["drive_base"] else ()
        self._rivals = VelocityRivals(node, "delta_twist_cmds", *base)
        self._arm = ArmWatch(node) if values["require_arm_status"] else None
        timeout = values["deadman_timeout"]
        self._deadman = Deadman(node, timeout) if timeout > 0 else None
        self._arm_following, self._base_following = make_arm_following(tree, values), make_base_following(node, values)
        self._followings = [one for one in (self._arm_following, self._base_following) if one is not None]
        if self._arm is not None and self._arm_following is None:
            node.get_logger().warning(
                "Motion is not monitored (whether the arm follows): set follow_time (0.4 s), tip_frame and "
                "workspace_frame."
            )
        if base and self._base_following is None:
            node.get_logger().warning(
                "Motion of the base is not monitored (whether it follows): set base_follow_time (1 s) and remap "
                "base_odometry."
            )

    def denied(self, *, human: bool = False) -> str | None:
        """Why nothing may move now, as a sentence. human: by a human, who holds a deadman of teleoperation instead,
        and does not drive the base.
        """
        for guard in (self._rivals, None if human else self._deadman, self._arm):
            if guard is not None and (problem := guard.problem) is not None:
                return problem
        watched = (self._arm_following, None if human else self._base_following)
        looks = (following.look() for following in watched if following is not None)
        return next(filter(None, looks), None)

    def does_not_follow(self) -> str | None:
        """Describes the deviation of an arm or a base that does not follow, as a sentence."""
        slowed = self._arm.slowed if self._arm is not None else None
        causes = ((one, slowed if one is self._arm_following else None) for one in self._followings)
        return next(filter(None, (following.alarm(cause) for following, cause in causes)), None)

    @property
    def is_repeated(self) -> bool:
        """Whether this is not the first time in a row."""
        return any(following.alarm() is not None and following.in_a_row > 1 for following in self._followings)

    def released(self) -> None:
        """The stop was released by an operator."""
        for following in self._followings:
            following.forgive()

    def tick(self, command: Command, now: float, *, commanding: bool, watching: bool) -> None:
        """What the robot is commanded from `now` [s] on; see Following. While a human is in control, others may drive
        the base.
        """
        if self._arm_following is not None:
            self._arm_following.tick(command, now, commanding=commanding, watching=watching)
        if self._base_following is not None:
            policy = watching and command.state is not State.HUMAN
            self._base_following.tick(command, now, commanding=commanding, watching=policy)
