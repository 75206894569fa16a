"""Checks by their action cards whether an environment can run a policy; reports all mismatches at once."""

from __future__ import annotations

from collections.abc import Iterator

from rt_vla_ros.action_space.card import ActionCard, ActionCardError, ActionDimension
from rt_vla_ros.action_space.ensemble import NEWEST

SAME = 1e-3  # of a rate or a speed, relative


def refuse_card(policy: ActionCard, environment: ActionCard, name: str) -> None:
    """environment: the card of its own actions and cameras. Raises ActionCardError with all mismatches."""
    found = list(mismatches(policy, environment))
    if found:
        raise ActionCardError(f"{name} cannot run this policy: {'; '.join(found)}. `rt-vla env card` shows its card.")


def mismatches(policy: ActionCard, own: ActionCard) -> Iterator[str]:
    """A clause each. own: the environment's card."""
    for key in ("frame", "frame_id"):
        if getattr(policy, key) != getattr(own, key):
            yield f"{key} is {getattr(policy, key)!r}, expected {getattr(own, key)!r}"
    ratio = own.control_rate / policy.control_rate
    if ratio < 1 - SAME or abs(ratio - round(ratio)) > SAME * ratio:
        yield (
            f"control_rate is {policy.control_rate:g} Hz, expected a divisor of the environment's "
            f"{own.control_rate:g} Hz"
        )
    if policy.moves_base:
        yield "its actions move a mobile base, but the environment has none"
    yield from _of_dimensions(policy, own, max(1, round(ratio)))
    cameras = [camera.name for camera in own.cameras]
    for camera in policy.cameras:
        if camera.name not in cameras:
            yield f"it sees the camera {camera.name!r}, but the environment has {', '.join(map(repr, cameras))}"
    if policy.state:
        yield f"it takes the robot's state ({', '.join(one.name for one in policy.state)}), but there are only images"
    if policy.ensemble.rule != NEWEST.rule:
        yield f"its chunks are combined by the rule {policy.ensemble.rule!r}, but only the newest is used"


def _of_dimensions(policy: ActionCard, own: ActionCard, ticks: int) -> Iterator[str]:
    """ticks: steps of the environment per step of the policy."""
    turns = [one.name for one in policy.dimensions if one.role.startswith("rotation_")]
    own_turns = [one for one in own.dimensions if one.role.startswith("rotation_")]
    if turns and own_turns and policy.rotation != own.rotation:
        yield f"rotation is {policy.rotation!r}, expected {own.rotation!r}"
    for one in policy.dimensions:
        if one.role.startswith(("translation_", "rotation_", "gripper")):
            at = own.index(one.role)
            if at is None:
                yield f"its dimension {one.name!r} is a {one.role}, which the environment does not support"
            elif one.role != "gripper" and not policy.postprocessing:
                yield from _of_range(one, own.dimensions[at], ticks)


def _of_range(one: ActionDimension, own: ActionDimension, ticks: int) -> Iterator[str]:
    low, high = own.low * ticks, own.high * ticks
    if one.low < low - SAME * abs(low) or one.high > high + SAME * abs(high):
        yield (
            f"{one.name!r} goes from {one.low:g} to {one.high:g} {one.unit} per action, but the "
            f"environment from {low:g} to {high:g} {one.unit} at its rate"
        )
