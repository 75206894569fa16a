"""The action card of the policies that this project trains on its simulated arm."""

from __future__ import annotations

import math

from rt_vla_ros.action_space.card import ActionCard, ActionDimension, CameraSpec

STEP = 0.04  # [m]
TURN = 0.35  # [rad]


def tabletop_card(
    name: str, *, image_size: int = 96, vertical_fov: float = math.radians(32.0), horizon: int = 1
) -> ActionCard:
    """Six dimensions at 5 Hz in the base frame of the simulated Panda, from its front camera.

    image_size: height and width of the image [pixel]. vertical_fov: of the camera [rad]. horizon: steps of a chunk.
    """
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
        cameras=(CameraSpec("front", image_size, image_size, "center", vertical_fov),),
        horizon=horizon,
    )
