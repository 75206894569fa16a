"""Action cards of the published RT-1 and RT-1-X, with the sources and what could not be verified."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

from rt_vla_ros.action_space.card import BASE_MODE, ActionCard, ActionCardError, ActionDimension, CameraSpec
from rt_vla_ros.action_space.postprocessing import MEANINGS

PARTS = {
    "terminate_episode": ("terminate_episode",),
    "world_vector": ("world_vector_x", "world_vector_y", "world_vector_z"),
    "rotation_delta": ("rotation_delta_x", "rotation_delta_y", "rotation_delta_z"),
    "gripper_closedness_action": ("gripper_closedness_action",),
    "base_displacement_vertical_rotation": ("base_displacement_vertical_rotation",),
    "base_displacement_vector": ("base_displacement_vector_x", "base_displacement_vector_y"),
}
MODES = ("terminate", "move", BASE_MODE)
MOBILE = "google_robot"
"""The robot with a mobile base."""
JAX_ORDER = tuple(PARTS)
CONTROL_RATES = {"google_robot": 3.0, "widowx": 5.0}
ROBOTS = tuple(CONTROL_RATES)

SOURCES = (
    "{}: open_x_embodiment models/rt1.py (tokenize_action); terminate_episode is one token of "
    "three modes: 0 terminate, 1 the arm moves, 2 the base moves.",
    "world_vector is a displacement of the end effector in the axes of the robot's base (RT-1, arXiv 2212.06817, "
    "section 5.1; Open X-Embodiment, arXiv 2310.08864, section IV).",
)
ROBOT_NOTES = {
    "google_robot": "Google robot, after SimplerEnv: rotation_delta is axis times angle; the gripper's value is a "
    "change, 1 closes, -1 opens, below 0.01 there is none.",
    "widowx": "WidowX, after SimplerEnv: +-1.75 stands for +-0.05 m, +-1.4 for +-0.25 rad; rotation_delta is roll, "
    "pitch, yaw; the gripper is open or closed.",
}
UNVERIFIED = {
    "order": "Not verified: the order of the action's tokens ({}) is not in the public code of the TensorFlow release; "
    "it was given at conversion.",
    "frame": "Not verified: frame_id and the camera's field of view; set them to those of your robot.",
    "base": "Not verified: that base_displacement_vector is in meters, x forward and y to the left, and "
    "base_displacement_vertical_rotation in radians to the left, as the ranges suggest; try them with dry_run.",
}


def rt1_card(
    name: str,
    camera: CameraSpec,
    *,
    reach: tuple[float, float] = (-1.0, 1.0),
    bins: int = 256,
    robot: str = "google_robot",
    order: Sequence[str] = JAX_ORDER,
    verified: bool = True,
    base: bool = False,
) -> ActionCard:
    """The action card for one of ROBOTS; the arm's dimensions have roles and, if `base` is true, the base's too.

    reach: the range of world_vector. order: of the action's parts. verified: whether it is known from public code.
    Raises ActionCardError for an unknown robot, or for a base if it has none.
    """
    if robot not in ROBOTS:
        raise ActionCardError(f"Unknown robot {robot!r}; expected one of {', '.join(ROBOTS)}.")
    if base and robot != MOBILE:
        raise ActionCardError(f"The robot {robot} has no mobile base; {MOBILE} has one.")
    known = "Ranges, order and modes" if verified else "Ranges and modes"
    notes = [*(source.format(known) for source in SOURCES), ROBOT_NOTES[robot], UNVERIFIED["frame"]]
    if not verified:
        notes.append(UNVERIFIED["order"].format(", ".join(order)))
    if base:
        notes.append(UNVERIFIED["base"])
    return ActionCard(
        name=name,
        dimensions=tuple(_dimension(part, *reach, base) for group in order for part in PARTS[group]),
        bins=bins,
        quantization="truncate",
        frame="base",
        frame_id="base_link",
        **asdict(MEANINGS[robot]),
        control_rate=CONTROL_RATES[robot],
        cameras=(camera,),
        postprocessing=robot,
        notes=tuple(notes),
    )


def _dimension(name: str, low: float, high: float, base: bool) -> ActionDimension:
    if name == "terminate_episode":
        return ActionDimension(name, "terminate", 0.0, 0.0, "mode", MODES)
    if name.startswith("world_vector"):
        return ActionDimension(name, f"translation_{name[-1]}", low, high, "m")
    if name.startswith("rotation_delta"):
        return ActionDimension(name, f"rotation_{name[-1]}", -math.pi / 2, math.pi / 2, "rad")
    if name.endswith("vertical_rotation"):
        return ActionDimension(name, "base_yaw" if base else "unused", -math.pi, math.pi, "rad")
    if name.startswith("base_displacement_vector"):
        return ActionDimension(name, f"base_{name[-1]}" if base else "unused", -1.0, 1.0, "m")
    return ActionDimension(name, "gripper", -1.0, 1.0, "1")
