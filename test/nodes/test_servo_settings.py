"""Which of Servo's parameters are refused, and the line to change."""

from __future__ import annotations

from typing import Any

import pytest
from support.servo_stand_in import DEFAULTS

from rt_vla_ros.nodes.servo_settings import SERVO_NAMES, SmootherSpeeds, refuse_settings, settings_to_know

SPEEDS = SmootherSpeeds(linear=0.3, angular=1.0, rate=50.0)


def settings(**changed: Any) -> dict[str, Any]:
    values = DEFAULTS | {name.replace("__", "."): value for name, value in changed.items()}
    return {f"moveit_servo.{name}": value for name, value in values.items()}


def refused(**changed: Any) -> list[str]:
    return refuse_settings(settings(**changed), SPEEDS, "/servo_node")


def test_the_names_are_those_that_are_asked_for() -> None:
    assert set(SERVO_NAMES) == set(settings())
    assert refused() == []


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"command_in_type": "unitless"}, "`command_in_type: speed_units`"),
        (
            {"smoothing_filter_plugin_name": "online_signal_smoothing::ButterworthFilterPlugin"},
            "`smoothing_filter_plugin_name: online_signal_smoothing::AccelerationLimitedPlugin`",
        ),
        ({"scale__linear": 0.2}, "`scale: {linear: 0.3}`"),
        ({"scale__linear": 0.2}, "`ros2 param set /servo_node moveit_servo.scale.linear 0.3`"),
        ({"scale__rotational": 0.8}, "`scale: {rotational: 1}`"),
        ({"scale__rotational": 0.8}, "`ros2 param set /servo_node moveit_servo.scale.rotational 1.0`"),
        ({"incoming_command_timeout": 0.03}, "`incoming_command_timeout: 0.1`"),
        ({"incoming_command_timeout": 0.0}, "at least 0.04"),
        ({"override_velocity_scaling_factor": 0.5}, "`override_velocity_scaling_factor: 0.0`"),
    ],
)
def test_what_falsifies_distances_is_refused_with_the_line_to_change(changed: dict[str, Any], line: str) -> None:
    (sentence,) = refused(**changed)
    assert line in sentence


@pytest.mark.parametrize(
    "changed",
    [
        {"scale__linear": 0.3},
        {"scale__linear": float("inf")},
        {"scale__linear": 0.0},  # no limit, as Servo reads it
        {"scale__linear": -1.0},
        {"incoming_command_timeout": 0.04},
        {"override_velocity_scaling_factor": 1.0},
        {"override_velocity_scaling_factor": 0.009},
        {
            "use_smoothing": False,
            "smoothing_filter_plugin_name": "online_signal_smoothing::ButterworthFilterPlugin",
        },
        {"smoothing_filter_plugin_name": "online_signal_smoothing::RuckigFilterPlugin"},
    ],
)
def test_what_does_no_harm_is_not(changed: dict[str, Any]) -> None:
    assert refused(**changed) == []


def test_all_of_them_are_named_at_once() -> None:
    assert len(refused(command_in_type="unitless", scale__linear=0.1, incoming_command_timeout=0.0)) == 3


def test_another_node_in_servos_place_is_named() -> None:
    (sentence,) = refuse_settings(dict.fromkeys(SERVO_NAMES), SPEEDS, "/teleop")
    assert sentence.startswith("/teleop has no parameter moveit_servo.command_in_type, ")


def test_a_twist_about_another_frame_is_worth_a_warning() -> None:
    assert settings_to_know(settings()) is None
    assert "`apply_twist_commands_about_ee_frame: true`" in (
        settings_to_know(settings(apply_twist_commands_about_ee_frame=False)) or ""
    )
