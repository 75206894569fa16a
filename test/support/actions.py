"""Actions and runs of a controller that several tests share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rt_vla_ros.action_space.action import EndEffectorAction
from rt_vla_ros.control.controller import Controller
from rt_vla_ros.control.status import Command

TICK = 0.02


def action(
    translation: Sequence[float] = (0.04, 0.0, 0.0),
    rotation: Sequence[float] = (0.0, 0.0, 0.0),
    *,
    gripper: float = 0.0,
    terminate: bool = False,
    period: float = 0.2,
    frame_id: str = "base",
    plan: str = "",
) -> EndEffectorAction:
    return EndEffectorAction(
        translation=np.array(translation, dtype=np.float64),
        rotation=np.array(rotation, dtype=np.float64),
        gripper=gripper,
        terminate=terminate,
        confidence=1.0,
        period=period,
        frame_id=frame_id,
        plan=plan,
    )


def run(controller: Controller, start: float, duration: float, tick: float = TICK) -> list[Command]:
    """The commands of the ticks after `start`, up to `start + duration`."""
    return [controller.tick(start + (i + 1) * tick) for i in range(round(duration / tick))]


def travelled(commands: Sequence[Command], tick: float = TICK) -> np.ndarray:
    """Where the commands lead: translation and rotation, shape (6,)."""
    return sum((np.concatenate([c.linear, c.angular]) * tick for c in commands), np.zeros(6))


def speed(command: Command) -> float:
    return float(np.linalg.norm(np.concatenate([command.linear, command.angular])))
