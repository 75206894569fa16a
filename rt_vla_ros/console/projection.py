"""Points in space into a camera's picture: the pinhole with the plumb_bob distortion of sensor_msgs/CameraInfo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NEAREST = 0.01  # in front of the camera; what is nearer, or behind it, is not in the picture [m]
SAME_SHAPE = 0.02  # part by which the sides of a picture may differ from those that were calibrated
PLUMB_BOB = "plumb_bob"
FISHEYES = ("equidistant", "fisheye")  # which bend rays with all coefficients zero, too


@dataclass(frozen=True)
class Pinhole:
    """matrix: K [px], shape (3, 3). origin, size: of what is seen in that, x and y [px]. distortion: k1 k2 p1 p2 k3."""

    matrix: Array
    origin: Array
    size: Array
    distortion: Array

    def project(self, points: Array) -> Array:
        """Where points are in the picture, shape (n, 2): 0 left and on top, 1 right and at the bottom.

        points: in the optical frame (REP-103: x right, y down, z into the picture) [m], shape (n, 3).
        NaN for those behind the camera, and for those that its distortion tells nothing about.
        """
        ahead = points[:, 2] > NEAREST
        rays = points[:, :2] / np.where(ahead, points[:, 2], np.nan)[:, None]  # (n, 2)
        squares = (rays**2).sum(axis=1)  # (n,)
        rays[~(squares < self._widest())] = np.nan
        bent = np.column_stack([self._distorted(rays, squares), np.ones(len(rays))])  # (n, 3)
        pixels: Array = (bent @ self.matrix.T)[:, :2]
        return (pixels - self.origin) / self.size

    def _distorted(self, rays: Array, squares: Array) -> Array:
        """See REP-104 and https://docs.opencv.org/4.x/d9/d0c/group__calib3d.html."""
        k1, k2, p1, p2, k3 = self.distortion
        x, y = rays.T
        radial = 1 + squares * (k1 + squares * (k2 + squares * k3))
        return np.column_stack(
            [
                x * radial + 2 * p1 * x * y + p2 * (squares + 2 * x**2),
                y * radial + p1 * (squares + 2 * y**2) + 2 * p2 * x * y,
            ]
        )

    def _widest(self) -> float:
        """The square of the radius up to which the distorted radius grows; beyond it the polynomial folds back."""
        k1, k2, _, _, k3 = self.distortion
        roots = np.roots([7 * k3, 5 * k2, 3 * k1, 1.0])  # of its derivative, in the square of the radius
        turns = [float(root.real) for root in roots if abs(root.imag) < 1e-9 and root.real > 0]
        return min(turns, default=np.inf)


LARGEST = 1e6  # distortion coefficient, which is about 1 for a wide lens; with more the polynomial overflows


def calibrated(
    size: tuple[int, int],
    matrix: Sequence[float],
    *,
    projection: Sequence[float],
    distortion: Sequence[float],
    model: str,
    region: tuple[int, int, int, int] = (0, 0, 0, 0),
    rectified: bool = False,
) -> Pinhole | str:
    """The camera of a CameraInfo, or why its pictures cannot be drawn into, in a sentence.

    size: width, height [px]. matrix, projection: its k and p, row by row. distortion, model: its d and
    distortion_model. region: x offset, y offset, width, height of the part that is seen; zeros: all of it.
    rectified: whether the pictures are without distortion, as on `image_rect`: then p holds.
    """
    flat = np.asarray(projection, np.float64).reshape(3, 4)[:, :3] if rectified else matrix
    camera = np.array(flat, np.float64).reshape(3, 3)
    bent = np.zeros(5) if rectified else np.array(distortion, np.float64)
    if min(size) <= 0:
        return f"Its camera_info is of {size[0]} x {size[1]} pixels: its driver does not say how large pictures are."
    if not np.isfinite(camera).all() or camera[0, 0] <= 0 or camera[1, 1] <= 0:
        return f"Its camera_info has no calibration ({'p' if rectified else 'k'} is not set): calibrate the camera."
    if not (np.abs(bent) < LARGEST).all():
        return f"Its camera_info has distortion coefficients that no lens has ({bent[:5]}): calibrate the camera."
    other = bent.any() and (model != PLUMB_BOB or len(bent) != 5)
    if other or (model in FISHEYES and not rectified):
        return (
            f"Its camera_info has {len(bent)} coefficients of the distortion model {model[:40]!r}, expected "
            f"{PLUMB_BOB} with 5: show its rectified pictures, the topic image_rect of image_proc."
        )
    x, y, width, height = region
    seen = np.array([width, height] if width and height else size, np.float64)
    return Pinhole(camera, np.array([x, y], np.float64), seen, bent if bent.any() else np.zeros(5))


def refuse_shape(camera: Pinhole, width: int, height: int) -> str | None:
    """Why a picture of this size [px] is not the one that was calibrated, in a sentence; a smaller copy is."""
    wide, high = camera.size
    if abs(width * high - height * wide) <= SAME_SHAPE * height * wide:
        return None
    return (
        f"Its camera_info is of {wide:.0f} x {high:.0f} pixels, the picture has {width} x {height}: that is another "
        "part of what the camera sees."
    )
