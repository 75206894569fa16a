"""What the smoother asks the collision checker's process, and what that answers: JSON within the solvers' messages."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class CollisionSetup:
    """urdf: of the whole robot, the meshes of its collision shapes given by their paths. tip: the link that steps move.

    boxes: six numbers each, low and high corner [m], in the frame at `boxes_at` in the link `boxes_in`: x y z [m] and
    the quaternion w x y z. margin: a smaller distance is a collision [m]. allowed: pairs of links that may touch.
    rest: positions of all joints [rad or m] where neighbors of neighbors may touch; empty if unknown.
    """

    urdf: str
    tip: str
    margin: float
    boxes: list[list[float]] = field(default_factory=list)
    boxes_in: str = ""
    boxes_at: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    allowed: list[list[str]] = field(default_factory=list)
    rest: dict[str, float] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """As it is sent: small enough for the pipe of a process that does not read yet."""
        return zlib.compress(json.dumps(asdict(self), allow_nan=False).encode())

    @classmethod
    def from_bytes(cls, payload: bytes) -> CollisionSetup:
        """The inverse."""
        return cls(**json.loads(zlib.decompress(payload)))


@dataclass(frozen=True)
class CollisionQuestion:
    """positions: of all joints by name [rad or m]. motion: displacements of the tip in order, each the number of its
    step, a translation [m] and a rotation vector [rad]: seven numbers.

    axes: the link in whose axes they are, also where it moves; otherwise empty, and turn is the rotation matrix from
    their axes to those of the URDF's root, row by row.
    """

    positions: dict[str, float]
    motion: list[list[float]]
    axes: str = ""
    turn: list[float] = field(default_factory=lambda: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0])

    def to_bytes(self) -> bytes:
        """As it is sent."""
        return json.dumps(asdict(self), allow_nan=False).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> CollisionQuestion:
        """The inverse."""
        return cls(**json.loads(payload))


@dataclass(frozen=True)
class FoundCollision:
    """step: whose motion leads into it. bodies: two names, of links or "forbidden box 1"."""

    step: int
    bodies: tuple[str, str]

    def to_bytes(self) -> bytes:
        """As it is sent."""
        return json.dumps([self.step, *self.bodies]).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> FoundCollision:
        """The inverse. Raises ValueError for anything else."""
        step, one, other = json.loads(payload)
        return cls(int(step), (str(one), str(other)))
