"""Whether an action would bring the arm into a collision: it is kept until that is known, and denied by default."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.arms.collision_protocol import FoundCollision
from rt_vla_ros.control.limits import places
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.nodes.mujoco_check import MujocoCheck
from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.nodes.transform_tree import TransformTree

LOOK_AGAIN = 0.004  # for an answer [s]
Way = list[tuple[int, NDArray[np.float64]]]
Outlook = Callable[[ChunkMsg, ActionChunk], Way]
Decided = Callable[[ChunkMsg, ActionChunk, str | None], None]


class CollisionChecking(Protocol):
    """Answers one question at a time and never waits. problem: why it cannot be asked now, as a sentence.

    closeness: of two bodies that collide, in words.
    """

    closeness: str

    @property
    def problem(self) -> str | None: ...

    def poll(self) -> None:
        """To be called often while no answer is pending."""

    def ask(self, frame_id: str, way: Way) -> None:
        """way: see Controller.outlook, in the axes of a frame. Raises ValueError, a sentence, if it cannot be asked."""

    def answer(self) -> FoundCollision | str | None:
        """The collision; "" for none; None without an answer yet. Raises ValueError, a sentence, if none comes."""

    def late(self, timeout: float) -> str:
        """No answer came within `timeout` [s]. A sentence."""

    def close(self) -> None: ...


class _Kept(NamedTuple):
    message: ChunkMsg
    chunk: ActionChunk
    deadline: float  # of the steady clock [s]


class CollisionCheck:
    """Of the smoother node. Of the actions that come during a check the newest is checked next."""

    def __init__(
        self,
        node: GuardedNode,
        checking: CollisionChecking,
        values: Mapping[str, Any],
        outlook: Outlook,
        decided: Decided,
    ) -> None:
        """See make_collision_check."""
        self._checking, self._outlook, self._decided = checking, outlook, decided
        self._timeout = values["collision_timeout"]
        self._asked: _Kept | None = None
        self._next: _Kept | None = None
        self._timer = node.create_timer(LOOK_AGAIN, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._timer.cancel()

    @property
    def problem(self) -> str | None:
        """Why no action can be checked now, so that none moves the arm, as a sentence."""
        return self._checking.problem

    def keep(self, message: ChunkMsg, chunk: ActionChunk) -> None:
        """Keeps a valid action; `decided` is called with it, unless a newer one comes or it is dropped."""
        self._next = _Kept(message, chunk, time.monotonic() + self._timeout)
        if self._asked is None:
            self._ask()

    def drop(self) -> None:
        """Forgets the actions that are kept; a check that is running counts for nothing."""
        self._asked = self._next = None
        self._timer.cancel()

    def tick(self) -> None:
        """To be called often, for what happens while there is no action."""
        if self._asked is None:
            self._checking.poll()

    def close(self) -> None:
        """Ends what was started for it."""
        self.drop()
        self._checking.close()

    def _ask(self) -> None:
        kept, self._asked, self._next = self._next, self._next, None
        if kept is None:
            self._timer.cancel()
            return
        try:
            way = self._outlook(kept.message, kept.chunk)
            if way:
                self._checking.ask(kept.message.header.frame_id.lstrip("/"), way)
                self._timer.reset()
                return
            self._decide(kept, None)  # the time of all its steps has passed
        except ValueError as error:
            self._decide(kept, str(error))

    def _look(self) -> None:
        kept = self._asked
        if kept is None:
            self._timer.cancel()
            return
        try:
            found = self._checking.answer()
        except ValueError as error:
            self._decide(kept, str(error))
            return
        if found is not None:
            self._decide(kept, self._refusal(kept.chunk, found) if isinstance(found, FoundCollision) else None)
        elif time.monotonic() > kept.deadline:
            self._decide(kept, self._checking.late(self._timeout))

    def _decide(self, kept: _Kept, refusal: str | None) -> None:
        self._asked = None
        self._decided(kept.message, kept.chunk, refusal)
        if self._asked is None:
            self._ask()

    def _refusal(self, chunk: ActionChunk, found: FoundCollision) -> str:
        one, other = found.bodies
        place = [*places(len(chunk.steps))][found.step]
        return f"The action{place} would bring {one} {self._checking.closeness} {other} (collision_check)."


def make_collision_check(
    node: GuardedNode, tree: TransformTree, values: Mapping[str, Any], outlook: Outlook, decided: Decided
) -> CollisionCheck | None:
    """None if it is off. values: the smoother's parameters. outlook: where an action would lead from now on. decided:
    called with an action, and a sentence if it is refused. Raises StartError.
    """
    if not values["collision_check"]:
        return None
    if not values["tip_frame"].strip("/"):
        raise StartError(
            "The collision check needs the parameter 'tip_frame': the link of the robot description that the actions "
            "move."
        )
    if values["collision_check"] == "mujoco":
        return CollisionCheck(node, MujocoCheck(node, tree, values), values, outlook, decided)
    for name in ("workspace_frame", "moveit_group"):
        if not values[name].strip("/"):
            raise StartError(f"The collision check by MoveIt needs the parameter {name!r}.")
    try:
        from rt_vla_ros.nodes.moveit_check import MoveItCheck
    except ImportError as error:
        raise StartError(f"The collision check by MoveIt needs the package moveit_msgs: {error}.") from error
    return CollisionCheck(node, MoveItCheck(node, tree, values), values, outlook, decided)
