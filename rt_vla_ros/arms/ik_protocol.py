"""The protocol between the node's process and the solver's over a pipe: small binary messages.

    header   4 bytes b"RVIK", the kind (uint32), the number of the request (uint64), the length of what follows (uint32)
    SETUP    JSON: see IkSetup; answered by READY or by REFUSED with a sentence (UTF-8)
    SOLVE    float64: positions (n), last velocities (n), twist (6), period; answered by SOLVED
    SOLVED   float64: velocities (n), the scale, the condition number, what limits it, which joint, the tip's pose (7)

All numbers are little-endian. An invalid message ends the connection.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HEADER = struct.Struct("<4sIQI")
MAGIC = b"RVIK"
LONGEST = 32_000_000  # [bytes]


class Kind(IntEnum):
    """Of a message."""

    SETUP = 1
    READY = 2
    REFUSED = 3
    SOLVE = 4
    SOLVED = 5


class LimitedBy(IntEnum):
    """Why the tip does not move as fast as requested."""

    NOTHING = 0
    JOINT_POSITION = 1
    JOINT_SPEED = 2
    JOINT_ACCELERATION = 3
    SINGULARITY = 4


class IkMessage(NamedTuple):
    """One message."""

    kind: Kind
    number: int
    payload: bytes


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


def frame(message: IkMessage) -> bytes:
    """The bytes of a message."""
    return HEADER.pack(MAGIC, message.kind, message.number, len(message.payload)) + message.payload


def take(buffer: bytearray) -> IkMessage | None:
    """Takes the first message out of the received bytes; None while it is incomplete. Raises ValueError."""
    if len(buffer) < HEADER.size:
        return None
    magic, kind, number, length = HEADER.unpack_from(buffer)
    if magic != MAGIC or length > LONGEST:
        raise ValueError("received an invalid message")
    end = HEADER.size + length
    if len(buffer) < end:
        return None
    payload = bytes(buffer[HEADER.size : end])
    del buffer[:end]
    return IkMessage(Kind(kind), number, payload)
