"""The smoother node's parameters: its own, and the Controller's settings with the Controller's own defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rt_vla_ros.action_space.frames import BASE_LINK
from rt_vla_ros.control.controller import Controller, ControllerSettings
from rt_vla_ros.control.gripper import MODES, GripperSettings
from rt_vla_ros.control.limits import Limits
from rt_vla_ros.control.mobile_base import BASE_LIMITS
from rt_vla_ros.control.takeover import DEADMEN, TakeoverSettings
from rt_vla_ros.control.walls import NO_BOX, boxes_of
from rt_vla_ros.nodes.parameters import Parameter
from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.nodes.velocity_rivals import ALLOW_OTHER_VELOCITIES

_limits, _settings, _takeover = Limits(), ControllerSettings(), TakeoverSettings()
_gripper = _settings.gripper
_LIMITS = (
    ("max_translation", "An action that goes farther is refused [m].", 1.0),
    ("max_rotation", "An action that turns farther is refused [rad].", 6.3),
    ("max_linear_velocity", "Faster motion is slowed down [m/s].", 5.0),
    ("max_angular_velocity", "Faster turning is slowed down [rad/s].", 20.0),
    ("max_linear_acceleration", "Also the deceleration of every stop [m/s^2].", 50.0),
    ("max_angular_acceleration", "Also the deceleration of every stop [rad/s^2].", 200.0),
)
_BASE_LIMITS = {
    "max_base_translation": ("max_translation", "An action that moves the base farther is refused [m].", 5.0),
    "max_base_rotation": ("max_rotation", "An action that turns the base farther is refused [rad].", 6.3),
    "max_base_linear_velocity": ("max_linear_velocity", "A faster base is slowed down [m/s].", 3.0),
    "max_base_angular_velocity": ("max_angular_velocity", "A base that turns faster is slowed down [rad/s].", 10.0),
    "max_base_linear_acceleration": ("max_linear_acceleration", "Also the base's braking [m/s^2].", 10.0),
    "max_base_angular_acceleration": ("max_angular_acceleration", "Also the base's braking [rad/s^2].", 50.0),
}
_JERKS = (
    ("max_linear_jerk", "Of motion, not of stops; 0: no limit [m/s^3].", 1e5),
    ("max_angular_jerk", "Of motion, not of stops; 0: no limit [rad/s^3].", 1e6),
)
_SETTINGS = (
    ("smoothing_time_constant", "Of the exponential smoothing; 0 for none [s].", 0.0, 2.0),
    (
        "action_timeout",
        "Silence of the policy, from the last step on, that is a fault; more than its period [s].",
        0.05,
        60.0,
    ),
    ("max_action_age", "An action from an older image is refused [s].", 0.05, 60.0),
    ("max_chunk_age", "An action of several steps is followed until its image is this old [s].", 0.05, 60.0),
    ("max_stamp_lead", "An action from an image this far in the future is refused [s].", 0.01, 60.0),
    ("max_tick_gap", "A pause between two ticks that is a fault [s].", 0.06, 10.0),
    ("halt_duration", "How long velocities of zero are still sent once the arm stands still [s].", 0.02, 10.0),
)

SMOOTHER_PARAMETERS = (
    Parameter("command_rate", 50.0, "Velocities per second [Hz].", low=20.0, high=500.0),
    Parameter("dry_run", False, "Everything but commands: the arm is told nothing.", read_only=False),
    ALLOW_OTHER_VELOCITIES,
    Parameter("require_arm_status", False, "Nothing moves unless the arm's bridge says on arm_status: ready."),
    Parameter("deadman_timeout", 0.0, "How long a true on deadman lets the policy act; 0: off [s].", low=0.0, high=2.0),
    Parameter(
        "teleop_timeout",
        _takeover.timeout,
        "Silence of a human who commands that is a stop; 0: no human may [s].",
        low=0.0,
        high=1.0,
    ),
    Parameter(
        "teleop_deadman",
        _takeover.deadman,
        "Of teleop_twist: true on the topic teleop_deadman, or the motion of the stick itself.",
        choices=DEADMEN,
    ),
    Parameter("teleop_frame", "", "TF frame of twists that name none; empty: workspace_frame, or else base_link."),
    Parameter(
        "joy_map", "", "File of axes and buttons for the topic joy, or gamepad or spacemouse; empty: no joystick."
    ),
    Parameter("tip_frame", "", "TF frame of the end effector; needed for the walls of a workspace."),
    Parameter("workspace_frame", "", "TF frame of the walls and the actions; needed for the walls of a workspace."),
    Parameter("follow_time", 0.0, "Within what time it must show that the arm follows; 0: off [s].", low=0.0, high=2.0),
    Parameter("follow_tolerance", 0.12, "Share of the commanded way that may be missing.", low=0.01, high=0.9),
    *(Parameter(name, getattr(_limits, name), text, low=1e-4, high=high) for name, text, high in _LIMITS),
    *(Parameter(name, getattr(_limits, name), text, low=0.0, high=high) for name, text, high in _JERKS),
    Parameter(
        "workspace_low", list(_limits.workspace_low), "Lower corner x, y, z of the workspace [m]; -.inf: no wall."
    ),
    Parameter(
        "workspace_high", list(_limits.workspace_high), "Upper corner x, y, z of the workspace [m]; .inf: no wall."
    ),
    Parameter(
        "forbidden_boxes",
        list(NO_BOX),
        "Low and high corner, six numbers for each box that the tip may not enter [m]; six zeros: none.",
    ),
    Parameter(
        "tip_radius", 0.0, "Of a ball about the tip that keeps away from walls and boxes [m].", low=0.0, high=1.0
    ),
    Parameter("speed_scale", 1.0, "Factor of the velocity and acceleration limits.", low=0.01, high=1.0),
    Parameter("drive_base", False, "Actions move a mobile base too, by base_twist_cmds; else such are refused."),
    Parameter("base_twist_frame", BASE_LINK, "TF frame of the base, which base_twist_cmds names."),
    *(
        Parameter(name, getattr(BASE_LIMITS, limit), text, low=1e-3, high=high)
        for name, (limit, text, high) in _BASE_LIMITS.items()
    ),
    *(Parameter(name, getattr(_settings, name), text, low=low, high=high) for name, text, low, high in _SETTINGS),
    Parameter("gripper_mode", _gripper.mode, "binary sends 0 or 1, continuous the policy's own value.", choices=MODES),
    Parameter("gripper_open_below", _gripper.open_below, "Binary: it opens below this.", low=0.01, high=0.99),
    Parameter("gripper_close_above", _gripper.close_above, "Binary: it closes above this.", low=0.01, high=0.99),
    Parameter("gripper_deadband", _gripper.deadband, "Continuous: smaller changes are not sent.", low=0.001, high=0.5),
)


def make_controller(values: Mapping[str, Any], refuse_frame: Callable[[str], str | None]) -> Controller:
    """A controller with the parameters' values.

    refuse_frame: see Controller. Raises StartError for values that contradict each other.
    """
    try:
        limits = Limits(
            **{name: values[name] for name, *_ in (*_LIMITS, *_JERKS)},
            workspace_low=tuple(values["workspace_low"]),
            workspace_high=tuple(values["workspace_high"]),
            forbidden_boxes=boxes_of(values["forbidden_boxes"]),
            tip_radius=values["tip_radius"],
        ).scaled(values["speed_scale"])
        gripper = GripperSettings(
            mode=values["gripper_mode"],
            open_below=values["gripper_open_below"],
            close_above=values["gripper_close_above"],
            deadband=values["gripper_deadband"],
        )
        settings = ControllerSettings(**{name: values[name] for name, *_ in _SETTINGS}, gripper=gripper)
        base = Limits(**{limit: values[name] for name, (limit, *_) in _BASE_LIMITS.items()})
        scaled = base.scaled(values["speed_scale"]) if values["drive_base"] else None
        if scaled is not None and not values["base_twist_frame"].strip():
            raise ValueError("base_twist_frame is empty, expected the TF frame of the base that drive_base is about")
        return Controller(limits, settings, base=scaled, refuse_frame=refuse_frame)
    except ValueError as error:
        raise StartError(f"The smoother's parameters make no sense: {error}.") from error
