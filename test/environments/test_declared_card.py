"""What an embodiment declares as an action card, without inspect-robots."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rt_vla_ros.action_space.card import ActionCardError
from rt_vla_ros.environments.declared_card import card_of_declaration, refuse_declaration
from rt_vla_ros.policies.tabletop_card import tabletop_card

BRIDGE: dict[str, Any] = {
    "name": "widowx",
    "size": 7,
    "control_hz": 5.0,
    "is_simulated": True,
    "cameras": [["front", 640, 480]],
    "low": [-0.05, -0.05, -0.05, -0.25, -0.25, -0.25, 0.0],
    "high": [0.05, 0.05, 0.05, 0.25, 0.25, 0.25, 1.0],
    "control_mode": "eef_delta_pose",
    "rotation_repr": "none",
    "gripper": "continuous",
    "frame": "base",
    "dim_labels": ["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"],
}


def test_labels_bounds_and_conventions_make_a_card() -> None:
    card = card_of_declaration(BRIDGE)
    assert [one.role for one in card.dimensions][3:] == ["rotation_x", "rotation_y", "rotation_z", "gripper"]
    assert (card.rotation, card.control_rate, card.frame_id) == ("rpy", 5.0, "base_link")
    assert (card.gripper_open, card.gripper_closed) == (1.0, 0.0), "the gripper's upper bound is open"
    vector = card_of_declaration(BRIDGE | {"rotation_repr": "axis_angle", "frame": "world"})
    assert (vector.rotation, vector.frame_id) == ("rotation_vector", "world")


def test_the_name_of_the_base_frame_is_the_policys_and_the_rest_is_compared() -> None:
    policy = tabletop_card("policy")
    with pytest.raises(ActionCardError) as refused:
        refuse_declaration(policy, BRIDGE, "widowx")
    assert str(refused.value) == (
        "widowx cannot run this policy: rotation is 'rotation_vector', expected 'rpy'; 'rotation_delta_z' goes from "
        "-0.35 to 0.35 rad per action, but the environment from -0.25 to 0.25 rad at its rate."
    )
    wide = BRIDGE | {"rotation_repr": "axis_angle", "control_hz": 10.0}
    assert refuse_declaration(policy, wide, "widowx").frame_id == policy.frame_id
    with pytest.raises(ActionCardError, match="frame_id is 'world', expected 'base_link'"):
        refuse_declaration(replace(policy, frame_id="world"), wide, "widowx")


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"control_mode": "joint_vel"}, "its control_mode is 'joint_vel', expected eef_delta_pos or eef_delta_pose"),
        ({"control_mode": None}, "its control_mode is not declared"),
        ({"rotation_repr": "quat_wxyz"}, "its rotation_repr is 'quat_wxyz'"),
        ({"frame": "camera"}, "its frame is 'camera', expected base or world"),
        ({"control_hz": None}, "it declares no control_hz"),
        ({"cameras": []}, "it declares no camera"),
        ({"dim_labels": None}, "its 7 dimensions have no labels"),
        ({"dim_labels": ["dx", "dy", "dz", "roll", "dpitch", "dyaw", "gripper"]}, "its dimensions 'roll' are unknown"),
        ({"dim_labels": ["dx", "dy", "dz", "droll", "dpitch", "drx", "gripper"]}, "name an axis twice"),
        ({"high": None}, "no finite bounds"),
        (
            {"low": [0.01, *BRIDGE["low"][1:]]},
            "'dx' goes from 0.01 to 0.05, without 0: the arm could not rest",
        ),
        ({"low": [0.05, *BRIDGE["low"][1:]]}, "'dx' cannot move"),
    ],
)
def test_a_declaration_that_no_card_can_say_is_refused_with_the_rest(changes: dict[str, Any], clause: str) -> None:
    with pytest.raises(ActionCardError) as alone:
        card_of_declaration(BRIDGE | changes)
    assert clause in str(alone.value)
    wrist = replace(tabletop_card("policy", cameras=["wrist"]), control_rate=3.0)
    with pytest.raises(ActionCardError) as refused:
        refuse_declaration(wrist, BRIDGE | changes, "widowx")
    assert clause in str(refused.value)
    assert changes == {"cameras": []} or "it sees the camera 'wrist'" in str(refused.value)
