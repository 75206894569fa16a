"""When a gripper is commanded: only on a change, with hysteresis."""

from __future__ import annotations

from dataclasses import dataclass

MODES = ("binary", "continuous")


@dataclass(frozen=True)
class GripperSettings:
    """mode: "binary" commands 0 or 1, "continuous" the policy's own value.

    open_below, close_above: thresholds of the mode "binary"; between them the gripper keeps its state.
    deadband: in the mode "continuous", the smallest change that is commanded.
    """

    mode: str = "binary"
    open_below: float = 0.35
    close_above: float = 0.65
    deadband: float = 0.05

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"the gripper's mode is {self.mode!r}, expected one of {', '.join(MODES)}")
        if not 0 < self.open_below <= self.close_above < 1:
            raise ValueError(
                f"the gripper opens below {self.open_below} and closes above {self.close_above}, "
                "expected 0 < open_below <= close_above < 1"
            )
        if not 0 < self.deadband < 1:
            raise ValueError(f"the gripper's deadband is {self.deadband}, expected 0 to 1")


class GripperSwitch:
    """Turns the policy's gripper values into commands."""

    def __init__(self, settings: GripperSettings) -> None:
        self._settings = settings
        self._sent: float | None = None

    def reset(self) -> None:
        """The gripper's state is unknown: the next value is always sent."""
        self._sent = None

    def command(self, wish: float) -> float | None:
        """wish: 0 open ... 1 closed. The value to send, None if unchanged."""
        target = self._target(wish)
        if target is None or target == self._sent:
            return None
        self._sent = target
        return target

    def _target(self, wish: float) -> float | None:
        s = self._settings
        if s.mode == "continuous":
            near = self._sent is not None and abs(wish - self._sent) < s.deadband
            return self._sent if near else wish
        if wish < s.open_below:
            return 0.0
        return 1.0 if wish > s.close_above else self._sent
