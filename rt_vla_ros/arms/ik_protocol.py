"""What the inverse kinematics is asked and answers, as payloads of solver_messages.

    SETUP    JSON: see IkSetup
    SOLVE    float64: positions (n), last velocities (n), twist (6), period
    SOLVED   float64: velocities (n), the scale, the condition number, what limits it, which joint, the tip's pose (7)

All numbers are little-endian.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class LimitedBy(IntEnum):
    """Why the tip does not move as fast as requested."""

    NOTHING = 0
    JOINT_POSITION = 1
    JOINT_SPEED = 2
    JOINT_ACCELERATION = 3
    SINGULARITY = 4


@dataclass(frozen=True)
class IkSetup:
    """The setup of a solver.

    urdf: of the chain alone, see Chain. tip: its last link. joints: in the order of all numbers.
    lower, upper: range of each, reduced by the margin; None if continuous.
    velocity, acceleration: maximum of each. slow_condition, stop_condition: condition numbers of the Jacobian, above
    which motion towards a singularity is slowed down, and above which it stops.
    """

    urdf: str
    tip: str
    joints: list[str]
    lower: list[float | None]
    upper: list[float | None]
    velocity: list[float]
    acceleration: list[float]
    slow_condition: float
    stop_condition: float

    def to_bytes(self) -> bytes:
        """As it is sent."""
        return json.dumps(asdict(self), allow_nan=False).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> IkSetup:
        """The reverse."""
        return cls(**json.loads(payload))


class IkRequest(NamedTuple):
    """positions [rad or m] and last_velocities, shape (n,) each; twist: linear [m/s], angular [rad/s], shape (6,).

    The twist is that of the tip's origin, in the axes of the chain's base. period: until the next request [s].
    """

    positions: Floats
    last_velocities: Floats
    twist: Floats
    period: float

    def to_bytes(self) -> bytes:
        """As it is sent."""
        parts = (self.positions, self.last_velocities, self.twist, [self.period])
        return np.concatenate(parts).astype("<f8").tobytes()

    @classmethod
    def from_bytes(cls, payload: bytes, joints: int) -> IkRequest:
        """The reverse. Raises ValueError for another length."""
        numbers = _numbers(payload, 2 * joints + 7)
        return cls(numbers[:joints], numbers[joints : 2 * joints], numbers[2 * joints : -1], float(numbers[-1]))


class IkSolution(NamedTuple):
    """velocities: of the joints, shape (n,). scale: the fraction of the twist that they achieve, 0 to 1.

    condition: of the Jacobian at these positions; infinite at a singularity. limited_by, joint: the reason for a scale
    below one; the joint's number, -1 for none. pose: of the tip at these positions in the base: x y z [m] and the
    quaternion x y z w.
    """

    velocities: Floats
    scale: float
    condition: float
    limited_by: LimitedBy
    joint: int
    pose: Floats

    def to_bytes(self) -> bytes:
        """As it is sent."""
        middle = [self.scale, self.condition, self.limited_by, self.joint]
        return np.concatenate((self.velocities, middle, self.pose)).astype("<f8").tobytes()

    @classmethod
    def from_bytes(cls, payload: bytes, joints: int) -> IkSolution:
        """The inverse. Raises ValueError for another length or an invalid limit."""
        numbers = _numbers(payload, joints + 11)
        scale, condition, limited_by, joint = map(float, numbers[joints : joints + 4])
        if not -1 <= joint < joints:
            raise ValueError(f"there is no joint {joint}")
        return cls(numbers[:joints], scale, condition, LimitedBy(int(limited_by)), int(joint), numbers[joints + 4 :])


def _numbers(payload: bytes, count: int) -> Floats:
    if len(payload) != 8 * count:
        raise ValueError(f"the message has {len(payload)} bytes, expected {8 * count}")
    return np.frombuffer(payload, "<f8").astype(np.float64)
