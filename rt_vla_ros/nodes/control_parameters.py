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

COLLISION_CHECKS = ("mujoco", "moveit")

_limits, _settings, _takeover = Limits(), ControllerSettings(), TakeoverSettings()
_gripper = _settings.gripper
_LIMITS = (
    ("max_translation", "Actions with a larger translation are rejected [m].", 1.0),
    ("max_rotation", "Actions with a larger rotation are rejected [rad].", 6.3),
    ("max_linear_velocity", "Velocity limit; faster motion is slowed down [m/s].", 5.0),
    ("max_angular_velocity", "Angular velocity limit; faster motion is slowed down [rad/s].", 20.0),
    ("max_linear_acceleration", "Acceleration limit, also for braking [m/s^2].", 50.0),
    ("max_angular_acceleration", "Angular acceleration limit, also for braking [rad/s^2].", 200.0),
)
_BASE_LIMITS = {
    "max_base_translation": ("max_translation", "Actions with a larger base translation are rejected [m].", 5.0),
    "max_base_rotation": ("max_rotation", "Actions with a larger base rotation are rejected [rad].", 6.3),
    "max_base_linear_velocity": ("max_linear_velocity", "Velocity limit of the base [m/s].", 3.0),
    "max_base_angular_velocity": ("max_angular_velocity", "Angular velocity limit of the base [rad/s].", 10.0),
    "max_base_linear_acceleration": (
        "max_linear_acceleration",
        "Acceleration limit of the base, also for braking [m/s^2].",
        10.0,
    ),
    "max_base_angular_acceleration": (
        "max_angular_acceleration",
        "Angular acceleration limit of the base, also for braking [rad/s^2].",
        50.0,
    ),
}
_JERKS = (
    ("max_linear_jerk", "Jerk limit of motion, not of stops; 0: no limit [m/s^3].", 1e5),
    ("max_angular_jerk", "Angular jerk limit of motion, not of stops; 0: no limit [rad/s^3].", 1e6),
)
_SETTINGS = (
    ("smoothing_time_constant", "Time constant of the exponential smoothing; 0: off [s].", 0.0, 2.0),
    (
        "action_timeout",
        "Maximum silence of the policy after its last step, else a fault; longer than its period [s].",
        0.05,
        60.0,
    ),
    ("max_action_age", "Actions from older images are rejected [s].", 0.05, 60.0),
    ("max_chunk_age", "A chunk is executed until its image is this old [s].", 0.05, 60.0),
    ("max_stamp_lead", "Actions from images this far in the future are rejected [s].", 0.01, 60.0),
    ("max_tick_gap", "Longer pauses between two ticks are a fault [s].", 0.06, 10.0),
    ("halt_duration", "Duration of zero velocity commands after the arm has stopped [s].", 0.02, 10.0),
)

SMOOTHER_PARAMETERS = (
    Parameter("command_rate", 50.0, "Rate of velocity commands [Hz].", low=20.0, high=500.0),
    Parameter("dry_run", False, "Do everything except commanding the arm.", read_only=False),
    ALLOW_OTHER_VELOCITIES,
    Parameter("require_arm_status", False, "Move only while the arm's bridge reports ready on arm_status."),
    Parameter(
        "deadman_timeout",
        0.0,
        "Timeout of the topic deadman, which enables the policy; 0: off [s].",
        low=0.0,
        high=2.0,
    ),
    Parameter(
        "teleop_timeout",
        _takeover.timeout,
        "Timeout of an operator's commands, after which the arm stops; 0: no takeover [s].",
        low=0.0,
        high=1.0,
    ),
    Parameter(
        "teleop_deadman",
        _takeover.deadman,
        "Deadman switch of teleop_twist: the topic teleop_deadman, or motion of the input device itself.",
        choices=DEADMEN,
    ),
    Parameter("teleop_frame", "", "TF frame of twists without frame_id; empty: workspace_frame, or else base_link."),
    Parameter("joy_map", "", "Joystick mapping for the topic joy: a file, gamepad or spacemouse; empty: no joystick."),
    Parameter("tip_frame", "", "TF frame of the end effector; required for workspace walls."),
    Parameter("workspace_frame", "", "TF frame of walls and actions; required for workspace walls."),
    Parameter("follow_time", 0.0, "Time within which the arm must follow its commands; 0: off [s].", low=0.0, high=2.0),
    Parameter("follow_tolerance", 0.12, "Tolerated share of missing motion.", low=0.01, high=0.9),
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
        "Boxes that the tip may not enter, six numbers each: low and high corner [m]; six zeros: none.",
    ),
    Parameter("tip_radius", 0.0, "Minimum distance of the tip from walls and boxes [m].", low=0.0, high=1.0),
    Parameter(
        "collision_check",
        "",
        "Check each action for collisions of the whole arm before it moves: by MuJoCo, or by MoveIt's move_group; "
        "empty: off.",
        choices=("", *COLLISION_CHECKS),
    ),
    Parameter("collision_margin", 0.01, "Minimum distance in collision checks [m].", low=0.001, high=0.2),
    Parameter("collision_timeout", 0.3, "Actions whose check takes longer are rejected [s].", low=0.02, high=2.0),
    Parameter("moveit_group", "", "Planning group of the arm in MoveIt; required for collision_check: moveit."),
    Parameter("speed_scale", 1.0, "Factor for the velocity and acceleration limits.", low=0.01, high=1.0),
    Parameter(
        "drive_base", False, "Actions may also move a mobile base, with base_twist_cmds; otherwise they are rejected."
    ),
    Parameter("base_twist_frame", BASE_LINK, "TF frame of the base, frame_id of base_twist_cmds."),
    *(
        Parameter(name, getattr(BASE_LIMITS, limit), text, low=1e-3, high=high)
        for name, (limit, text, high) in _BASE_LIMITS.items()
    ),
    Parameter(
        "base_follow_time",
        0.0,
        "Time within which the base must follow its commands, by base_odometry; 0: off [s].",
        low=0.0,
        high=2.0,
    ),
    Parameter("base_follow_tolerance", 0.25, "Tolerated share of missing motion of the base.", low=0.01, high=0.9),
    *(Parameter(name, getattr(_settings, name), text, low=low, high=high) for name, text, low, high in _SETTINGS),
    Parameter(
        "gripper_mode", _gripper.mode, "binary: send 0 or 1; continuous: send the policy's value.", choices=MODES
    ),
    Parameter("gripper_open_below", _gripper.open_below, "Binary: open below this value.", low=0.01, high=0.99),
    Parameter("gripper_close_above", _gripper.close_above, "Binary: close above this value.", low=0.01, high=0.99),
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
            raise ValueError("base_twist_frame is empty, expected the TF frame of the base (drive_base is set)")
        return Controller(limits, settings, base=scaled, refuse_frame=refuse_frame)
    except ValueError as error:
        raise StartError(f"Invalid parameters of the smoother: {error}.") from error
