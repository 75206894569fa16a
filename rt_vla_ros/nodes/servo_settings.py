"""Which of Servo's parameters would falsify distances, each with the fix; no ROS.

The names are those of moveit_servo 2.12 (config/servo_parameters.yaml), which it declares below `moveit_servo.`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "moveit_servo."
COMMAND_IN_TYPE, USE_SMOOTHING, PLUGIN = "command_in_type", "use_smoothing", "smoothing_filter_plugin_name"
LINEAR, ROTATIONAL, TIMEOUT = "scale.linear", "scale.rotational", "incoming_command_timeout"
OVERRIDE, ABOUT_TIP = "override_velocity_scaling_factor", "apply_twist_commands_about_ee_frame"
SERVO_NAMES = tuple(
    f"{PREFIX}{name}"
    for name in (*(COMMAND_IN_TYPE, USE_SMOOTHING, PLUGIN, LINEAR, ROTATIONAL, TIMEOUT, OVERRIDE, ABOUT_TIP),)
)
SMOOTHER_NAMES = ("max_linear_velocity", "max_angular_velocity", "command_rate")
# Servo ignores a smaller override.
NO_OVERRIDE = 0.01
ACCELERATION_LIMITED = "online_signal_smoothing::AccelerationLimitedPlugin"


@dataclass(frozen=True)
class SmootherSpeeds:
    """The smoother's parameters that Servo must keep up with: [m/s], [rad/s], [Hz]."""

    linear: float
    angular: float
    rate: float


def refuse_settings(values: Mapping[str, Any], speeds: SmootherSpeeds, servo: str) -> list[str]:
    """Problems that would falsify distances or stop the arm, a sentence each; empty if there are none.

    values: Servo's parameters by their full names. servo: its node's full name.
    """
    missing = [name for name in SERVO_NAMES if values.get(name) is None]
    if missing:
        return [
            f"{servo} has no parameter {', '.join(missing)}: is it a MoveIt Servo of 2.12 (Jazzy) or later? Give the "
            "name of its node in the bridge's parameter `servo_node`."
        ]
    own = {name.removeprefix(PREFIX): values[name] for name in SERVO_NAMES}
    return [sentence for sentence in _refusals(own, speeds, servo) if sentence]


def _refusals(own: Mapping[str, Any], speeds: SmootherSpeeds, servo: str) -> list[str | None]:
    return [
        _refuse_units(own, servo),
        _refuse_smoothing(own),
        _refuse_scale(own, LINEAR, speeds.linear, "max_linear_velocity", "m/s", servo),
        _refuse_scale(own, ROTATIONAL, speeds.angular, "max_angular_velocity", "rad/s", servo),
        _refuse_timeout(own, speeds),
        _refuse_override(own, servo),
    ]


def settings_to_know(values: Mapping[str, Any]) -> str | None:
    """Unusual settings that are harmless with this package's own files, as a sentence."""
    if values.get(f"{PREFIX}{ABOUT_TIP}") is False:
        return (
            f"Servo's `{ABOUT_TIP}` is false: a rotation about any frame but its planning frame also moves the tip. "
            "Write "
            f"`{ABOUT_TIP}: true` in Servo's parameter file."
        )
    return None


def _refuse_units(own: Mapping[str, Any], servo: str) -> str | None:
    if own[COMMAND_IN_TYPE] == "speed_units":
        return None
    return (
        f"Servo expects velocities as {own[COMMAND_IN_TYPE]!r}, but they are in m/s and rad/s. Write `command_in_type: "
        f"speed_units` in Servo's parameter file, or now: `ros2 param set {servo} {PREFIX}command_in_type speed_units`."
    )


def _refuse_smoothing(own: Mapping[str, Any]) -> str | None:
    if not own[USE_SMOOTHING] or "butterworth" not in str(own[PLUGIN]).lower():
        return None
    return (
        "Servo's Butterworth filter executes only about 57% of the commanded motion. Write "
        f"`smoothing_filter_plugin_name: {ACCELERATION_LIMITED}` in Servo's parameter file (with `update_period` and "
        "`planning_group_name` beside `moveit_servo`), or `use_smoothing: false`, and restart Servo."
    )


def _refuse_scale(own: Mapping[str, Any], name: str, limit: float, ours: str, unit: str, servo: str) -> str | None:
    """Servo treats a scale of zero or less as no limit."""
    scale = own[name]
    if scale <= 0 or scale >= limit:
        return None
    return (
        f"Servo clips velocities at {scale:g} {unit} (`{name}`), but the smoother sends up to {limit:g} {unit}: fast "
        f"motions would fall short. Write `scale: {{{name.removeprefix('scale.')}: {limit:g}}}` in Servo's "
        f"parameter file, or now: `ros2 param set {servo} {PREFIX}{name} {float(limit)!r}`, or lower the smoother's "
        f"`{ours}`."
    )


def _refuse_timeout(own: Mapping[str, Any], speeds: SmootherSpeeds) -> str | None:
    least = 2 / speeds.rate
    if own[TIMEOUT] >= least:
        return None
    return (
        f"Servo drops velocities after {own[TIMEOUT]:g} s (`{TIMEOUT}`), but the smoother sends one every "
        f"{1 / speeds.rate:g} s: the arm would stutter. Write `{TIMEOUT}: 0.1` in Servo's parameter file and restart "
        f"it (at least {least:g}), or raise the smoother's `command_rate`."
    )


def _refuse_override(own: Mapping[str, Any], servo: str) -> str | None:
    if not NO_OVERRIDE <= own[OVERRIDE] < 1:
        return None
    return (
        f"Servo executes only {own[OVERRIDE]:.0%} of each velocity (`{OVERRIDE}`). Write `{OVERRIDE}: 0.0` in "
        f"Servo's parameter file, or now: `ros2 param set {servo} {PREFIX}{OVERRIDE} 0.0`; to move slower, lower the "
        "smoother's `max_linear_velocity`."
    )
