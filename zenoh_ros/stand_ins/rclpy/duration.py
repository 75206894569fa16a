"""Durations with nanosecond precision."""

from __future__ import annotations

import math
from typing import Any

from rclpy.constants import S_TO_NS

_LIMIT = 2**63


class Duration:
    """Seconds plus nanoseconds, positive or negative; 64 bits.

    Raises:
        OverflowError: the total does not fit into 64 bits.
    """

    def __init__(self, *, seconds: float = 0, nanoseconds: int = 0) -> None:
        total = int(seconds * S_TO_NS) + int(nanoseconds)
        if not -_LIMIT <= total < _LIMIT:
            raise OverflowError("Total nanoseconds value is too large to store in C duration.")
        self._nanoseconds = total

    @property
    def nanoseconds(self) -> int:
        """The duration [ns]."""
        return self._nanoseconds

    def __repr__(self) -> str:
        return f"Duration(nanoseconds={self.nanoseconds})"

    def __str__(self) -> str:
        return "Infinite" if self == Infinite else f"{self.nanoseconds} nanoseconds"

    def __hash__(self) -> int:
        return hash(self.nanoseconds)

    def __add__(self, other: Duration) -> Duration:
        if not isinstance(other, Duration):
            return NotImplemented
        return Duration(nanoseconds=self.nanoseconds + other.nanoseconds)

    def __sub__(self, other: Duration) -> Duration:
        if not isinstance(other, Duration):
            return NotImplemented
        return Duration(nanoseconds=self.nanoseconds - other.nanoseconds)

    def __mul__(self, other: float) -> Duration:
        if isinstance(other, int):
            return Duration(nanoseconds=self.nanoseconds * other)
        if not isinstance(other, float):
            return NotImplemented
        if math.isnan(other) or other == -math.inf:
            raise ValueError("Can't multiply duration with nan")
        return Infinite if other == math.inf else Duration(nanoseconds=int(self.nanoseconds * other))

    def __eq__(self, other: object) -> bool:
        return self.nanoseconds == other.nanoseconds if isinstance(other, Duration) else NotImplemented

    def __lt__(self, other: Any) -> bool:
        return self.nanoseconds < other.nanoseconds if isinstance(other, Duration) else NotImplemented

    def __le__(self, other: Any) -> bool:
        return self.nanoseconds <= other.nanoseconds if isinstance(other, Duration) else NotImplemented

    def __gt__(self, other: Any) -> bool:
        return self.nanoseconds > other.nanoseconds if isinstance(other, Duration) else NotImplemented

    def __ge__(self, other: Any) -> bool:
        return self.nanoseconds >= other.nanoseconds if isinstance(other, Duration) else NotImplemented

    def to_msg(self) -> Any:
        """Return a builtin_interfaces/msg/Duration."""
        import builtin_interfaces.msg

        seconds, nanoseconds = divmod(self.nanoseconds, S_TO_NS)
        return builtin_interfaces.msg.Duration(sec=seconds, nanosec=nanoseconds)

    @classmethod
    def from_msg(cls, msg: Any) -> Duration:
        """Convert a builtin_interfaces/msg/Duration.

        Raises:
            TypeError: it is not such a message.
        """
        import builtin_interfaces.msg

        if not isinstance(msg, builtin_interfaces.msg.Duration):
            raise TypeError("Must pass a builtin_interfaces.msg.Duration object")
        return cls(seconds=msg.sec, nanoseconds=msg.nanosec)


Infinite = Duration(nanoseconds=_LIMIT - 1)
