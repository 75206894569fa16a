"""Projects points in space into a camera's image: the pinhole with the polynomial distortions of
sensor_msgs/CameraInfo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

Array = NDArray[np.float64]

NEAREST = 0.01  # minimum distance in front of the camera [m]
SAME_SHAPE = 0.02  # relative difference allowed between the image size and the calibrated one
COEFFICIENTS = {"plumb_bob": 5, "rational_polynomial": 8}  # by the distortion models that are projected with
FISHEYES = ("equidistant", "fisheye")  # which bend rays with all coefficients zero, too


@dataclass(frozen=True)
class Pinhole:
    """matrix: K [px], shape (3, 3). origin, size: of what is seen in that, x and y [px].

    distortion: k1 k2 p1 p2 k3 k4 k5 k6, the last three 0 in the plumb_bob model.
    """

    matrix: Array
    origin: Array
    size: Array
    distortion: Array

    def project(self, points: Array) -> Array:
        """Image coordinates of points, shape (n, 2): 0 left and top, 1 right and bottom.

        points: in the optical frame (REP-103: x right, y down, z into the picture) [m], shape (n, 3).
        NaN for those behind the camera, and those outside the valid range of its distortion model.
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
        p1, p2 = self.distortion[2:4]
        x, y = rays.T
        above, below = self._radial()
        radial = above(squares) / below(squares)
        return np.column_stack(
            [
                x * radial + 2 * p1 * x * y + p2 * (squares + 2 * x**2),
                y * radial + p1 * (squares + 2 * y**2) + 2 * p2 * x * y,
            ]
        )

    def _radial(self) -> tuple[Polynomial, Polynomial]:
        """What the radius is multiplied by, above and below the line, in the square of the radius."""
        k1, k2, _, _, k3, k4, k5, k6 = self.distortion
        return Polynomial([1.0, k1, k2, k3]), Polynomial([1.0, k4, k5, k6])

    def _widest(self) -> float:
        """The square of the radius up to which the distorted radius grows; beyond it the model folds back."""
        above, below = self._radial()
        square = Polynomial([0.0, 1.0])
        # Of the derivative of radius * above / below by the radius, what is above the line; and the poles.
        grows = above * below + 2 * square * (above.deriv() * below - above * below.deriv())
        roots = np.concatenate([grows.trim().roots(), below.trim().roots()])
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
    """The camera of a CameraInfo, or why nothing can be drawn into its images, as a sentence.

    size: width, height [px]. matrix, projection: its k and p, row by row. distortion, model: its d and
    distortion_model. region: x offset, y offset, width, height of the part that is seen; zeros: all of it.
    rectified: whether the pictures are without distortion, as on `image_rect`: then p holds.
    """
    flat = np.asarray(projection, np.float64).reshape(3, 4)[:, :3] if rectified else matrix
    camera = np.array(flat, np.float64).reshape(3, 3)
    bent = np.zeros(8) if rectified else np.array(distortion, np.float64)
    if min(size) <= 0:
        return f"Its camera_info is of {size[0]} x {size[1]} pixels: its driver does not set the image size."
    if not np.isfinite(camera).all() or camera[0, 0] <= 0 or camera[1, 1] <= 0:
        return f"Its camera_info has no calibration ({'p' if rectified else 'k'} is not set): calibrate the camera."
    if not (np.abs(bent) < LARGEST).all():
        return f"Its camera_info has implausible distortion coefficients ({bent[:8]}): calibrate the camera."
    other = bent.any() and len(bent) != COEFFICIENTS.get(model)
    if other or (model in FISHEYES and not rectified):
        expected = " or ".join(f"{name} with {count}" for name, count in COEFFICIENTS.items())
        return (
            f"Its camera_info has {len(bent)} coefficients of the distortion model {model[:40]!r}, expected "
            f"{expected}: use its rectified images, the topic image_rect of image_proc."
        )
    x, y, width, height = region
    seen = np.array([width, height] if width and height else size, np.float64)
    coefficients = np.zeros(8)
    if bent.any():
        coefficients[: len(bent)] = bent
    return Pinhole(camera, np.array([x, y], np.float64), seen, coefficients)


def refuse_shape(camera: Pinhole, width: int, height: int) -> str | None:
    """Why a picture of this size [px] does not match the calibration, as a sentence; scaled copies do."""
    wide, high = camera.size
    if abs(width * high - height * wide) <= SAME_SHAPE * height * wide:
        return None
    return (
        f"Its camera_info is of {wide:.0f} x {high:.0f} pixels, the picture has {width} x {height}: the aspect "
        "ratios differ."
    )
