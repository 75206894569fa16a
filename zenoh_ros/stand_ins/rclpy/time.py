"""Points in time of a clock type."""

from __future__ import annotations

from typing import Any, overload

from rclpy.clock_type import ClockType
from rclpy.constants import S_TO_NS
from rclpy.duration import Duration

_LIMIT = 2**63


class Time:
    """Nanoseconds since the epoch of its clock; only comparable with times of the same clock type.

    Raises:
        ValueError: seconds or nanoseconds are negative.
        OverflowError: the total does not fit into 63 bits.
    """

    def __init__(
        self, *, seconds: float = 0, nanoseconds: int = 0, clock_type: ClockType = ClockType.SYSTEM_TIME
    ) -> None:
        if not isinstance(clock_type, ClockType):
            raise TypeError("Clock type must be a ClockType enum")
        if seconds < 0:
            raise ValueError("Seconds value must not be negative")
        if nanoseconds < 0:
            raise ValueError("Nanoseconds value must not be negative")
        total = int(seconds * S_TO_NS) + int(nanoseconds)
        if total >= _LIMIT:
            raise OverflowError("Total nanoseconds value is too large to store in C time point.")
        self._nanoseconds = total
        self._clock_type = clock_type

    @property
    def nanoseconds(self) -> int:
        """Time since the epoch [ns]."""
        return self._nanoseconds

    @property
    def clock_type(self) -> ClockType:
        """The type of its clock."""
        return self._clock_type

    def seconds_nanoseconds(self) -> tuple[int, int]:
        """Return whole seconds and the remaining nanoseconds."""
        return divmod(self.nanoseconds, S_TO_NS)

    def __repr__(self) -> str:
        return f"Time(nanoseconds={self.nanoseconds}, clock_type={self.clock_type.name})"

    def __hash__(self) -> int:
        return hash((self.nanoseconds, self.clock_type))

    def __add__(self, other: Duration) -> Time:
        if not isinstance(other, Duration):
            return NotImplemented
        return self._at(self.nanoseconds + other.nanoseconds)

    def __radd__(self, other: Duration) -> Time:
        return self.__add__(other)

    @overload
    def __sub__(self, other: Time) -> Duration: ...

    @overload
    def __sub__(self, other: Duration) -> Time: ...

    def __sub__(self, other: Time | Duration) -> Time | Duration:
        if isinstance(other, Time):
            self._same_clock(other, "subtract")
            return Duration(nanoseconds=self.nanoseconds - other.nanoseconds)
        if not isinstance(other, Duration):
            return NotImplemented
        if self.nanoseconds < other.nanoseconds:
            raise ValueError("Subtraction leads to negative time.")
        return self._at(self.nanoseconds - other.nanoseconds)

    def _at(self, nanoseconds: int) -> Time:
        return Time(nanoseconds=nanoseconds, clock_type=self.clock_type)

    def _same_clock(self, other: Time, verb: str) -> None:
        if self.clock_type != other.clock_type:
            raise TypeError(f"Can't {verb} times with different clock types")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Time):
            return NotImplemented
        self._same_clock(other, "compare")
        return self.nanoseconds == other.nanoseconds

    def __lt__(self, other: Any) -> bool:
        if not isinstance(other, Time):
            return NotImplemented
        self._same_clock(other, "compare")
        return self.nanoseconds < other.nanoseconds

    def __le__(self, other: Any) -> bool:
        if not isinstance(other, Time):
            return NotImplemented
        self._same_clock(other, "compare")
        return self.nanoseconds <= other.nanoseconds

    def __gt__(self, other: Any) -> bool:
        return other < self if isinstance(other, Time) else NotImplemented

    def __ge__(self, other: Any) -> bool:
        return other <= self if isinstance(other, Time) else NotImplemented

    def to_msg(self) -> Any:
        """Return a builtin_interfaces/msg/Time."""
        import builtin_interfaces.msg

        seconds, nanoseconds = self.seconds_nanoseconds()
        return builtin_interfaces.msg.Time(sec=seconds, nanosec=nanoseconds)

    @classmethod
    def from_msg(cls, msg: Any, clock_type: ClockType = ClockType.ROS_TIME) -> Time:
        """Convert a builtin_interfaces/msg/Time.

        Raises:
            TypeError: it is not such a message.
        """
        import builtin_interfaces.msg

        if not isinstance(msg, builtin_interfaces.msg.Time):
            raise TypeError("Must pass a builtin_interfaces.msg.Time object")
        return cls(seconds=msg.sec, nanoseconds=msg.nanosec, clock_type=clock_type)
