"""The parameters of the nodes against the action card of their policy."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rt_vla_ros.action_space.card import BASE_ROLES, ActionCard, kind_of_motion, part_of
from rt_vla_ros.cli.doctor.finding import Finding
from rt_vla_ros.cli.doctor.parameter_files import NodeSetup
from rt_vla_ros.nodes.camera_topics import missing_camera
from rt_vla_ros.nodes.robot_state import refuse_settings
from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.nodes.tip_position import has_walls

MOTIONS = {
    "translation": ("linear", "m"),
    "rotation": ("angular", "rad"),
    "base_translation": ("base_linear", "m"),
    "base_rotation": ("base_angular", "rad"),
}


def compare(card: ActionCard, policy: NodeSetup, smoother: NodeSetup) -> Iterator[Finding]:
    """Mismatches between a card and the nodes' parameters."""
    yield from _cameras(card, policy)
    yield from _frames(card, policy, smoother)
    refusal = refuse_settings(card, policy.values)
    if refusal is not None:
        yield Finding(False, f"{card.name}: {refusal} The policy will not load.")
    yield from _times(card, smoother)
    yield from _base(card, smoother)
    yield from _limits(card, smoother)


def _times(card: ActionCard, smoother: NodeSetup) -> Iterator[Finding]:
    timeout, longest = smoother.values["action_timeout"], smoother.values["max_chunk_age"]
    wanted = card.execute_steps * card.period
    if card.horizon > 1 and wanted > longest:
        yield Finding(
            False,
            f"The policy decides every {wanted:.3g} s, but max_chunk_age is {longest:g} s: the arm stands still in "
            f"between. Set it to more than {wanted:.3g} s, such as {2 * wanted:.2g}.",
        )
    if card.horizon == 1 and card.period >= timeout:
        yield Finding(
            False,
            f"An action lasts {card.period:g} s, but action_timeout is {timeout:g} s: the smoother reports the policy "
            f"as dead after each one. Set it to more than {card.period:g} s, such as {3 * card.period:.2g}.",
        )


def _cameras(card: ActionCard, policy: NodeSetup) -> Iterator[Finding]:
    names = policy.values["cameras"]
    missing = missing_camera(card, names)
    if missing is not None:
        yield Finding(False, f"{card.name}: {missing} The policy will not load. List its cameras there, in order.")
    unused = [name for name in names if name not in {camera.name for camera in card.cameras}]
    if unused and missing is None:
        yield Finding(True, f"The policy does not use {', '.join(unused)} of the parameter 'cameras'.")


def _frames(card: ActionCard, policy: NodeSetup, smoother: NodeSetup) -> Iterator[Finding]:
    frame_id, workspace_frame = policy.values["frame_id"] or card.frame_id, smoother.values["workspace_frame"]
    try:
        walled = has_walls(smoother.values)
    except StartError:  # is told of where the files are read
        return
    if walled and card.frame == "end_effector":
        yield Finding(
            False,
            f"The actions are given in the axes of the end effector ({frame_id!r}), which moves with the arm: with "
            "walls the arm stands still. Use a policy whose card has the frame 'base', or remove the walls.",
        )
    elif walled and frame_id != workspace_frame:
        yield Finding(
            False,
            f"The actions are given in {frame_id!r} and the walls in {workspace_frame!r}: the arm stands still. Set "
            f"workspace_frame to {frame_id!r}, or frame_id to {workspace_frame!r} if that is the same frame.",
        )
    elif policy.values["frame_id"] and frame_id != card.frame_id:
        yield Finding(True, f"frame_id is {frame_id!r} instead of the card's {card.frame_id!r}: the axes must match.")


def _base(card: ActionCard, smoother: NodeSetup) -> Iterator[Finding]:
    if card.moves_base and not smoother.values["drive_base"]:
        names = ", ".join(one.name for one in card.dimensions if one.role in BASE_ROLES)
        yield Finding(
            False,
            f"Actions move a mobile base ({names}), but drive_base is false: they are rejected. Set it if "
            "base_twist_cmds is connected to a base, or set the role of these dimensions to 'unused'.",
        )
    elif smoother.values["drive_base"] and not card.moves_base:
        yield Finding(
            True, "drive_base is set, but no dimension of the card moves a base: it is commanded to stand still."
        )


def _limits(card: ActionCard, smoother: NodeSetup) -> Iterator[Finding]:
    for kind, (motion, unit) in MOTIONS.items():
        ends = [max(abs(one.low), abs(one.high)) for one in card.dimensions if kind_of_motion(one.role) == kind]
        base = part_of(kind) == "base"
        # Postprocessing changes what the arm's ranges say, and leaves the base's as they are.
        if not ends or (not smoother.values["drive_base"] if base else card.postprocessing):
            continue
        one_axis, corner = max(ends), math.hypot(*ends)
        limit, scale = smoother.values[f"max_{kind}"], smoother.values["speed_scale"]
        fastest = smoother.values[f"max_{motion}_velocity"] * scale
        if corner > limit:
            which = f"up to {one_axis:g} {unit} along one axis" if one_axis > limit else f"up to {corner:.3g} {unit}"
            sentence = f"Actions go {which}, but max_{kind} is {limit:g} {unit}: larger ones are rejected."
            yield Finding(one_axis <= limit, sentence)
        speed = one_axis * card.control_rate
        if speed > fastest:
            slower = "" if scale == 1 else f"times speed_scale ({scale:g}) "
            yield Finding(
                True,
                f"Actions go up to {speed:.3g} {unit}/s along one axis, and max_{motion}_velocity {slower}is "
                f"{fastest:.3g} {unit}/s: the fastest are slowed down to {fastest / speed:.0%}, and fall short.",
            )
