"""A real arm on the running graph: whether it would move, its speed, its workspace, and what would stop it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from rclpy._rclpy_pybind11 import RCLError
from rclpy.qos import DurabilityPolicy, QoSProfile

from rt_vla_ros.cli.doctor.finding import Finding
from rt_vla_ros.cli.doctor.graph_look import GraphLook, on_graph
from rt_vla_ros.msg import ArmStatus, ControllerStatus

LISTENING = 1.5  # [s]
GUARDS = (
    *("dry_run", "require_arm_status", "follow_time", "speed_scale", "max_linear_velocity", "max_angular_velocity"),
    *("workspace_low", "workspace_high", "forbidden_boxes", "deadman_timeout"),
    *("drive_base", "max_base_linear_velocity", "max_base_angular_velocity"),
    *("max_base_linear_acceleration", "max_base_angular_acceleration", "base_follow_time"),
)
LONG_BRAKING = 1.0  # of a base [s]


def look_at_arm(smoother_name: str) -> Iterator[Finding]:
    """smoother_name: full name of the smoother node; the same name in another namespace is accepted."""
    try:
        with on_graph() as look:
            look.spin(LISTENING, lambda: look.find(smoother_name) is not None)
            smoother = look.find(smoother_name)
            if smoother is None:
                yield Finding(
                    False, f"No {smoother_name} is running: nothing would enforce the arm's limits. Start it."
                )
                return
            yield from _look(look, smoother)
    except RCLError as error:
        yield Finding(False, f"Cannot join the graph: {error}")


def _look(look: GraphLook, smoother: str) -> Iterator[Finding]:
    space = smoother.rpartition("/")[0]
    arms: list[ArmStatus] = []
    statuses: list[ControllerStatus] = []
    lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    look.node.create_subscription(ArmStatus, f"{space}/arm_status", arms.append, 10)
    look.node.create_subscription(ControllerStatus, f"{space}/controller_status", statuses.append, lasting)
    values = look.parameters(smoother, GUARDS)
    if values is None:
        yield Finding(False, f"{smoother} does not answer parameter requests: it hangs.")
        return
    look.spin(LISTENING)
    yield from _bridge(values, arms, f"{space}/arm_status")
    yield from _state(statuses, smoother)
    yield from _limits(values)
    yield from _guards(values)
    listeners = look.node.count_subscribers(f"{space}/gripper_command")
    if listeners:
        yield Finding(True, f"{space}/gripper_command has a subscriber.")
    else:
        yield Finding(False, f"No subscriber on {space}/gripper_command: start a gripper bridge (docs/grippers.md).")


def _bridge(values: Mapping[str, Any], arms: list[ArmStatus], topic: str) -> Iterator[Finding]:
    needed = values.get("require_arm_status", False)
    if not needed:
        what = "is published, but the smoother ignores it" if arms else "is not published"
        yield Finding(False, f"{topic} {what}: set require_arm_status if the arm's bridge publishes it.")
    elif not arms:
        yield Finding(False, f"No messages on {topic}: nothing will move. Start the arm's bridge.")
    elif not arms[-1].ready:
        yield Finding(False, f"The arm is not ready: {arms[-1].reason}")
    else:
        yield Finding(True, f"The arm's bridge reports ready ({len(arms) / LISTENING:.0f} times a second).")


def _state(statuses: list[ControllerStatus], smoother: str) -> Iterator[Finding]:
    if not statuses:
        yield Finding(False, f"{smoother} publishes no controller_status: it hangs.")
        return
    status = statuses[-1]
    if status.state == ControllerStatus.STOPPED:
        yield Finding(False, f"It is stopped: {status.reason} Call {smoother}/release.")
    elif status.state == ControllerStatus.FAULT:
        yield Finding(False, f"It is stopped by a fault: {status.reason}")
    elif status.awaits_resume:
        yield Finding(False, f"A human took over: the policy is suspended until {smoother}/resume is called.")
    else:
        yield Finding(True, f"The smoother is not stopped: {status.reason}")


def _limits(values: Mapping[str, Any]) -> Iterator[Finding]:
    scale = values.get("speed_scale", 1.0)
    linear, angular = values["max_linear_velocity"] * scale, values["max_angular_velocity"] * scale
    first = (
        "suitable for a first run"
        if linear <= 0.1
        else "fast for a first run: lower speed_scale or max_linear_velocity, to 0.1 m/s or less"
    )
    yield Finding(
        linear <= 0.1,
        f"Maximum speed of the tip: {linear:.3g} m/s and {angular:.3g} rad/s (speed_scale {scale:g}): {first}.",
    )
    if values.get("drive_base", False):
        yield _base(values, scale)
    walls = [*values.get("workspace_low", ()), *values.get("workspace_high", ())]
    count = sum(map(math.isfinite, walls))
    boxes = len([one for one in values.get("forbidden_boxes") or () if math.isfinite(one)]) // 6
    if count:
        yield Finding(count == 6, f"The workspace has {count} of 6 walls, and {boxes} forbidden boxes.")
    else:
        yield Finding(False, "The workspace has no walls: set workspace_low and workspace_high (docs/safety.md).")


def _base(values: Mapping[str, Any], scale: float) -> Finding:
    linear, angular = values["max_base_linear_velocity"], values["max_base_angular_velocity"]
    braking = max(linear / values["max_base_linear_acceleration"], angular / values["max_base_angular_acceleration"])
    slow = "" if braking <= LONG_BRAKING else ": raise its acceleration limits, which hold for every stop too"
    return Finding(
        not slow,
        f"The base goes at most {linear * scale:.3g} m/s and {angular * scale:.3g} rad/s, has no walls, and brakes "
        f"within {braking:.2g} s{slow}.",
    )


def _guards(values: Mapping[str, Any]) -> Iterator[Finding]:
    if values.get("dry_run", False):
        yield Finding(True, "dry_run is true: the arm gets no commands.")
    follow = values.get("follow_time", 0.0)
    if follow:
        yield Finding(True, f"The arm is checked for following its commands (follow_time {follow:g} s).")
    else:
        yield Finding(
            False, "The arm is not checked for following its commands: set follow_time, e.g. 0.4 (docs/safety.md)."
        )
    if values.get("drive_base", False):
        yield _base_follows(values.get("base_follow_time", 0.0))
    deadman = values.get("deadman_timeout", 0.0)
    if deadman:
        yield Finding(True, f"The arm moves only while the deadman switch is held ({deadman:g} s).")


def _base_follows(follow_time: float) -> Finding:
    if follow_time:
        return Finding(True, f"The base is checked for following its commands (base_follow_time {follow_time:g} s).")
    return Finding(
        False,
        "The base is not checked for following its commands: set base_follow_time, e.g. 1.0, and remap base_odometry "
        "(docs/real_arm.md).",
    )
