"""A joint commander with an arm that is played: its joints follow what they are told within a period."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from types import TracebackType

import numpy as np

from rt_vla_ros.arms.chain import read_chain
from rt_vla_ros.arms.ik_protocol import IkRequest, IkSetup
from rt_vla_ros.arms.ik_solver import IkSolver
from rt_vla_ros.arms.joint_commander import CommanderSettings, JointCommander
from rt_vla_ros.arms.panda_urdf import JOINTS, NAMES, READY, TIP, panda_urdf

PERIOD = 0.01
PATIENCE = 60.0  # [s]


_shared: dict[str, IkSolver] = {}


def shared_solver(setup: IkSetup, python: str) -> IkSolver:
    """One process for all tests that only ask it."""
    key = json.dumps(asdict(setup))
    if key not in _shared or _shared[key].problem:
        _shared[key] = IkSolver(setup, python)
    return _shared[key]


class PlayedJoints:
    """Time is played too, so that nothing depends on the machine but the solver's answers.

    positions: of the joints, in the commander's order. stuck: they do not move.
    """

    def __init__(
        self, interface: str, joints: tuple[str, ...] = NAMES, python: str = "", *, shared: bool = True
    ) -> None:
        """shared: the solver's process is that of other tests too, so nothing may happen to it."""
        chain = read_chain(panda_urdf(), TIP).with_accelerations(5.0)
        self.interface = interface
        settings = CommanderSettings(
            interface=interface, period=PERIOD, solver_python=python, patience=500 if shared else 2
        )
        make = (IkSolver, shared_solver)[shared]
        self._close = not shared
        self.commander = JointCommander(chain, joints, settings, make)
        order = [NAMES.index(name) for name in joints]
        self.positions = np.array(READY)[order]
        self.lower, self.upper = (np.array([JOINTS[i][place] for i in order]) for place in (3, 4))
        self.now, self.stuck = 1000.0, False
        self._told: dict[int, float] = {}
        self._silent = False

    def __enter__(self) -> PlayedJoints:
        if not self.commander.solver.problem or "cannot" not in self.commander.solver.problem:
            deadline = time.monotonic() + PATIENCE
            while self.commander.solver.started == 1 and self.commander.solver.problem:
                self.commander.solver.poll()
                assert time.monotonic() < deadline, self.commander.solver.problem
                time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._close:
            self.commander.close()

    def tick(self, twist: np.ndarray | None) -> np.ndarray | None:
        """A period; the command."""
        self.now += PERIOD
        if not self._silent:
            said = [self._told.get(i, position) for i, position in enumerate(self.positions.tolist())]
            assert self.commander.feedback.put(self.commander.joints, said, self.now, self.now) is None
        command = self.commander.tick(self.now, twist)
        if command is not None and not self.stuck:
            self.positions = command.copy() if self.interface == "position" else self.positions + PERIOD * command
        return command

    def drive(self, twist: list[float], seconds: float) -> None:
        for _ in range(round(seconds / PERIOD)):
            self.tick(np.array(twist, dtype=np.float64))

    def rest(self, seconds: float = 0.5) -> None:
        for _ in range(round(seconds / PERIOD)):
            self.tick(None)

    def until_ready(self) -> None:
        """In real time, for the solver's process is a real one."""
        deadline = time.monotonic() + PATIENCE
        while self.commander.reason is not None:
            assert time.monotonic() < deadline, self.commander.reason
            self.tick(None)
            time.sleep(PERIOD)

    def say(self, joint: int, position: float) -> None:
        """What the joint states say of a joint from now on."""
        self._told[joint] = position

    def hold_states(self) -> None:
        """No joint states come any more."""
        self._silent = True

    def pose(self) -> np.ndarray:
        """Of the tip, by the solver's library."""
        still = np.zeros(len(self.positions))
        solution = self.commander.solver.solve(IkRequest(self.positions, still, np.zeros(6), PERIOD), 5.0)
        assert solution is not None, self.commander.solver.problem
        return solution.pose

    def moved(self, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far the tip has gone [m] and turned, as a rotation vector [rad], in the axes of the base."""
        now = self.pose()
        turn = _product(now[3:], before[3:] * np.array([-1, -1, -1, 1]))
        turn = turn if turn[3] >= 0 else -turn
        angle = 2 * np.arctan2(np.linalg.norm(turn[:3]), turn[3])
        axis = turn[:3] / max(float(np.linalg.norm(turn[:3])), 1e-12)
        return now[:3] - before[:3], angle * axis


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of two quaternions x y z w."""
    vector = a[3] * b[:3] + b[3] * a[:3] + np.cross(a[:3], b[:3])
    return np.append(vector, a[3] * b[3] - a[:3] @ b[:3])
