"""Joint angles for a wanted tool pose: damped least squares with a null space.

Buss, "Introduction to Inverse Kinematics with Jacobian Transpose, Pseudoinverse and Damped Least Squares" (2009).
"""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


class InverseKinematics:
    """Follows a tool pose with the arm's joints, starting each time from the joint angles of the last."""

    def __init__(
        self, model: mujoco.MjModel, joints: tuple[str, ...], site: str, home: Vector, *, damping: float = 0.02
    ) -> None:
        """home: joint angles that the redundant degree of freedom is drawn to [rad], shape (n,).

        damping: added in task space [m, rad]; larger is calmer near singular poses and slower.
        """
        self._model, self._data = model, mujoco.MjData(model)
        self._site = model.site(site).id
        ids = [model.joint(name).id for name in joints]
        self._qpos = np.array([model.jnt_qposadr[i] for i in ids])
        self._dofs = np.array([model.jnt_dofadr[i] for i in ids])
        self._low, self._high = model.jnt_range[ids].T
        self._home: Vector = np.asarray(home, np.float64)
        self._damping = damping
        self._jacobian = np.zeros((6, model.nv))
        self._identity = np.eye(len(ids))
        self.joints: Vector = self._home.copy()

    def reset(self, joints: Vector) -> None:
        """Start from these joint angles [rad], shape (n,)."""
        self.joints = np.array(joints, np.float64)

    def pose(self) -> tuple[Vector, Vector]:
        """Tool position [m], shape (3,), and rotation matrix, shape (3, 3), of the current joint angles."""
        self._data.qpos[self._qpos] = self.joints
        mujoco.mj_kinematics(self._model, self._data)
        return self._data.site_xpos[self._site].copy(), self._data.site_xmat[self._site].reshape(3, 3).copy()

    def step(self, position: Vector, rotation: Vector) -> Vector:
        """One step towards a tool position [m], shape (3,), and rotation matrix, shape (3, 3).

        Returns the joint angles, shape (n,).
        """
        here, axes = self.pose()
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_jacSite(self._model, self._data, self._jacobian[:3], self._jacobian[3:], self._site)
        jacobian = self._jacobian[:, self._dofs]  # (6, n)
        turn = rotation @ axes.T
        twist = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]) / 2
        error = np.concatenate([position - here, twist])  # (6,)
        gram = jacobian @ jacobian.T
        gram[np.diag_indices(6)] += self._damping**2
        back = np.linalg.solve(gram, np.column_stack([error, jacobian])).T  # (1 + n, 6)
        spare = self._identity - jacobian.T @ back[1:].T  # projects onto motions that leave the tool where it is
        change = jacobian.T @ back[0] + spare @ (0.05 * (self._home - self.joints))
        self.joints = np.clip(self.joints + np.clip(change, -0.15, 0.15), self._low, self._high)
        return self.joints
