"""Actions and runs of a controller that several tests share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.control.controller import Controller
from rt_vla_ros.control.status import Command

TICK = 0.02
PERIOD = 0.2


def one_step(
    translation: Sequence[float] | np.ndarray = (0.0, 0.0, 0.0),
    rotation: Sequence[float] | np.ndarray = (0.0, 0.0, 0.0),
    gripper: float = 0.0,
    terminate: bool = False,
    confidence: float = 1.0,
    period: float = 0.2,
    tokens: tuple[int, ...] = (),
    plan: str = "",
    **values: Any,
) -> ActionChunk:
    """A chunk of one step. values: of the chunk."""
    step = EndEffectorStep(np.array(translation, np.float64), np.array(rotation, np.float64), gripper, terminate)
    return ActionChunk((step,), period, confidence, tokens, plan, **values)


def action(
    translation: Sequence[float] = (0.04, 0.0, 0.0),
    rotation: Sequence[float] = (0.0, 0.0, 0.0),
    *,
    frame_id: str = "base",
    **values: Any,
) -> ActionChunk:
    """A chunk of one step that moves by 4 cm, if nothing else is said."""
    return one_step(translation, rotation, frame_id=frame_id, **values)


def chunk(*translations: Sequence[float] | np.ndarray, period: float = PERIOD, **values: Any) -> ActionChunk:
    """A step each; the gripper is left as it is."""
    steps = tuple(EndEffectorStep(np.array(one, np.float64), np.zeros(3)) for one in translations)
    return ActionChunk(steps, period, **({"frame_id": "base"} | values))


def changed(whole: ActionChunk, number: int, **values: Any) -> ActionChunk:
    """With a step that has other values."""
    steps = list(whole.steps)
    steps[number] = EndEffectorStep(**(vars(steps[number]) | values))
    return ActionChunk(**(vars(whole) | {"steps": tuple(steps)}))


def run(controller: Controller, start: float, duration: float, tick: float = TICK) -> list[Command]:
    """The commands of the ticks after `start`, up to `start + duration`."""
    return [controller.tick(start + (i + 1) * tick) for i in range(round(duration / tick))]


def travelled(commands: Sequence[Command], tick: float = TICK) -> np.ndarray:
    """Where the commands lead: translation and rotation, shape (6,)."""
    return sum((np.concatenate([c.linear, c.angular]) * tick for c in commands), np.zeros(6))


def speed(command: Command) -> float:
    return float(np.linalg.norm(np.concatenate([command.linear, command.angular])))
