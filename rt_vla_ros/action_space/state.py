"""The dimensions of the robot state in an action card."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

UNITS = {"joint": ("rad", "m"), "tip": ("m",), "turn": ("rad",), "gripper": ("1",), "topic": ("m", "rad", "1")}
SOURCES = "joint:NAME, -joint:NAME, tip:x, tip:y, tip:z, tip:rx, tip:ry, tip:rz, gripper or topic:N"
_SOURCE = re.compile(r"-?joint:.+|tip:r?[xyz]|gripper|topic:[0-9]{1,4}")


@dataclass(frozen=True)
class StateDimension:
    """One dimension of the robot state.

    name: the name in the training data, such as "ee_pos.x".
    unit: "m", "rad" or "1", depending on the source.
    low, high: range in the training data, in `unit`; policies scale it to -1 ... 1.
    source: where a running robot reads it. "joint:NAME": position of that joint in joint_states; a leading minus
    inverts its sign. "tip:x", "tip:y", "tip:z": position of the tip in the base frame of the actions, from TF.
    "tip:rx", "tip:ry", "tip:rz": the tip's rotation vector in that frame; of equivalent ones, the one nearest
    to the middle of the ranges. "gripper": 0 open ... 1 closed. "topic:N": element N, from 0, of the
    std_msgs/Float64MultiArray on the topic `state`.
    Raises ValueError for anything else.
    """

    name: str
    unit: str
    low: float
    high: float
    source: str

    def __post_init__(self) -> None:
        what = f"the state's dimension {self.name!r}"
        if not self.name:
            raise ValueError("a dimension of the state has no name.")
        if _SOURCE.fullmatch(self.source) is None:
            raise ValueError(f"{what} has the source {self.source!r}, expected {SOURCES}.")
        units = UNITS[self.kind]
        if self.unit not in units:
            raise ValueError(
                f"{what} has the unit {self.unit!r}, the source {self.source!r} is in {' or '.join(units)}."
            )
        if not (self.low < self.high and math.isfinite(self.high - self.low)):
            raise ValueError(f"{what} ranges from {self.low} to {self.high}, expected a finite low below high.")

    @property
    def kind(self) -> str:
        """ "joint", "tip" (its position), "turn" (its rotation), "gripper" or "topic"."""
        head = self.source.removeprefix("-").partition(":")[0]
        return "turn" if self.source.startswith("tip:r") else head

    @property
    def reading(self) -> str:
        """The reading that it is part of.

        "joint:NAME", "tip", "gripper" or "topic".
        """
        return self.source.removeprefix("-") if self.kind == "joint" else self.source.partition(":")[0]

    @property
    def sign(self) -> float:
        """-1 if the sign is inverted, else 1."""
        return -1.0 if self.source.startswith("-") else 1.0

    @property
    def place(self) -> int:
        """Index in its reading, or in the tip's position or rotation vector: x, y, z are 0, 1, 2."""
        part = self.source.rpartition(":")[2]
        return int(part) if self.kind == "topic" else "xyz".index(part[-1]) if self.kind in ("tip", "turn") else 0

    def __str__(self) -> str:
        return f"The state's dimension {self.name!r} ({self.source})"
