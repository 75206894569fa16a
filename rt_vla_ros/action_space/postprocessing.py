"""Transforms a policy's decoded values into actions, by the conventions of its training robots.

Those of the Google robot and WidowX are as in SimplerEnv for RT-1 and RT-1-X
(simpler_env/policies/rt1/rt1_model.py, commit 4ab7178).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
SMALL_GRIPPER = 1e-2
WIDOWX_TRANSLATION, WIDOWX_ROTATION = (1.75, 0.05), (1.4, 0.25)
"""Bounds of the network's outputs, and the corresponding motions of the robot [m], [rad]."""


@dataclass(frozen=True)
class Meaning:
    """The meaning of a transform's results, as in a card: kind of rotation, values of an open and a closed gripper."""

    rotation: str
    gripper_open: float
    gripper_closed: float


class Postprocessing(Protocol):
    """Transforms decoded values (D,), in the order of `roles`, into values in the card's units.

    Each request starts with a new instance. A shallow copy keeps the state of a request.
    """

    def __call__(self, values: Values) -> Values:
        """A new array; the input is unchanged."""


class GoogleRobot:
    """RT-1's robot: the gripper value is a change; 1 closes it, -1 opens it, small values are ignored.

    Translation [m] and rotation (axis times angle) [rad] are unchanged. The gripper value becomes the target position
    of the fingers, -1 open ... 1 closed; a request starts with the gripper open.
    """

    def __init__(self, roles: tuple[str, ...]) -> None:
        self._gripper = roles.index("gripper")
        self._target = -1.0

    def __call__(self, values: Values) -> Values:
        """See the class."""
        result = np.array(values, dtype=np.float64)
        self._target = float(np.clip(self._target + 2 * small_gripper_is_zero(result[self._gripper]), -1.0, 1.0))
        result[self._gripper] = self._target
        return result


class WidowX:
    """BridgeData's robot: values within +-1.75 and +-1.4 mean +-0.05 m and +-0.25 rad (roll, pitch, yaw).

    The gripper value is inverted, because 1 is open and -1 closed, and made binary.
    """

    def __init__(self, roles: tuple[str, ...]) -> None:
        self._gripper = roles.index("gripper")
        self._translation = [i for i, role in enumerate(roles) if role.startswith("translation_")]
        self._rotation = [i for i, role in enumerate(roles) if role.startswith("rotation_")]

    def __call__(self, values: Values) -> Values:
        """See the class."""
        result = np.array(values, dtype=np.float64)
        result[self._translation] = rescaled(result[self._translation], *WIDOWX_TRANSLATION)
        result[self._rotation] = rescaled(result[self._rotation], *WIDOWX_ROTATION)
        result[self._gripper] = 1.0 if -result[self._gripper] > 0 else -1.0
        return result


class Libero:
    """LIBERO's Panda: translation and rotation are unchanged; the gripper is closed above 0, else open.

    The gripper value becomes -1 open or 1 closed (NVlabs/vla0, roboverse/evals/libero/eval.py).
    """

    def __init__(self, roles: tuple[str, ...]) -> None:
        self._gripper = roles.index("gripper")

    def __call__(self, values: Values) -> Values:
        """See the class."""
        result = np.array(values, dtype=np.float64)
        result[self._gripper] = 1.0 if result[self._gripper] > 0 else -1.0
        return result


MEANINGS = {
    "google_robot": Meaning("rotation_vector", gripper_open=-1.0, gripper_closed=1.0),
    "widowx": Meaning("rpy", gripper_open=1.0, gripper_closed=-1.0),
    "libero": Meaning("rotation_vector", gripper_open=-1.0, gripper_closed=1.0),
}
TRANSFORMS: dict[str, Callable[[tuple[str, ...]], Postprocessing]] = {
    "google_robot": GoogleRobot,
    "widowx": WidowX,
    "libero": Libero,
}


def make_postprocessing(name: str, roles: tuple[str, ...]) -> Postprocessing:
    """The transform of this name for dimensions with these roles. Raises ValueError for an unknown name."""
    if name not in TRANSFORMS:
        raise ValueError(f"Unknown postprocessing {name!r}; expected one of {', '.join(TRANSFORMS)}.")
    return TRANSFORMS[name](roles)


def small_gripper_is_zero(value: float) -> float:
    """Sets changes of the gripper below 0.01, which are noise, to zero."""
    return 0.0 if abs(value) < SMALL_GRIPPER else float(value)


def rescaled(values: Values, bound: float, target: float) -> Values:
    """Rescales from -bound ... bound to -target ... target, with clipping."""
    return np.clip(values / bound * target, -target, target)
