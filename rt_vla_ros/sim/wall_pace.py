"""How many simulation steps are due by the wall clock, and how well that is kept up with."""

from __future__ import annotations

from collections import deque

# More steps than this are not made up for at once: the simulation falls behind instead.
MOST_AT_ONCE = 5
WINDOW_NS = 5_000_000_000


class WallPace:
    """Counts steps of `step_ns` [ns] against a monotonic clock."""

    def __init__(self, step_ns: int) -> None:
        self._step_ns = step_ns
        self._next_ns: int | None = None
        self._made: deque[tuple[int, int]] = deque()  # (time, steps)

    def restart(self) -> None:
        """What is due counts from the next call on."""
        self._next_ns = None
        self._made.clear()

    def due(self, now_ns: int) -> int:
        """Steps to make now; they count as made."""
        if self._next_ns is None:
            self._next_ns = now_ns
        behind = (now_ns - self._next_ns) // self._step_ns + 1
        steps = max(0, min(behind, MOST_AT_ONCE))
        self._next_ns += steps * self._step_ns
        if behind > MOST_AT_ONCE:
            self._next_ns = now_ns + self._step_ns
        self._made.append((now_ns, steps))
        while now_ns - self._made[0][0] > WINDOW_NS:
            self._made.popleft()
        return steps

    @property
    def factor(self) -> float | None:
        """Simulated time per wall time over the last 5 s; None before a second has passed."""
        if not self._made or self._made[-1][0] - self._made[0][0] < 1_000_000_000:
            return None
        wall_ns = self._made[-1][0] - self._made[0][0]
        return (sum(steps for _, steps in self._made) - self._made[0][1]) * self._step_ns / wall_ns
