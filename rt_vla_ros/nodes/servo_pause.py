"""Decides when Servo is paused: while the smoother stands still and will not resume by itself; no ROS."""

from __future__ import annotations

from rt_vla_ros.control.status import State

# After these a new request is needed to move again.
RESTING = (State.TERMINATED, State.STOPPED, State.FAULT)
# Servo brakes by itself for a moment after the last velocity [s].
PAUSE_AFTER = 0.3
# An instruction unpauses Servo before its first action; without one, it is paused again after this time [s].
AWAKE_FOR = 15.0


class PausePlan:
    """Says whether Servo is to be paused. Times are of a steady clock [s]."""

    def __init__(self) -> None:
        self._resting_since: float | None = None
        self._awake_until = float("-inf")
        self._is_stopped = False

    def smoother(self, state: int, *, commanding: bool, now: float) -> None:
        """The smoother's status; a smoother that is gone counts as one in FAULT."""
        self._is_stopped = state == State.STOPPED
        if self._is_stopped:
            self._awake_until = float("-inf")
        if state not in RESTING or commanding:
            self._resting_since = None
        elif self._resting_since is None:
            self._resting_since = now

    def instruction(self, now: float) -> None:
        """An instruction was received: an action may follow."""
        if not self._is_stopped:
            self._awake_until = now + AWAKE_FOR

    def wants_pause(self, now: float) -> bool:
        """Whether Servo is to be paused now."""
        if self._resting_since is None or now < self._awake_until:
            return False
        return now - self._resting_since >= PAUSE_AFTER
