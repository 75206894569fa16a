"""When an arm stands still, by the speeds of its joints."""

from __future__ import annotations

STILL = 0.02  # fastest joint of an arm that stands still [rad/s]
STILL_FOR = 0.15  # duration of standstill; shorter at a turning point [s]


class ArmMotion:
    """Collects samples of the fastest joint's speed, with the arm's own stamps."""

    def __init__(self) -> None:
        self._speeds: list[tuple[int, float]] = []

    def add(self, stamp_ns: int, speed: float) -> None:
        """A sample; speed [rad/s]."""
        self._speeds.append((stamp_ns, speed))

    def still_since(self, after_ns: int) -> int | None:
        """The stamp from which it stood still for STILL_FOR, not before `after_ns`; None: not yet."""
        begun: int | None = None
        for stamp_ns, speed in self._speeds:
            if stamp_ns < after_ns or speed >= STILL:
                begun = None
                continue
            begun = stamp_ns if begun is None else begun
            if stamp_ns - begun >= STILL_FOR * 1e9:
                return begun
        return None

    def moves(self) -> bool:
        """Whether it moved just now."""
        return len(self._speeds) > 5 and max(speed for _, speed in self._speeds[-5:]) > 2 * STILL
