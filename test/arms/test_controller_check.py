"""Which controllers take our commands, and what is to be typed where one does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rt_vla_ros.arms.controller_check import FORWARD, TYPES, ListedController, judge

JOINTS = ("a", "b")
CLAIMED = ("a/position", "b/position")
GOOD = ListedController("arm", "active", TYPES["position"][0], CLAIMED, CLAIMED)
OTHER = ListedController("trajectory", "active", "joint_trajectory_controller/JointTrajectoryController", CLAIMED)
GRIPPER = ListedController("gripper", "active", "x/Gripper", ("finger/position",))


def look(*listed: ListedController, manager: str = "/controller_manager") -> tuple[str, tuple, tuple]:
    verdict = judge(listed, "arm", JOINTS, "position", manager)
    return verdict.problem or "", verdict.activate, verdict.deactivate


def test_an_active_controller_with_these_joints_is_good() -> None:
    assert look(GOOD, GRIPPER) == ("", (), ())
    assert look(replace(GOOD, type="forward_command_controller/ForwardCommandController"))[0] == ""


def test_a_controller_that_leaves_the_last_velocity_at_the_hardware_is_warned_of() -> None:
    claimed = ("a/velocity", "b/velocity")
    good = ListedController("arm", "active", TYPES["velocity"][0], claimed, claimed)
    assert judge([good], "arm", JOINTS, "velocity", "/controller_manager").warning is None
    verdict = judge([replace(good, type=FORWARD)], "arm", JOINTS, "velocity", "/controller_manager")
    assert verdict.problem is None
    assert verdict.warning is not None
    assert "Use velocity_controllers/JointGroupVelocityController" in verdict.warning
    held = judge([replace(GOOD, type=FORWARD)], "arm", JOINTS, "position", "/controller_manager")
    assert held.warning is None


def test_an_inactive_one_says_how_to_switch() -> None:
    problem, activate, deactivate = look(replace(GOOD, state="inactive", claimed=()), OTHER, GRIPPER)
    assert problem.endswith(": ros2 control switch_controllers --activate arm --deactivate trajectory")
    assert (activate, deactivate) == (("arm",), ("trajectory",))
    assert look(replace(GOOD, state="inactive"), manager="/left/cm")[0].endswith("--activate arm -c /left/cm")


@pytest.mark.parametrize(
    ("controller", "words"),
    [
        (replace(GOOD, name="leg"), "no controller 'arm'; loaded are leg (active)"),
        (replace(GOOD, state="unconfigured"), "ros2 control set_controller_state arm inactive"),
        (replace(GOOD, type=OTHER.type), "expected one of position_controllers/JointGroupPositionController"),
        (replace(GOOD, type=TYPES["velocity"][0]), "command_interface is 'position'"),
        (replace(GOOD, claimed=CLAIMED[::-1]), "Set the parameter joints to its order: [b, a]"),
        (replace(GOOD, claimed=("a/velocity", "b/velocity")), "commands a/velocity, b/velocity, expected a/position"),
        (replace(GOOD, claimed=("a/position",)), "Set its parameter joints to these joints"),
        (replace(GOOD, claimed=()), "commands nothing"),
        (replace(GOOD, state="inactive", required=CLAIMED[::-1]), "Set the parameter joints to its order"),
        (replace(GOOD, state="finalized"), "is finalized"),
    ],
)
def test_what_would_not_move_the_joints_is_refused(controller: ListedController, words: str) -> None:
    problem, activate, _ = look(controller)
    assert words in problem
    assert activate == ()


def test_without_any_controller() -> None:
    assert "loaded are none" in look()[0]
