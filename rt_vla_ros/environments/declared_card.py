"""The action card of an embodiment of inspect-robots, from the spaces that it declares.

Its API (0.60) declares control mode, rotation, gripper, frame, bounds and labels of the dimensions, but no units and no
TF frame. Units and signs are those of its adapters: meters, radians, and a gripper whose upper bound is open
(inspect_robots.spaces.CANONICAL_STATE_UNITS). Euler angles are taken as fixed axes x, y, z.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from rt_vla_ros.action_space.card import ActionCard, ActionCardError, ActionDimension, CameraSpec
from rt_vla_ros.action_space.frames import BASE_LINK
from rt_vla_ros.environments.serving_check import mismatches

LABELS = {
    **{f"d{axis}": (f"translation_{axis}", "m") for axis in "xyz"},
    **{f"dr{axis}": (f"rotation_{axis}", "rad") for axis in "xyz"},
    "droll": ("rotation_x", "rad"),
    "dpitch": ("rotation_y", "rad"),
    "dyaw": ("rotation_z", "rad"),
    "gripper": ("gripper", "1"),
}
"""Labels of dimensions and their role and unit in an action card."""
CONTROL_MODES = ("eef_delta_pos", "eef_delta_pose")
ROTATIONS = {"none": "rpy", "axis_angle": "rotation_vector", "euler_xyz": "rpy"}
FRAMES = ("base", "world")
WORLD = "world"


def card_of_declaration(declaration: Mapping[str, Any], policy: ActionCard | None = None) -> ActionCard:
    """declaration: see inspect_declaration. policy: the name of its base frame is taken, as none is declared.

    Raises ActionCardError with everything that an action card cannot say.
    """
    found = list(_unusable(declaration))
    if found:
        raise ActionCardError(f"{declaration['name']} cannot be run by a policy of this package: {'; '.join(found)}.")
    gripper = [i for i, label in enumerate(declaration["dim_labels"]) if label == "gripper"]
    return ActionCard(
        name=str(declaration["name"]),
        dimensions=tuple(
            ActionDimension(label, LABELS[label][0], low, high, LABELS[label][1])
            for label, low, high in zip(declaration["dim_labels"], declaration["low"], declaration["high"], strict=True)
        ),
        bins=256,
        quantization="round",
        frame="base",
        frame_id=_frame_id(declaration, policy),
        rotation=ROTATIONS[declaration["rotation_repr"]],
        gripper_open=declaration["high"][gripper[0]] if gripper else 0.0,
        gripper_closed=declaration["low"][gripper[0]] if gripper else 1.0,
        control_rate=float(declaration["control_hz"]),
        cameras=_cameras(declaration),
        notes=("Units, gripper polarity and the name of the base frame are conventions: the API declares none.",),
    )


def refuse_declaration(policy: ActionCard, declaration: Mapping[str, Any], name: str) -> ActionCard:
    """The embodiment's card for this policy. Raises ActionCardError with all mismatches at once."""
    found = list(_unusable(declaration))
    own = _partly(declaration, policy) if found else card_of_declaration(declaration, policy)
    found += [] if own is None else list(mismatches(policy, own))
    if found or own is None:
        raise ActionCardError(f"{name} cannot run this policy: {'; '.join(found)}.")
    return own


def _unusable(one: Mapping[str, Any]) -> Iterator[str]:
    """What an action card cannot say, a clause each."""
    for key, choices in (("control_mode", CONTROL_MODES), ("rotation_repr", tuple(ROTATIONS)), ("frame", FRAMES)):
        if one[key] not in choices:
            given = "not declared" if one[key] is None else repr(one[key])
            yield f"its {key} is {given}, expected {' or '.join(choices)}"
    rate = one["control_hz"]
    if rate is None or not math.isfinite(rate) or rate <= 0:
        yield "it declares no control_hz, so the duration of an action is unknown"
    if not one["cameras"]:
        yield "it declares no camera"
    labels = one["dim_labels"]
    if labels is None:
        yield f"its {one['size']} dimensions have no labels (dim_labels), so their meaning is unknown"
    elif one["control_mode"] in CONTROL_MODES:
        unknown = [label for label in labels if label not in LABELS]
        if unknown:
            yield f"its dimensions {', '.join(map(repr, unknown))} are unknown, expected some of {', '.join(LABELS)}"
        elif len({LABELS[label][0] for label in labels}) < len(labels):
            yield f"its dimensions {', '.join(map(repr, labels))} name an axis twice"
    yield from _unusable_bounds(one)


def _unusable_bounds(one: Mapping[str, Any]) -> Iterator[str]:
    low, high = one["low"], one["high"]
    if low is None or high is None or not all(map(math.isfinite, (*low, *high))):
        yield "its dimensions have no finite bounds"
        return
    for i, (least, most) in enumerate(zip(low, high, strict=True)):
        label = one["dim_labels"][i] if one["dim_labels"] else f"number {i}"
        if least == most:
            yield f"its dimension {label!r} cannot move (both bounds are {least:g})"
        elif one["control_mode"] in CONTROL_MODES and label != "gripper" and not least <= 0 <= most:
            yield f"its dimension {label!r} goes from {least:g} to {most:g}, without 0: the arm could not rest"


def _partly(one: Mapping[str, Any], policy: ActionCard) -> ActionCard | None:
    """The policy's card with what the embodiment does declare; None if that makes no card."""
    rate = one["control_hz"] or policy.control_rate
    cameras = _cameras(one) or policy.cameras
    frame_id = _frame_id(one, policy)
    try:
        return replace(policy, frame="base", frame_id=frame_id, control_rate=float(rate), cameras=cameras)
    except ActionCardError:
        return None


def _cameras(one: Mapping[str, Any]) -> tuple[CameraSpec, ...]:
    return tuple(CameraSpec(name, width, height, "stretch", 0.0) for name, width, height in one["cameras"])


def _frame_id(one: Mapping[str, Any], policy: ActionCard | None) -> str:
    if one["frame"] == WORLD:
        return WORLD
    return BASE_LINK if policy is None or policy.frame_id == WORLD else policy.frame_id
