"""A gripper is told something only when it is something new."""

from __future__ import annotations

import pytest

from rt_vla_ros.control.gripper import GripperSettings, GripperSwitch


def test_between_the_thresholds_it_stays_as_it_is() -> None:
    switch = GripperSwitch(GripperSettings())
    assert [switch.command(w) for w in (0.5, 0.2, 0.6, 0.7, 0.4, 0.66, 0.3, 0.0)] == [
        *(None, 0.0, None, 1.0),
        *(None, None, 0.0, None),
    ]


def test_a_continuous_gripper_follows_beyond_the_deadband() -> None:
    switch = GripperSwitch(GripperSettings(mode="continuous", deadband=0.1))
    assert [switch.command(w) for w in (0.5, 0.55, 0.65, 0.6)] == [0.5, None, 0.65, None]


def test_after_a_reset_it_is_told_again() -> None:
    switch = GripperSwitch(GripperSettings())
    assert switch.command(1.0) == 1.0
    switch.reset()
    assert switch.command(1.0) == 1.0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mode": "sometimes"}, "expected one of binary, continuous"),
        ({"open_below": 0.7}, "expected 0 < open_below <= close_above < 1"),
        ({"deadband": 0.0}, "deadband is 0.0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        GripperSettings(**settings)  # type: ignore[arg-type]
