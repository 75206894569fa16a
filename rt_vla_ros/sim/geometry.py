"""Geometry of the simulated arm: rotations, extents, and inverse kinematics."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rt_vla_ros.sim.objects import Shape

Vector = NDArray[np.float64]
DAMPING = 0.02  # of the inverse kinematics, in task space [m, rad]; larger is smoother near singularities and slower


def rotation_matrix(vector: ArrayLike) -> Vector:
    """Rotation vector [rad], shape (3,) -> rotation matrix, shape (3, 3) (Rodrigues)."""
    x, y, z = np.asarray(vector, np.float64)
    angle = float(np.sqrt(x * x + y * y + z * z))
    skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    first, second = (1.0, 0.0) if angle < 1e-9 else (np.sin(angle) / angle, (1 - np.cos(angle)) / angle**2)
    return np.asarray(np.eye(3) + first * skew + second * (skew @ skew), np.float64)


def rotation_vector(matrix: Vector) -> Vector:
    """Rotation matrix, shape (3, 3), with an angle below pi -> rotation vector [rad], shape (3,)."""
    twist = _twist(matrix)
    sine = float(np.linalg.norm(twist))
    angle = float(np.arctan2(sine, (np.trace(matrix) - 1) / 2))
    return twist if sine < 1e-9 else twist * (angle / sine)


def _twist(matrix: Vector) -> Vector:
    """Axis times sine of the angle of a rotation matrix, shape (3,)."""
    return np.array([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]]) / 2


def wrap_angle(angle: float, period: float = 2 * np.pi) -> float:
    """The angle [rad] nearest to 0 that differs by a multiple of `period`."""
    return float((angle + period / 2) % period - period / 2)


def lowest_point(shape: Shape, rotation: Vector) -> float:
    """Height of a solid's center above its lowest point [m]. rotation: its axes, shape (3, 3)."""
    down = np.abs(rotation[2])
    if shape.geom == "sphere":
        return shape.half_size[0]
    if shape.geom == "cylinder":
        radius, half = shape.half_size
        return float(radius * np.sqrt(max(0.0, 1 - down[2] ** 2)) + half * down[2])
    return float(down @ np.asarray(shape.half_size))


class InverseKinematics:
    """Tracks a tool pose, starting each step from the last joint angles.

    Damped least squares with a null space: Buss, "Introduction to Inverse Kinematics with Jacobian Transpose,
    Pseudoinverse and Damped Least Squares" (2009).
    """

    def __init__(self, model: mujoco.MjModel, joints: tuple[str, ...], site: str, home: Vector) -> None:
        """home: joint angles to which the null space is drawn [rad], shape (n,)."""
        self._model, self._data = model, mujoco.MjData(model)
        self._site = model.site(site).id
        ids = [model.joint(name).id for name in joints]
        self._qpos = np.array([model.jnt_qposadr[i] for i in ids])
        self._dofs = np.array([model.jnt_dofadr[i] for i in ids])
        self._low, self._high = model.jnt_range[ids].T
        self._home = home
        self._jacobian = np.zeros((6, model.nv))
        self.joints: Vector = home.copy()

    def reset(self) -> None:
        """Restarts from the home angles."""
        self.joints = self._home.copy()

    def step(self, position: Vector, rotation: Vector) -> Vector:
        """One step towards a tool position [m], shape (3,), and rotation matrix, shape (3, 3).

        Returns the joint angles, shape (n,).
        """
        self._data.qpos[self._qpos] = self.joints
        mujoco.mj_kinematics(self._model, self._data)
        here, axes = self._data.site_xpos[self._site], self._data.site_xmat[self._site].reshape(3, 3)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_jacSite(self._model, self._data, self._jacobian[:3], self._jacobian[3:], self._site)
        jacobian = self._jacobian[:, self._dofs]  # (6, n)
        turn = rotation @ axes.T
        error = np.concatenate([position - here, _twist(turn)])  # (6,)
        gram = jacobian @ jacobian.T
        gram[np.diag_indices(6)] += DAMPING**2
        back = np.linalg.solve(gram, np.column_stack([error, jacobian])).T  # (1 + n, 6)
        spare = (
            np.eye(len(self.joints)) - jacobian.T @ back[1:].T
        )  # projects onto motions that leave the tool where it is
        change = jacobian.T @ back[0] + spare @ (0.05 * (self._home - self.joints))
        self.joints = np.clip(self.joints + np.clip(change, -0.15, 0.15), self._low, self._high)
        return self.joints
