"""The mapping of a joystick's axes and buttons, from a YAML file; config/joy/ has some."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray

DIRECTIONS = ("x", "y", "z", "roll", "pitch", "yaw")
BUTTONS = ("deadman", "gripper_open", "gripper_close", "gripper_toggle", "resume", "stop")


class JoyCommand(NamedTuple):
    """A command of a joystick.

    held: the deadman. velocity: linear [m/s] and angular [rad/s], shape (6,); NaN where an axis is. gripper: 0 open ...
    1 closed; None: unchanged. resume: the button has just been pressed.
    """

    held: bool
    velocity: NDArray[np.float64]
    gripper: float | None
    resume: bool


@dataclass(frozen=True)
class JoyMap:
    """axes: for each direction the number of an axis and the velocity where that is 1 [m/s] or [rad/s].

    buttons: the number of each; only the deadman is required. deadband: axis values below it count as 0; above it, the
    velocity starts at 0. frame_id: TF frame of the directions; empty: the default frame of teleoperation.
    """

    axes: Mapping[str, tuple[int, float]]
    buttons: Mapping[str, int]
    deadband: float = 0.1
    frame_id: str = ""

    def refuse(self, axes: int, buttons: int) -> str | None:
        """Why a joystick with this many axes and buttons does not match, as a sentence, else None."""
        most_axes = 1 + max(number for number, _ in self.axes.values())
        most_buttons = 1 + max(self.buttons.values())
        if axes >= most_axes and buttons >= most_buttons:
            return None
        return (
            f"The joystick has {axes} axes and {buttons} buttons, but the map needs {most_axes} and {most_buttons}: "
            "is it for another joystick?"
        )

    def stops(self, buttons: Sequence[int]) -> bool:
        """Whether the stop button, if any, is pressed."""
        number = self.buttons.get("stop")
        return number is not None and number < len(buttons) and bool(buttons[number])

    def velocity(self, axes: Sequence[float]) -> NDArray[np.float64]:
        """Linear [m/s] and angular [rad/s], shape (6,)."""
        velocity = np.zeros(6)
        for direction, (number, scale) in self.axes.items():
            value = float(axes[number])
            beyond = max(0.0, abs(value) - self.deadband) / (1 - self.deadband) if math.isfinite(value) else math.nan
            velocity[DIRECTIONS.index(direction)] = math.copysign(min(beyond, 1.0), value) * scale
        return velocity


@dataclass
class JoyReader:
    """Detects button presses: a button that is held counts once."""

    map: JoyMap
    _down: dict[str, bool] = field(default_factory=dict)
    _closed: bool = False  # last state of the toggle

    def read(self, axes: Sequence[float], buttons: Sequence[int]) -> JoyCommand:
        """axes: -1 ... 1 each. buttons: 0 or 1 each. Their numbers must satisfy `JoyMap.refuse`."""
        down = {name: bool(buttons[number]) for name, number in self.map.buttons.items()}
        # A button that is down in the first message does not count as pressed.
        pressed = {name: is_down and not self._down.get(name, True) for name, is_down in down.items()}
        self._down = down
        held = down["deadman"]
        velocity = self.map.velocity(axes) if held else np.zeros(6)
        resume = pressed.get("resume", False) and not held
        return JoyCommand(held, velocity, self._gripper(pressed) if held else None, resume)

    def _gripper(self, pressed: Mapping[str, bool]) -> float | None:
        if pressed.get("gripper_toggle"):
            self._closed = not self._closed
        elif pressed.get("gripper_close") or pressed.get("gripper_open"):
            self._closed = bool(pressed.get("gripper_close"))
        else:
            return None
        return float(self._closed)


def read_joy_map(path: Path) -> JoyMap:
    """Raises OSError, and ValueError with a sentence for an invalid map."""
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from error
    known = {"axes", "buttons", "deadband", "frame_id"}
    if not isinstance(said, dict) or not set(said) <= known or not {"axes", "buttons"} <= set(said):
        given = ", ".join(map(str, said)) if isinstance(said, dict) else type(said).__name__
        raise ValueError(
            f"{path} holds {given or 'nothing'}, expected axes and buttons, optionally deadband and frame_id"
        )
    axes = {name: _axis(path, name, one) for name, one in _entries(path, "axes", said["axes"], DIRECTIONS)}
    buttons = {
        name: _number(path, f"buttons.{name}", one) for name, one in _entries(path, "buttons", said["buttons"], BUTTONS)
    }
    if not axes or "deadman" not in buttons:
        raise ValueError(f"{path} needs at least one entry in axes, and buttons.deadman: motion requires a deadman")
    deadband, frame_id = said.get("deadband", JoyMap.deadband), said.get("frame_id", "")
    if not _is_finite(deadband) or not 0 <= deadband < 1:
        raise ValueError(f"{path}: deadband is {deadband!r}, expected 0 or more and less than 1")
    if not isinstance(frame_id, str):
        raise ValueError(f"{path}: frame_id is {frame_id!r}, expected the name of a TF frame")
    return JoyMap(axes, buttons, float(deadband), frame_id)


def _entries(path: Path, section: str, said: object, known: Sequence[str]) -> list[tuple[str, Any]]:
    unknown = [str(name) for name in said if name not in known] if isinstance(said, dict) else [repr(said)]
    if not isinstance(said, dict) or unknown:
        raise ValueError(f"{path}: {section} holds {', '.join(unknown)}, expected some of {', '.join(known)}")
    return list(said.items())


def _axis(path: Path, name: str, said: object) -> tuple[int, float]:
    if not isinstance(said, dict) or set(said) != {"axis", "scale"} or not _is_finite(said["scale"]):
        raise ValueError(f"{path}: axes.{name} is {said!r}, expected {{axis: NUMBER, scale: m/s or rad/s}}")
    return _number(path, f"axes.{name}.axis", said["axis"]), float(said["scale"])


def _number(path: Path, name: str, said: object) -> int:
    if type(said) is not int or said < 0:
        raise ValueError(f"{path}: {name} is {said!r}, expected a number >= 0")
    return said


def _is_finite(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(float(value))  # type: ignore[arg-type]
