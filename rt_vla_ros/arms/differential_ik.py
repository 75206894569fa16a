"""Differential inverse kinematics by Pink on Pinocchio: joint velocities that move the tip as asked, within limits.

The direction of the tip's motion is kept: if the joints cannot reach the velocity, translation and rotation are scaled
down together until they can, to zero if necessary. So Pink's problem gets one more unknown, the scale of the velocity.
A redundant arm first avoids its limits. Only the solver's process imports this module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pink
import pinocchio as pin
import qpsolvers
from numpy.typing import NDArray
from pink.limits import Limit
from pink.tasks import DampingTask, Task

from rt_vla_ros.arms.ik_protocol import IkRequest, IkSetup, IkSolution, LimitedBy

QP_SOLVER = "daqp"
# Among motions with the same tip velocity the slowest is chosen; too small to affect the tip.
DAMPING_COST = 1e-3
# Radians and meters are compared at this distance from the tip's origin [m].
LEVER = 0.25
WEIGHTS = np.array([1.0, 1.0, 1.0, LEVER, LEVER, LEVER])
ONE_SECOND = 1.0
# Cost of a missing fraction, relative to DAMPING_COST.
SHARE_COST = 1.0
# Fraction of a joint's acceleration used to brake before its limit, to leave room for the joints that brake with it.
BRAKING_SHARE = 0.5
# Lookahead for motion towards a singularity [rad or m], of the joint that moves most.
LOOK_AHEAD = 0.01
SLOWEST = 1e-9
# A larger fraction counts as 1.
WHOLE = 0.995


class JointBox(Limit):  # type: ignore[misc]
    """Bounds of each joint's velocity in this period, from its limits of position, velocity and acceleration.

    A joint can always brake before its limit from the allowed velocities; if it is too fast, only braking is allowed.
    So there always is a solution.

    velocity: maximum of each. low, high: of the last `set`, shape (n,).
    """

    def __init__(self, setup: IkSetup) -> None:
        """See IkSetup."""
        self._lower = np.array([-np.inf if one is None else one for one in setup.lower])
        self._upper = np.array([np.inf if one is None else one for one in setup.upper])
        self.velocity, self._acceleration = np.array(setup.velocity), np.array(setup.acceleration)
        self.low = self.high = np.zeros(len(setup.joints))
        self._rows = np.vstack([np.eye(len(self.low)), -np.eye(len(self.low))])

    def set(self, request: IkRequest) -> None:
        """The bounds at these positions and velocities."""
        dt, last, most = request.period, request.last_velocities, self._acceleration * request.period
        up = np.minimum(self.velocity, self._before_end(self._upper - request.positions, dt))
        down = np.minimum(self.velocity, self._before_end(request.positions - self._lower, dt))
        self.high, self.low = np.clip(up, last - most, last + most), np.clip(-down, last - most, last + most)

    def at_end(self, request: IkRequest, velocities: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which joints are bounded by a position limit in the direction of these velocities, shape (n,)."""
        dt = request.period
        way = np.where(velocities > 0, self._upper - request.positions, request.positions - self._lower)
        return np.asarray(self._before_end(way, dt) < np.minimum(self.velocity, np.abs(velocities) + SLOWEST))

    def _before_end(self, way: NDArray[np.float64], dt: float) -> NDArray[np.float64]:
        """The velocity that can be braked to zero within this distance, including one period."""
        most = BRAKING_SHARE * self._acceleration
        return np.asarray(most * (np.sqrt(dt * dt + 2 * np.maximum(way, 0) / most) - dt))

    def compute_qp_inequalities(
        self, _configuration: Any, dt: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """See pink.limits.Limit."""
        return self._rows, np.concatenate((self.high, -self.low)) * dt


class TwistTask(Task):  # type: ignore[misc]
    """A velocity of the tip as a Pink task: its displacements are those of one second. Pink's own FrameTask moves a
    frame by the displacement of one period, which is below a QP solver's tolerances.

    twist: linear [m/s] and angular [rad/s], in the axes of the base, shape (6,).
    """

    def __init__(self, jacobian: Callable[[Any], NDArray[np.float64]]) -> None:
        """jacobian: of the tip in these axes, from Pinocchio's data."""
        super().__init__(cost=WEIGHTS)
        self.twist = np.zeros(6)
        self._jacobian = jacobian

    def compute_error(self, _configuration: Any) -> NDArray[np.float64]:
        """See pink.tasks.Task."""
        return -self.twist

    def compute_jacobian(self, configuration: Any) -> NDArray[np.float64]:
        """See pink.tasks.Task."""
        return self._jacobian(configuration.data)

    def __repr__(self) -> str:
        return f"TwistTask({self.twist.tolist()})"


class DifferentialIk:
    """Solves for one chain. Raises ValueError, with a message, for an invalid setup."""

    def __init__(self, setup: IkSetup) -> None:
        """See IkSetup."""
        self._setup = setup
        self._model = pin.buildModelFromXML(setup.urdf)
        names = [str(name) for name in self._model.names][1:]
        if (
            sorted(names) != sorted(setup.joints)
            or self._model.nv != len(names)
            or not self._model.existFrame(setup.tip)
        ):
            raise ValueError(f"the URDF has the joints {names}, expected {setup.joints} and a link {setup.tip!r}")
        # Pinocchio's order is the chain's, the messages' that of the controller.
        self._to_model = np.array([setup.joints.index(name) for name in names])
        self._from_model = np.argsort(self._to_model)
        self._tip = self._model.getFrameId(setup.tip)
        self._ahead = self._model.createData()
        self._configuration = pink.Configuration(self._model, self._model.createData(), np.zeros(self._model.nq))
        self._task = TwistTask(self._jacobian)
        self._damping = DampingTask(cost=DAMPING_COST)
        order = self._to_model
        self._box = JointBox(
            IkSetup(
                setup.urdf,
                setup.tip,
                names,
                [setup.lower[i] for i in order],
                [setup.upper[i] for i in order],
                [setup.velocity[i] for i in order],
                [setup.acceleration[i] for i in order],
                setup.slow_condition,
                setup.stop_condition,
            )
        )

    def solve(self, asked: IkRequest) -> IkSolution:
        """The velocities of this period. Raises pink's errors where there is no solution."""
        order = self._to_model
        request = asked._replace(positions=asked.positions[order], last_velocities=asked.last_velocities[order])
        self._configuration.update(request.positions)
        self._box.set(request)
        jacobian = self._jacobian(self._configuration.data)
        condition = _condition(jacobian)
        allowed, velocities = 1.0, self._solve(request, jacobian, 1.0)
        if condition > self._setup.slow_condition and request.twist.any():
            allowed = self._singularity_scale(request, condition, velocities)
            velocities = velocities if allowed == 1 else self._solve(request, jacobian, allowed)
        velocities = np.clip(velocities, self._box.low, self._box.high)
        scale = float(np.clip(_share(jacobian @ velocities, request.twist), 0.0, 1.0))
        limited, joint = self._reason(request, jacobian, scale, allowed)
        return IkSolution(
            velocities[self._from_model],
            scale,
            condition,
            limited,
            -1 if joint < 0 else int(order[joint]),
            pin.SE3ToXYZQUAT(self._configuration.data.oMf[self._tip]),
        )

    def _jacobian(self, data: Any) -> NDArray[np.float64]:
        """Of the tip's origin in the axes of the base, shape (6, n)."""
        return np.asarray(pin.getFrameJacobian(self._model, data, self._tip, pin.LOCAL_WORLD_ALIGNED))

    def _solve(self, request: IkRequest, jacobian: NDArray[np.float64], allowed: float) -> NDArray[np.float64]:
        """Velocities with the largest fraction of the twist that the bounds allow, at most `allowed`."""
        self._task.twist = request.twist
        if request.twist.any() and allowed > 0:
            velocities = self._along(allowed)
            if velocities is not None:
                return velocities
        # The joints cannot take the direction at once: as near as possible to its current fraction at the tip.
        share = float(np.clip(_share(jacobian @ request.last_velocities, request.twist), 0.0, allowed))
        self._task.twist = share * request.twist
        tasks, limits = [self._task, self._damping], [self._box]
        return np.asarray(
            pink.solve_ik(self._configuration, tasks, ONE_SECOND, QP_SOLVER, limits=limits, safety_break=False)
        )

    def _along(self, allowed: float) -> NDArray[np.float64] | None:
        """The same where the direction can be kept exactly; None if it cannot."""
        count = self._model.nv
        problem = pink.build_ik(
            self._configuration, [self._damping], ONE_SECOND, limits=[self._box], constraints=[self._task]
        )
        cost = np.zeros((count + 1, count + 1))
        cost[:count, :count], cost[count, count] = problem.P, SHARE_COST
        result = qpsolvers.solve_qp(
            cost,
            np.append(problem.q, -SHARE_COST),
            A=np.column_stack((problem.A, -problem.b)),
            b=np.zeros(len(problem.b)),
            lb=np.append(self._box.low, 0.0),
            ub=np.append(self._box.high, allowed),
            solver=QP_SOLVER,
        )
        return None if result is None else np.asarray(result[:count])

    def _singularity_scale(self, request: IkRequest, condition: float, velocities: NDArray[np.float64]) -> float:
        """1 for motion away from a singularity; decreases near it, and 0 for motion into it."""
        fastest = float(np.abs(velocities).max())
        if fastest > SLOWEST:
            ahead = request.positions + velocities * (LOOK_AHEAD / fastest)
            pin.computeJointJacobians(self._model, self._ahead, ahead)
            pin.updateFramePlacements(self._model, self._ahead)
            if _condition(self._jacobian(self._ahead)) < condition:
                return 1.0
        setup = self._setup
        between = setup.stop_condition - setup.slow_condition
        return float(np.clip((setup.stop_condition - condition) / between, 0.0, 1.0))

    def _reason(
        self, request: IkRequest, jacobian: NDArray[np.float64], scale: float, allowed: float
    ) -> tuple[LimitedBy, int]:
        """What limits the motion most, and the number of the joint in the model."""
        if scale >= WHOLE or not request.twist.any():
            return LimitedBy.NOTHING, -1
        if allowed < 1 and scale >= WHOLE * allowed:
            return LimitedBy.SINGULARITY, -1
        # What the joints would do if they had no limits: of those that have less, the one that lacks most.
        wanted = np.linalg.pinv(jacobian, rcond=1e-3) @ request.twist
        short = np.maximum(wanted - self._box.high, self._box.low - wanted)
        at_end = self._box.at_end(request, wanted)
        if (short[at_end] > SLOWEST).any():
            return LimitedBy.JOINT_POSITION, int(np.argmax(np.where(at_end, short, -np.inf)))
        joint = int(np.argmax(short))
        if short[joint] <= SLOWEST:
            return LimitedBy.SINGULARITY, -1
        fast = abs(wanted[joint]) > self._box.velocity[joint]
        return LimitedBy.JOINT_SPEED if fast else LimitedBy.JOINT_ACCELERATION, joint


def _condition(jacobian: NDArray[np.float64]) -> float:
    values = np.linalg.svd(jacobian, compute_uv=False)
    return float(values[0] / values[-1]) if values[-1] > 1e-12 else np.inf


def _share(achieved: NDArray[np.float64], asked: NDArray[np.float64]) -> float:
    """The fraction of a twist contained in another one; 0 for a zero twist."""
    length = float(np.sum((WEIGHTS * asked) ** 2))
    return float(np.sum(WEIGHTS**2 * achieved * asked)) / length if length > 0 else 0.0
