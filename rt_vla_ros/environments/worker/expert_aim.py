"""What a scripted expert of Meta-World moves to, and where that is in the image."""

from __future__ import annotations

import sys
from math import radians, tan
from typing import Any

import numpy as np
from numpy.typing import NDArray


def aim(expert: Any, seen: Any) -> NDArray[np.float64]:
    """The point that the expert moves the hand to from this observation: world frame [m], shape (3,).

    All experts of Meta-World move with its function `move`, imported into their modules, which is given this point.
    """
    module, points = sys.modules[type(expert).__module__], list[NDArray[np.float64]]()
    own = module.move

    def move(from_xyz: Any, to_xyz: Any, p: float) -> Any:
        points.append(np.array(to_xyz, np.float64))
        return own(from_xyz, to_xyz, p)

    module.move = move  # type: ignore[attr-defined]
    try:
        expert.get_action(seen)
    finally:
        module.move = own  # type: ignore[attr-defined]
    return points[-1]


def image_position(env: Any, point: NDArray[np.float64], aspect: float) -> list[float]:
    """u, v in the environment's image, which is rotated by 180 degrees: 0 ... 1 from its top left corner.

    point: world frame [m]. aspect: width / height of the image. A point outside the image has values outside 0 ... 1.
    """
    camera = env.data.camera(env.camera_name)
    x, y, z = camera.xmat.reshape(3, 3).T @ (point - camera.xpos)  # x right, y up, z backwards
    scale = 2 * tan(radians(float(env.model.camera(env.camera_name).fovy.item())) / 2) * z
    return [0.5 + x / (scale * aspect), 0.5 - y / scale]
