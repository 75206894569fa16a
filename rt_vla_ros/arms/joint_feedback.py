"""The joint positions, from messages with any subset in any order; and whether they are still valid."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_NAMES = 100  # limit of remembered names
# Older than this [s]: not late, but from another clock.
ANOTHER_CLOCK = 3600.0


class _JointHeard(NamedTuple):
    position: float
    stamp: float
    arrival: float


class JointFeedback:
    """Keeps the last position of each joint. All times are of one clock [s]."""

    def __init__(self, names: Sequence[str], max_age: float) -> None:
        """names: in the order of `read`. max_age: of a position, in the past or in the future [s]."""
        self._names, self._max_age = tuple(names), max_age
        self._heard: dict[str, _JointHeard] = {}
        self._others: set[str] = set()

    def put(self, names: Sequence[str], positions: Sequence[float], stamp: float, now: float) -> str | None:
        """Adds a message; returns why it cannot be used, as a sentence. One without positions is ignored."""
        if not positions:
            return None
        if len(positions) != len(names):
            return f"It has {len(names)} joint names and {len(positions)} positions."
        twice = [name for name, count in Counter(names).items() if count > 1 and name in self._names]
        if twice:
            return f"It has the joint {twice[0]!r} more than once."
        if not math.isfinite(stamp):
            return "Its stamp is invalid."
        for name, position in zip(names, positions, strict=True):
            if name in self._names:
                self._heard[name] = _JointHeard(float(position), stamp, now)
            elif len(self._others) < MOST_NAMES:
                self._others.add(name)
        return None

    def read(self, now: float) -> NDArray[np.float64] | str:
        """The positions, shape (n,), or why they are unknown, as a sentence."""
        if not self._heard and not self._others:
            return "No joint state received: is the joint_state_broadcaster running?"
        missing = [name for name in self._names if name not in self._heard]
        if missing:
            there = ", ".join(sorted({*self._others, *self._heard})) or "none"
            return f"The joint states lack {', '.join(missing)}; they have {there}."
        for name in self._names:
            problem = self._problem(name, now)
            if problem is not None:
                return problem
        return np.array([self._heard[name].position for name in self._names])

    def _problem(self, name: str, now: float) -> str | None:
        position, stamp, arrival = self._heard[name]
        if not math.isfinite(position):
            return f"The joint states have an invalid position of {name!r}: {position}."
        if arrival > now + self._max_age:
            return "No joint state received since the clock jumped back."
        age = now - stamp
        if abs(age) > ANOTHER_CLOCK:
            return "The joint states are stamped by another clock: is use_sim_time the same in all nodes?"
        if age < -self._max_age:
            return f"The joint state of {name!r} is stamped {-age:.2f} s in the future."
        age = max(age, now - arrival)
        return f"The last joint state of {name!r} is {age:.2f} s old." if age > self._max_age else None
