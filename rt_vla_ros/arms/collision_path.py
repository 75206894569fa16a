"""Where the tip's motion would lead the joints, and whether the arm collides on its way.

The joints are predicted by damped least squares: the least motion of the joints that moves the tip as commanded, as the
bridges and MoveIt Servo command it. Only the checker's process imports this module.
"""

from __future__ import annotations

import math

import mujoco
import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.arms.chain import read_chain
from rt_vla_ros.arms.collision_model import CollisionModel
from rt_vla_ros.arms.collision_protocol import CollisionQuestion, CollisionSetup, FoundCollision

Vector = NDArray[np.float64]
# Largest motion between two checks, of the tip [m] and of any joint [rad or m].
TIP_STEP, JOINT_STEP = 0.005, 0.02
# A smaller approach of bodies that are close from the beginning is numerical [m].
APPROACH = 1e-4
# Of damped least squares, squared, in task space [m, rad].
DAMPING = 0.01**2 * np.eye(6)
# Motion is over if less is left of a step.
REST = 1e-6


class CollisionPath:
    """Checks one question at a time.

    Bodies that are closer than the margin from the beginning may stay and move apart, but not approach each other.
    """

    def __init__(self, setup: CollisionSetup) -> None:
        """Raises ValueError, see CollisionModel, and for a tip that no joint moves."""
        self.shapes = CollisionModel(setup)
        model = self.shapes.model
        chain = read_chain(setup.urdf, setup.tip)
        joints = [model.joint(name).id for name in chain.names]
        self._tip = model.body(setup.tip).id
        self._qpos, self._dofs = model.jnt_qposadr[joints], model.jnt_dofadr[joints]
        self._low = np.array([joint.lower for joint in chain.joints])
        self._high = np.array([joint.upper for joint in chain.joints])
        self._jacobian = np.zeros((6, model.nv))

    def check(self, question: CollisionQuestion) -> FoundCollision | None:
        """The first collision. Raises ValueError where a joint's position is missing or not finite."""
        self.shapes.set_positions(question.positions)
        self._move(0.0)
        close = self.shapes.distances()
        turn = np.array(question.turn).reshape(3, 3)
        for number, *motion in question.motion:
            left = 1.0
            while left > REST:
                axes = self.shapes.data.body(question.axes).xmat.reshape(3, 3) if question.axes else turn
                way = (np.array(motion).reshape(2, 3) @ axes.T).ravel()  # (6,), in the axes of the root
                share, change = self._joint_step(way, left)
                self._move(change)
                left -= share
                for pair, distance in self.shapes.distances().items():
                    if distance < close.get(pair, math.inf) - APPROACH:
                        return FoundCollision(int(number), pair)
        return None

    def _joint_step(self, way: Vector, left: float) -> tuple[float, Vector | float]:
        """The share of a motion (6,) until the next check, at most `left`, and the joints' motion (n,)."""
        if not way.any():
            return left, 0.0
        model, data = self.shapes.model, self.shapes.data
        mujoco.mj_comPos(model, data)
        mujoco.mj_jacBody(model, data, self._jacobian[:3], self._jacobian[3:], self._tip)
        jacobian = self._jacobian[:, self._dofs]  # (6, n)
        whole = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + DAMPING, way)  # (n,)
        far = max(float(np.linalg.norm(way[:3])) / TIP_STEP, float(np.abs(whole).max()) / JOINT_STEP, 1e-9)
        share = min(left, 1 / far)
        return share, share * whole

    def _move(self, change: Vector | float) -> None:
        data = self.shapes.data
        if np.any(change):
            data.qpos[self._qpos] = np.clip(data.qpos[self._qpos] + change, self._low, self._high)
            self.shapes.follow()
        mujoco.mj_kinematics(self.shapes.model, data)
