"""From tip velocities to joint commands, period by period; and every reason to send none.

at once       joint states missing, old or not finite; a solver that ended, is late or finds nothing; a controller
              that does not take commands: velocities of zero, or the last position, and not ready for REST at least
braking       a velocity that is missing, old or from the future: to zero within the joints' accelerations
in the way    a joint's end, a singularity, a joint that does not follow: slower, then still; other ways are free
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.arms.chain import Chain, check_joints
from rt_vla_ros.arms.ik_protocol import IkRequest, IkSetup, IkSolution, LimitedBy
from rt_vla_ros.arms.ik_solver import IkSolver
from rt_vla_ros.arms.joint_feedback import JointFeedback

Floats = NDArray[np.float64]
# How long a reason is reported at least; and how long standstill commands are sent [s].
REST = HALT = 0.5
# Below this fraction of the requested velocity for this time [s]: the arm is blocked.
BLOCKED, BLOCKED_AFTER = 0.05, 0.2
# A fraction that causes a warning.
SLOWED = 0.9
# After HALT, a commanded position farther from the measured one than this is given up for that; so is, at a stop at
# once, what is beyond this and the way that the joint needs to brake [rad or m].
ANOTHER_MOVED = 0.01


@dataclass(frozen=True)
class CommanderSettings:
    """interface: position or velocity. period: between two ticks [s]. max_state_age: of joint states [s].

    joint_limit_margin: distance kept from each joint limit [rad or m]. max_position_lead: maximum lead of a commanded
    position over the measured one [rad or m]. slow_condition, stop_condition: see IkSetup. solver_python: see IkSolver.
    patience: how many periods an answer may take.
    """

    interface: str = "position"
    period: float = 0.01
    max_state_age: float = 0.2
    joint_limit_margin: float = 0.05
    max_position_lead: float = 0.1
    slow_condition: float = 17.0
    stop_condition: float = 30.0
    solver_python: str = ""
    patience: float = 2.0


class Told(NamedTuple):
    """A reason with its expiry time."""

    reason: str
    until: float


class Obstacle(NamedTuple):
    """A limitation: the remaining fraction of the motion, and a sentence."""

    share: float
    sentence: str


class JointCommander:
    """Drives one chain. All times are of one clock [s]; numbers of joints are in the order of `joints`.

    base: the link in whose axes velocities are given. reason: why the arm is not ready, as a sentence; None if it is.
    warning: what slows it down now, if anything. velocities: as they were commanded last. position: as it was commanded
    last, or None. tip: its last pose, see IkSolution.
    """

    def __init__(
        self,
        chain: Chain,
        joints: tuple[str, ...],
        settings: CommanderSettings,
        make_solver: Callable[[IkSetup, str], IkSolver] = IkSolver,
    ) -> None:
        """chain: with all accelerations. joints: in the order of the commands. Raises ChainError."""
        by_name = {joint.name: joint for joint in chain.joints}
        self.base, self.joints = chain.base, check_joints(chain, joints)
        self._joints = [by_name[name] for name in self.joints]
        self._settings = settings
        self.feedback = JointFeedback(self.joints, settings.max_state_age)
        margin = [min(settings.joint_limit_margin, 0.25 * (one.upper - one.lower)) for one in self._joints]
        self._lower = np.array([one.lower for one in self._joints]) + margin
        self._upper = np.array([one.upper for one in self._joints]) - margin
        self._acceleration = np.array([one.acceleration for one in self._joints], dtype=np.float64)
        self.solver = make_solver(
            IkSetup(
                chain.urdf,
                chain.tip,
                list(self.joints),
                [float(one) if math.isfinite(one) else None for one in self._lower],
                [float(one) if math.isfinite(one) else None for one in self._upper],
                [one.velocity for one in self._joints],
                self._acceleration.tolist(),
                settings.slow_condition,
                settings.stop_condition,
            ),
            settings.solver_python,
        )
        self.velocities = np.zeros(len(self.joints))
        self.position: Floats | None = None
        self.tip: Floats | None = None
        self.warning: str | None = None
        self._hard = self._soft = Told("", -math.inf)
        self._blocked_since: float | None = None
        self._obstacles: list[Obstacle] = []
        self._last: float | None = None  # tick
        self._moved = -math.inf  # when motion was commanded last
        self._settled = True  # whether the last command was replaced by the measured position
        self._now = 0.0

    @property
    def reason(self) -> str | None:
        """See the class."""
        for told in (self._hard, self._soft):
            if self._now < told.until:
                return told.reason
        return self.solver.problem

    def tick(self, now: float, twist: Floats | None, problem: str | None = None) -> Floats | None:
        """The command of this period, shape (n,): velocities or positions; None if nothing is sent.

        twist: of the tip in the axes of the chain's base, linear [m/s] and angular [rad/s], shape (6,); None if none
        counts. problem: why nothing may move, as a sentence.
        """
        period = self._period(now)
        if now < self._now:  # the clock jumped back
            self._hard, self._soft, self._moved = Told("", -math.inf), Told("", -math.inf), now
        self._now, self.warning = now, None
        self.solver.poll()
        measured = self.feedback.read(now)
        problem = problem or (measured if isinstance(measured, str) else None) or self.solver.problem
        if problem is None and twist is not None and not np.isfinite(twist).all():
            problem = "Received a velocity with a non-finite value."
        if problem is not None or isinstance(measured, str):
            return self._at_once(str(problem), measured)
        if now < self._hard.until:
            return self._still(measured)
        if twist is None:
            self._blocked_since = None
            return self._go(self._braked(measured, period), measured, period)
        return self._follow(twist, measured, period)

    def stand_still(self) -> Floats | None:
        """The final command."""
        self._give_up_lead(self.feedback.read(self._now))
        self.velocities = np.zeros(len(self.joints))
        return self._command()

    def close(self) -> None:
        """Ends the solver."""
        self.solver.close()

    def _period(self, now: float) -> float:
        nominal, last = self._settings.period, self._last
        self._last = now
        return nominal if last is None else float(np.clip(now - last, 0.5 * nominal, 2 * nominal))

    def _at_once(self, reason: str, measured: Floats | str) -> Floats | None:
        self._hard, self._blocked_since = Told(reason, self._now + REST), None
        self._give_up_lead(measured)
        return self._still(measured)

    def _give_up_lead(self, measured: Floats | str) -> None:
        """After a stop a joint moves no further than its braking distance, however far it lags behind its command."""
        if self.velocities.any() and self.position is not None and not isinstance(measured, str):
            most = ANOTHER_MOVED + self.velocities**2 / (2 * self._acceleration)
            self.position = np.clip(self.position, measured - most, measured + most)

    def _still(self, measured: Floats | str) -> Floats | None:
        if self.velocities.any():
            self._moved, self._settled = self._now, False
        self.velocities = np.zeros(len(self.joints))
        if self._now - self._moved < HALT:
            return self._command()
        settled, self._settled = self._settled, True
        if settled or self.position is None or isinstance(measured, str):
            return None
        if np.abs(self.position - measured).max() <= ANOTHER_MOVED:
            return None
        self.position = measured.copy()  # otherwise a blocked joint would jump there once it is free
        return self._command() if self._settings.interface == "position" else None

    def _command(self) -> Floats | None:
        return self.velocities.copy() if self._settings.interface == "velocity" else self.position

    def _braked(self, measured: Floats, period: float) -> Floats:
        """All joints come to rest together, and none exceeds its limits."""
        most = self._acceleration
        time = float(np.max(np.abs(self.velocities) / most))
        slower = self.velocities * max(0.0, 1 - period / time) if time > 0 else self.velocities
        at = self._at(measured)
        up, down = (np.maximum(way, 0.0) for way in (self._upper - at, at - self._lower))
        up, down = (most * (np.sqrt(period**2 + 2 * way / most) - period) for way in (up, down))
        return np.asarray(np.clip(slower, -down, up))

    def _at(self, measured: Floats) -> Floats:
        return measured if self._settings.interface == "velocity" or self.position is None else self.position

    def _follow(self, twist: Floats, measured: Floats, period: float) -> Floats | None:
        if self._settings.interface == "position":
            self._start_position(measured)
        request = IkRequest(self._at(measured), self.velocities, twist, period)
        solution = self.solver.solve(request, self._settings.patience * self._settings.period)
        if solution is None:
            reason = self.solver.problem or self.solver.refusal or "The solver returned no answer."
            return self._at_once(reason, measured)
        self.tip = solution.pose
        self._obstacles = []
        if twist.any():
            self._look_at(solution, measured)
        command = self._go(solution.velocities, measured, period)
        self._judge_obstacles()
        return command

    def _start_position(self, measured: Floats) -> None:
        """Integration continues from the commanded position, unless the arm was moved since."""
        rested = self._now - self._moved >= HALT
        if self.position is None or (rested and np.abs(self.position - measured).max() > ANOTHER_MOVED):
            self.position = measured.copy()

    def _go(self, velocities: Floats, measured: Floats, period: float) -> Floats | None:
        if not velocities.any() and not self.velocities.any():
            return self._still(measured)
        self._moved, self._settled = self._now, False
        self.velocities = velocities
        if self._settings.interface == "position":
            self._integrate(measured, period)
        return self._command()

    def _integrate(self, measured: Floats, period: float) -> None:
        """Advances the commanded position, but never far from the measured one."""
        at = self._at(measured)
        step = self.velocities * period
        lead = self._settings.max_position_lead
        room = np.where(step > 0, lead - (at - measured), lead + (at - measured))
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(step != 0, np.maximum(room, 0.0) / np.abs(step), np.inf)
        share = float(min(1.0, shares.min()))
        if share < 1:
            joint = int(np.argmin(shares))
            self._obstacles.append(
                Obstacle(
                    share,
                    f"The joint {self.joints[joint]!r} does not follow: commanded {at[joint]:.3f}, measured "
                    f"{measured[joint]:.3f}.",
                )
            )
        self.velocities = share * self.velocities
        self.position = at + share * step

    def _look_at(self, solution: IkSolution, measured: Floats) -> None:
        """What slows the tip down, if significant."""
        share = f"the tip moves at {solution.scale:.0%} of the requested velocity"
        if solution.limited_by is LimitedBy.JOINT_SPEED:
            self.warning = f"The joint {self.joints[solution.joint]!r} is at its maximum velocity: {share}."
        elif solution.limited_by is LimitedBy.JOINT_POSITION:
            joint = self._joints[solution.joint]
            at = f"{self._at(measured)[solution.joint]:.3f}, of {joint.lower:.3f} to {joint.upper:.3f}"
            self._obstacles.append(
                Obstacle(solution.scale, f"The joint {joint.name!r} is near its limit ({at}): {share}.")
            )
        elif solution.limited_by is LimitedBy.SINGULARITY:
            near = f"The arm is near a singularity (condition number {solution.condition:.0f})"
            self._obstacles.append(Obstacle(solution.scale, f"{near}: {share}."))

    def _judge_obstacles(self) -> None:
        """The worst one is a warning, and a fault once it has kept the arm still."""
        worst = min(self._obstacles, default=None)
        if worst is None or worst.share >= BLOCKED:
            self._blocked_since = None
        elif self._blocked_since is None:
            self._blocked_since = self._now
        elif self._now - self._blocked_since >= BLOCKED_AFTER:
            self._soft = Told(
                f"{worst.sentence} The arm cannot move further in this direction; others are free.", self._now + REST
            )
        if worst is not None and worst.share < SLOWED:
            self.warning = worst.sentence
