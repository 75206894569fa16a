"""Idle time steps, without commanded motion: one rule for the check and for trimming."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard, kind_of_motion

IDLE = 0.02  # of the fast motions of the set (95th percentile): slower is standing still


def speeds(card: ActionCard, values: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float64]]:
    """Commanded speed of each time step of each episode, (N,): 1 is fast in this dataset, 0 is no motion.

    values: the actions of each episode in the card's dimensions and units, (N, D), finite.
    """
    kinds = [kind_of_motion(one.role) for one in card.dimensions]
    total = [np.zeros(len(one)) for one in values]
    for kind in dict.fromkeys(filter(None, kinds)):
        columns = [i for i, its in enumerate(kinds) if its == kind]
        lengths = [np.linalg.norm(one[:, columns].astype(np.float64), axis=1) for one in values]
        fast = float(np.percentile(np.concatenate(lengths), 95)) if columns and lengths else 0.0
        if fast > 0:
            total = [sum_ + length / fast for sum_, length in zip(total, lengths, strict=True)]
    return total


def moving_steps(card: ActionCard, values: Sequence[NDArray[np.float32]]) -> list[NDArray[np.bool_]]:
    """For each episode, mask of the time steps that command motion or a change of the gripper, (N,). See `speeds`."""
    gripper, found = card.index("gripper"), []
    for one, speed in zip(values, speeds(card, values), strict=True):
        moving = speed > IDLE
        if gripper is not None and len(one) > 1:
            way = np.abs(np.diff(one[:, gripper])) > IDLE * abs(card.gripper_closed - card.gripper_open)
            moving[1:] |= way
        found.append(moving)
    return found


def idle_ends(moving: NDArray[np.bool_]) -> tuple[int, int]:
    """Number of steps before the first with motion, and after the last; all and all if there is none."""
    if not moving.any():
        return len(moving), len(moving)
    return int(moving.argmax()), int(moving[::-1].argmax())
