"""Servo's codes in sentences."""

from __future__ import annotations

import pytest
from moveit_msgs.msg import ServoStatus

from rt_vla_ros.nodes.servo_status import halt_of, slow_down_of


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (ServoStatus.INVALID, "does not know their frame"),
        (ServoStatus.HALT_FOR_SINGULARITY, "singularity (status 2). Move the arm out of it"),
        (ServoStatus.HALT_FOR_COLLISION, "collision"),
        (ServoStatus.JOINT_BOUND, "joint limit"),
        (7, "Servo's status is 7, which is unknown to this package"),
        (-128, "Servo's status is -128"),
    ],
)
def test_a_halt_says_what_to_do(code: int, words: str) -> None:
    assert words in (halt_of(code) or "")
    assert slow_down_of(code) is None


@pytest.mark.parametrize(
    "code",
    [
        ServoStatus.DECELERATE_FOR_APPROACHING_SINGULARITY,
        ServoStatus.DECELERATE_FOR_LEAVING_SINGULARITY,
        ServoStatus.DECELERATE_FOR_COLLISION,
    ],
)
def test_a_slow_down_is_no_halt(code: int) -> None:
    assert halt_of(code) is None
    assert "it moves less than commanded" in (slow_down_of(code) or "")


def test_all_well_is_neither() -> None:
    assert halt_of(ServoStatus.NO_WARNING) is slow_down_of(ServoStatus.NO_WARNING) is None
