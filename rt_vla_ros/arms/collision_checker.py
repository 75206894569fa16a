"""The node's side of the collision checker's process, which never waits."""

from __future__ import annotations

import time
from collections.abc import Callable

from rt_vla_ros.arms.collision_protocol import CollisionQuestion, CollisionSetup, FoundCollision
from rt_vla_ros.arms.solver_messages import Kind
from rt_vla_ros.arms.solver_process import SolverProcess, text_of


class CollisionChecker(SolverProcess):
    """One question at a time: `ask`, then `answer` until there is one, or `late`."""

    title = "The collision checker"
    module = "collision_process"
    remedy = "After fixing this, restart the smoother."

    def __init__(self, setup: CollisionSetup, python: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        """See SolverProcess."""
        super().__init__(setup.to_bytes(), python, clock)

    def ask(self, question: CollisionQuestion) -> None:
        """Only without a `problem`."""
        self._request(question.to_bytes())

    def answer(self) -> FoundCollision | str | None:
        """What the last question's motion collides with, "" for no collision, None without an answer.

        Raises ValueError if the question cannot be answered, and if the process has ended.
        """
        reply = self._reply(0.0)
        if reply is None:
            if self.problem is not None:
                raise ValueError(self.problem)
            return None
        if reply.kind is not Kind.SOLVED:
            raise ValueError(f"{self.title} cannot answer: {text_of(reply)}.")
        return FoundCollision.from_bytes(reply.payload) if reply.payload else ""

    def late(self, timeout: float) -> str:
        """The last question was not answered within `timeout` [s]: nothing is asked until it is. A sentence."""
        self._late(timeout)
        return self.problem or f"{self.title} has not answered."
