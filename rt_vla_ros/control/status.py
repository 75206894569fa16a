"""A controller's output at every tick: its state, the reason in one sentence, and the command."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class State(IntEnum):
    """The numbers of rt_vla_ros/msg/ControllerStatus."""

    IDLE = 0
    MOVING = 1
    HOLDING = 2
    TERMINATED = 3
    STOPPED = 4
    FAULT = 5
    HUMAN = 6


@dataclass(frozen=True)
class Command:
    """The command to the arm and a mobile base until the next tick.

    linear: velocity of the end effector [m/s], shape (3,), float64, in the axes of `frame_id`.
    angular: angular velocity [rad/s], shape (3,), in the same axes.
    frame_id: TF frame of the velocities, that of the last action that was accepted; empty before the first.
    gripper: 0 open ... 1 closed, to be sent now; None if unchanged.
    state, reason: as in ControllerStatus; the reason is one sentence.
    terminate: the policy reported that it is done and there is no newer action.
    commanding: a velocity is to be sent at this tick; false once zero velocity was sent for long enough.
    base: velocity of the base in its own axes, x, y [m/s] and yaw [rad/s], shape (3,); zero where there is none.
    """

    linear: NDArray[np.float64]
    angular: NDArray[np.float64]
    frame_id: str
    gripper: float | None
    state: State
    reason: str
    terminate: bool
    commanding: bool
    base: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
