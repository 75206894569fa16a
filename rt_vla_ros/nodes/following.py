"""Whether an arm or a mobile base follows: compares its measured motion with what the smoother node commands."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.control.follow_watch import FollowWatch
from rt_vla_ros.control.status import Command
from rt_vla_ros.control.track import STILL

Vector = NDArray[np.float64]


class MeasuredPose(NamedTuple):
    """A pose in a frame that does not move. at: when [s]. position: [m], shape (3,). quaternion: w, x, y, z."""

    at: float
    position: Vector
    quaternion: Vector


class WatchedMotion(Protocol):
    """What of the robot is watched, where it is, and what it is commanded."""

    def measured(self) -> MeasuredPose | str:
        """Its newest pose, or why it is unknown, as the end of a sentence without a full stop."""

    def told(self, command: Command) -> Vector:
        """Its commanded velocity, linear [m/s] and angular [rad/s], shape (6,); in which axes: see FollowWatch."""


class Following:
    """Feeds a FollowWatch."""

    def __init__(self, watch: FollowWatch, motion: WatchedMotion, gap: float) -> None:
        """gap: a pause between two ticks [s] after which nobody knows what the robot did."""
        self._watch, self._motion, self._gap = watch, motion, gap
        self._last: float | None = None

    def look(self) -> str | None:
        """Reads the newest pose; why nobody can know whether it follows, as a sentence, else None."""
        measured = self._motion.measured()
        if isinstance(measured, str):
            followed, end = self._watch.followed, "" if measured.endswith("?") else "."
            return (
                f"Whether the {followed.name} follows cannot be checked ({followed.prefix}follow_time): {measured}{end}"
            )
        self._watch.measure(*measured)
        return None

    def alarm(self, slowed: str | None = None) -> str | None:
        """See FollowWatch."""
        return self._watch.alarm(slowed)

    def forgive(self) -> None:
        """See FollowWatch."""
        self._watch.forgive()

    @property
    def in_a_row(self) -> int:
        """How many times in a row it did not follow."""
        return self._watch.alarms

    def tick(self, command: Command, now: float, *, commanding: bool, watching: bool) -> None:
        """What is commanded from `now` [s] on. commanding: whether a command is sent. watching: whether a request
        runs.
        """
        if self._last is not None and not 0 <= now - self._last <= self._gap:
            self._watch.reset()
        self._last = now
        self._watch.tick(now, self._motion.told(command) if commanding else STILL, watching=watching)
