"""The node's side of the inverse kinematics process."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from rt_vla_ros.arms.ik_protocol import IkRequest, IkSetup, IkSolution
from rt_vla_ros.arms.solver_messages import Kind, SolverMessage
from rt_vla_ros.arms.solver_process import SolverProcess, text_of


class IkSolver(SolverProcess):
    """Requests velocities with a timeout."""

    title = "The inverse kinematics solver"
    module = "ik_process"
    remedy = "After fixing this, disable and enable the bridge (its ~/enable)."

    def __init__(self, setup: IkSetup, python: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        """See SolverProcess."""
        super().__init__(setup.to_bytes(), python, clock)
        self._joints, self._fastest = len(setup.joints), np.array(setup.velocity)
        self._refused: str | None = None

    @property
    def refusal(self) -> str | None:
        """Why the last request has no solution though the solver answered, as a sentence."""
        return self._refused

    def solve(self, request: IkRequest, timeout: float) -> IkSolution | None:
        """The answer; None if there is none within `timeout` [s], and `problem` says why. A late one is dropped."""
        self.poll()
        if self.problem is not None:
            return None
        self._request(request.to_bytes())
        answer = self._reply(timeout)
        if answer is None:
            self._late(timeout)
            return None
        return self._solution(answer)

    def _solution(self, answer: SolverMessage) -> IkSolution | None:
        """A refusal or non-finite values are not a solution, but no reason for a restart."""
        try:
            if answer.kind is not Kind.SOLVED:
                raise ValueError(text_of(answer))
            solution = IkSolution.from_bytes(answer.payload, self._joints)
            if not np.isfinite(solution.velocities).all() or not np.isfinite(solution.pose).all():
                raise ValueError("it has a non-finite value")
            if (np.abs(solution.velocities) > 1.001 * self._fastest + 1e-6).any():
                raise ValueError("a joint would exceed its maximum velocity")
        except ValueError as error:
            self._refused = f"The inverse kinematics has no solution here: {error}."
            return None
        self._refused = None
        return solution
