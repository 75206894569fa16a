"""An action card as the spaces that inspect-robots declares; declared_card goes the other way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.environments.declared_card import WORLD

if TYPE_CHECKING:
    from inspect_robots import Box, CameraSpec


def box_of_card(card: ActionCard) -> Box:
    """One element per dimension that moves the arm or the gripper, in the card's order and units.

    Without semantics where inspect-robots has no word for the frame (that of the end effector).
    """
    from inspect_robots import ActionSemantics, Box

    turn = "dr{}" if card.rotation == "rotation_vector" else "d{}"
    words = {"x": "roll", "y": "pitch", "z": "yaw"} if card.rotation == "rpy" else {axis: axis for axis in "xyz"}
    labels = {f"translation_{axis}": f"d{axis}" for axis in "xyz"} | {"gripper": "gripper"}
    labels |= {f"rotation_{axis}": turn.format(words[axis]) for axis in "xyz"}
    moving = [one for one in card.dimensions if one.role in labels]
    turns = any(one.role.startswith("rotation_") for one in moving)
    representation = "axis_angle" if card.rotation == "rotation_vector" else "euler_xyz"
    semantics = ActionSemantics(
        control_mode="eef_delta_pose" if turns else "eef_delta_pos",
        rotation_repr=representation if turns else "none",
        gripper="continuous" if card.index("gripper") is not None else "none",
        frame=WORLD if card.frame_id == WORLD else "base",
        dim_labels=tuple(labels[one.role] for one in moving),
    )
    return Box(
        shape=(len(moving),),
        low=np.array([one.low for one in moving]),
        high=np.array([one.high for one in moving]),
        semantics=semantics if card.frame == "base" else None,
    )


def cameras_of_card(card: ActionCard) -> tuple[CameraSpec, ...]:
    """The card's cameras."""
    from inspect_robots import CameraSpec

    return tuple(CameraSpec(one.name, one.height, one.width) for one in card.cameras)
