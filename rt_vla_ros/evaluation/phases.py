"""Phases of a manipulation, from the recorded gripper commands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import KEEP_GRIPPER

PHASES = ("approach", "grasp", "carry", "release")
AROUND = 0.5
"""Time before and after the gripper's close command that counts as grasp [s]."""


def phases(gripper: Sequence[float], rate: float) -> NDArray[np.int64]:
    """Index in PHASES of each frame's phase, int64 (N,).

    gripper: commands, 0 open ... 1 closed; KEEP_GRIPPER: as before. rate: frames per second [Hz]. Approach: until half
    a second before the gripper first closes. Grasp: until half a second after. Carry: while it stays closed. Release:
    after it opens. If it never closes, all is approach.
    """
    closed, before = np.zeros(len(gripper), bool), False
    for number, command in enumerate(gripper):
        before = before if command == KEEP_GRIPPER else command > 0.5
        closed[number] = before
    found = np.zeros(len(gripper), np.int64)
    if not closed.any():
        return found
    first, around = int(closed.argmax()), round(AROUND * rate)
    found[max(0, first - around) :] = 1
    found[first + around + 1 :] = 2
    if not closed[first:].all():
        found[first + int((~closed[first:]).argmax()) :] = 3
    return found
