"""The action card of policies trained on the simulated arm."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rt_vla_ros.action_space.card import ActionCard, ActionDimension, CameraSpec
from rt_vla_ros.action_space.state import StateDimension

STEP = 0.04  # [m]
TURN = 0.35  # [rad]
VERTICAL_FOVS = {"front": math.radians(32.0), "wrist": math.radians(65.0)}
"""Vertical fields of view of the simulator's policy cameras [rad]."""
JOINTS = (
    (-2.8973, 2.8973),
    (-1.7628, 1.7628),
    (-2.8973, 2.8973),
    (-3.0718, -0.0698),
    (-2.8973, 2.8973),
    (-0.0175, 3.7525),
    (-2.8973, 2.8973),
)
"""Joint limits of the Panda [rad]."""
TABLETOP_STATE = (
    *(
        StateDimension(f"panda_joint{i}", "rad", low, high, f"joint:panda_joint{i}")
        for i, (low, high) in enumerate(JOINTS, 1)
    ),
    StateDimension("gripper", "1", 0.0, 1.0, "gripper"),
)


def tabletop_card(
    name: str,
    *,
    image_size: int = 96,
    horizon: int = 1,
    cameras: Sequence[str] = ("front",),
    state: tuple[StateDimension, ...] = (),
) -> ActionCard:
    """The card of the simulated Panda: six dimensions at 5 Hz in its base frame; front camera, optionally wrist camera.

    image_size: height and width of the images [pixel]. horizon: steps of a chunk. state: TABLETOP_STATE or none.
    Raises ValueError for a camera that is not available to policies.
    """
    unknown = [camera for camera in cameras if camera not in VERTICAL_FOVS]
    if unknown:
        raise ValueError(f"Policies cannot use the simulator's camera {unknown[0]!r}, only {', '.join(VERTICAL_FOVS)}.")
    translation = tuple(
        ActionDimension(f"world_vector_{axis}", f"translation_{axis}", -STEP, STEP, "m") for axis in "xyz"
    )
    return ActionCard(
        name=name,
        dimensions=(
            ActionDimension("terminate_episode", "terminate", 0.0, 0.0, "mode", ("terminate", "move")),
            *translation,
            ActionDimension("rotation_delta_z", "rotation_z", -TURN, TURN, "rad"),
            ActionDimension("gripper_closedness", "gripper", 0.0, 1.0, "1"),
        ),
        bins=256,
        quantization="round",
        frame="base",
        frame_id="panda_link0",
        rotation="rotation_vector",
        gripper_open=0.0,
        gripper_closed=1.0,
        control_rate=5.0,
        cameras=tuple(CameraSpec(one, image_size, image_size, "center", VERTICAL_FOVS[one]) for one in cameras),
        horizon=horizon,
        state=state,
    )
