"""Checks for settings that are valid individually but contradict each other."""

from __future__ import annotations

import math
from collections.abc import Callable

from rt_vla_ros.cli.doctor.parameter_files import POLICY, SIM_ARM, SIM_TIME, SMOOTHER, FileSetup, NodeSetup
from rt_vla_ros.nodes.camera_topics import camera_topics
from rt_vla_ros.nodes.control_parameters import make_controller
from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.nodes.tip_position import has_walls

CERTAIN = 0.99  # a min_confidence that hardly any action has


def check_contradictions(setup: FileSetup) -> None:
    """Add the contradictions among the values, defaults included."""
    _check_smoother(setup, setup.nodes[SMOOTHER])
    _check_policy(setup, setup.nodes[POLICY])
    policy, smoother = setup.nodes[POLICY].values, setup.nodes[SMOOTHER].values
    if policy["max_image_age"] >= smoother["max_action_age"]:
        setup.problem(
            f"max_image_age ({policy['max_image_age']:g} s) is not below max_action_age "
            f"({smoother['max_action_age']:g} s): the smoother rejects actions from images that the policy accepts."
        )
    _check_names(setup)
    _check_clock(setup)


def _refusal(check: Callable[..., object], *arguments: object) -> str | None:
    try:
        check(*arguments)
    except StartError as error:
        return str(error)
    return None


def _check_smoother(setup: FileSetup, node: NodeSetup) -> None:
    values = node.values
    checks = ((make_controller, values, lambda _frame: None), (has_walls, values))
    refusals = [said for check, *arguments in checks if (said := _refusal(check, *arguments)) is not None]
    for said in refusals:
        setup.problem(f"{node.full_name} does not start: {said}")
    if not refusals:
        _check_frames(setup, node)
    if values["dry_run"]:
        setup.problem("dry_run is true: the arm will get no commands. Set it to false to move the arm.")


def _check_frames(setup: FileSetup, node: NodeSetup) -> None:
    walled = has_walls(node.values)
    frames = [name for name in ("tip_frame", "workspace_frame") if node.values[name]]
    if frames and not walled:
        setup.problem(
            f"{' and '.join(frames)} {'is' if len(frames) == 1 else 'are'} set, but workspace_low and workspace_high "
            "are not: there are no walls. Set them, or remove the frames."
        )
    elif node.given and not walled:
        setup.remark(f"{node.full_name}: the workspace has no walls; the arm is not confined.")
    elif walled:
        corners = zip(node.values["workspace_low"], node.values["workspace_high"], strict=True)
        open_sides = "".join(
            axis for axis, ends in zip("xyz", corners, strict=True) if not all(map(math.isfinite, ends))
        )
        if open_sides:
            setup.remark(f"{node.full_name}: along {', '.join(open_sides)} the workspace has an open side.")


def _check_policy(setup: FileSetup, node: NodeSetup) -> None:
    refused = _refusal(camera_topics, node.values["cameras"])
    if refused is not None:
        setup.problem(f"{node.full_name} does not start: {refused}")
    if node.values["min_confidence"] >= CERTAIN:
        setup.problem(
            f"min_confidence is {node.values['min_confidence']:g}: the arm holds still, as hardly any action reaches "
            "it. Start with 0 and check confidence in `topic echo /action`."
        )


def _check_names(setup: FileSetup) -> None:
    spaces = {node.full_name.rpartition("/")[0] or "/" for node in setup.nodes.values() if node.given}
    if len(spaces) > 1:
        listed = " and ".join(node.full_name for node in setup.nodes.values() if node.given)
        setup.problem(f"{listed} are in different namespaces: their topics connect only with remaps.")


def _check_clock(setup: FileSetup) -> None:
    following = {node.full_name: node.values[SIM_TIME] for node in setup.nodes.values()}
    pair = [setup.nodes[name] for name in (POLICY, SMOOTHER)]
    if len({node.values[SIM_TIME] for node in pair}) > 1:
        said = " and ".join(f"{str(node.values[SIM_TIME]).lower()} for {node.full_name}" for node in pair)
        setup.problem(f"{SIM_TIME} is {said}: their clocks differ, so every action is rejected. Set it under '/**'.")
    arm = setup.nodes.get(SIM_ARM)
    has_clock = arm is not None and (arm.values["publish_clock"] or arm.values["lock_step"])
    if any(following.values()) and not has_clock:
        setup.problem(
            f"{SIM_TIME} is true, but nothing in these files publishes /clock: without a simulator that does, no node "
            "acts. Remove it for a real arm; --topics shows whether there is a clock."
        )
