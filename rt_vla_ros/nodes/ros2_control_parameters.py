"""The parameters of the bridge to ros2_control; neither the solver nor controller_manager_msgs is imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rt_vla_ros.arms.joint_commander import CommanderSettings
from rt_vla_ros.nodes.managed import AUTOSTART
from rt_vla_ros.nodes.parameters import Parameter
from rt_vla_ros.nodes.velocity_rivals import ALLOW_OTHER_VELOCITIES

_defaults = CommanderSettings()

ROS2_CONTROL_BRIDGE_PARAMETERS = (
    AUTOSTART,
    ALLOW_OTHER_VELOCITIES,
    Parameter("controller", "forward_position_controller", "Name of the joint group controller."),
    Parameter(
        "command_interface",
        _defaults.interface,
        "Command interface. If this node exits, position controllers hold, velocity controllers keep moving.",
        choices=("position", "velocity"),
    ),
    Parameter("controller_manager", "controller_manager", "Name of the controller manager's node."),
    Parameter(
        "switch_controllers",
        False,
        "Activate the controller and deactivate conflicting ones; once only: a later deactivation is not undone.",
    ),
    Parameter("tip_frame", "", "Link whose velocity is commanded; empty: the robot's only end link."),
    Parameter("base_frame", "", "First link of the kinematic chain; empty: the robot's root."),
    Parameter("joints", [""], "Joints in the controller's order; empty: in the order of the chain."),
    Parameter("command_rate", 1 / _defaults.period, "Commands per second [Hz].", low=20.0, high=1000.0),
    Parameter("twist_timeout", 0.1, "Maximum age of a velocity command, also into the future [s].", 0.02, 10.0),
    Parameter(
        "max_state_age",
        _defaults.max_state_age,
        "Maximum age of joint states, also into the future; otherwise the arm stops [s].",
        0.02,
        10.0,
    ),
    Parameter(
        "max_joint_acceleration",
        5.0,
        "Acceleration limit of joints without one in the URDF [rad/s^2 or m/s^2].",
        low=0.01,
        high=200.0,
    ),
    Parameter(
        "joint_limit_margin", _defaults.joint_limit_margin, "Margin to joint limits [rad or m].", low=0.0, high=0.5
    ),
    Parameter(
        "max_position_lead",
        _defaults.max_position_lead,
        "Maximum distance between commanded and measured position [rad or m].",
        low=0.001,
        high=1.0,
    ),
    Parameter(
        "max_condition_slow",
        _defaults.slow_condition,
        "Jacobian condition number above which motion towards a singularity is slowed down.",
        low=1.0,
        high=1e6,
    ),
    Parameter(
        "max_condition",
        _defaults.stop_condition,
        "Jacobian condition number above which motion towards a singularity stops.",
        low=1.0,
        high=1e6,
    ),
    Parameter("solver_python", "", "Python interpreter with Pinocchio, Pink and daqp; empty: this node's."),
)


def commander_settings(values: Mapping[str, Any]) -> CommanderSettings:
    """Of the parameters' values."""
    return CommanderSettings(
        interface=values["command_interface"],
        period=1 / values["command_rate"],
        max_state_age=values["max_state_age"],
        joint_limit_margin=values["joint_limit_margin"],
        max_position_lead=values["max_position_lead"],
        slow_condition=values["max_condition_slow"],
        stop_condition=values["max_condition"],
        solver_python=values["solver_python"],
    )


def joint_names(values: Mapping[str, Any]) -> tuple[str, ...]:
    """An empty list has no type in ROS, so one empty name stands for it."""
    return tuple(name for name in values["joints"] if name)
