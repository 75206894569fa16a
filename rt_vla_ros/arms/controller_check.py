"""Whether a ros2_control controller accepts our commands: its state, its type, and its joints in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FORWARD = "forward_command_controller/ForwardCommandController"
TYPES = {
    "position": ("position_controllers/JointGroupPositionController", FORWARD),
    "velocity": ("velocity_controllers/JointGroupVelocityController", FORWARD),
}
ACTIVE, INACTIVE, UNCONFIGURED = "active", "inactive", "unconfigured"


@dataclass(frozen=True)
class ListedController:
    """A controller by the controller manager. claimed: such as joint1/velocity, in the order of the commands."""

    name: str
    state: str
    type: str
    claimed: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


@dataclass(frozen=True)
class ControllerVerdict:
    """problem: why commands would not be executed, as a sentence with what to do; None if they would.

    activate, deactivate: controllers to switch; empty if a switch does not help. warning: a danger although commands
    are executed, as a sentence.
    """

    problem: str | None
    activate: tuple[str, ...] = ()
    deactivate: tuple[str, ...] = ()
    warning: str | None = None


def judge(
    listed: Sequence[ListedController], name: str, joints: Sequence[str], interface: str, manager: str
) -> ControllerVerdict:
    """The verdict. joints: in the order in which commands are sent. interface: position or velocity."""
    found = next((one for one in listed if one.name == name), None)
    option = "" if manager == "/controller_manager" else f" -c {manager}"
    if found is None:
        there = ", ".join(f"{one.name} ({one.state})" for one in listed[:20]) or "none"
        return ControllerVerdict(
            f"The controller manager has no controller {name!r}; loaded are {there}. Load it with its parameters: "
            f"ros2 run controller_manager spawner {name}{option} --param-file FILE"
        )
    if found.type not in TYPES[interface]:
        return ControllerVerdict(
            f"The controller {name!r} is a {found.type}, expected one of {', '.join(TYPES[interface])} "
            f"(command_interface is {interface!r})."
        )
    if found.state == UNCONFIGURED:
        return ControllerVerdict(
            f"The controller {name!r} is not configured: ros2 control set_controller_state {name} inactive{option}"
        )
    expected = tuple(f"{joint}/{interface}" for joint in joints)
    has = found.claimed if found.state == ACTIVE else found.required
    if (has or found.state == ACTIVE) and has != expected:
        return ControllerVerdict(_other_joints(name, has, expected))
    if found.state == ACTIVE:
        return ControllerVerdict(None, warning=_goes_on(found) if interface == "velocity" else None)
    blocking = tuple(one.name for one in listed if one.state == ACTIVE and _shares_a_joint(one, joints))
    deactivate = f" --deactivate {' '.join(blocking)}" if blocking else ""
    return ControllerVerdict(
        f"The controller {name!r} is {found.state}: "
        f"ros2 control switch_controllers --activate {name}{deactivate}{option}",
        (name,) if found.state == INACTIVE else (),
        blocking,
    )


def _goes_on(controller: ListedController) -> str | None:
    if controller.type != FORWARD:
        return None
    return (
        f"The controller {controller.name!r} is a {FORWARD}: if it is deactivated while the arm moves, the hardware "
        f"keeps the last velocities. Use {TYPES['velocity'][0]}, which sets them to zero."
    )


def _other_joints(name: str, has: tuple[str, ...], expected: tuple[str, ...]) -> str:
    sentence = f"The controller {name!r} commands {', '.join(has) or 'nothing'}, expected {', '.join(expected)}."
    if sorted(has) == sorted(expected):
        order = ", ".join(one.rpartition("/")[0] for one in has)
        return f"{sentence} Set the parameter joints to its order: [{order}]"
    return f"{sentence} Set its parameter joints to these joints in this order."


def _shares_a_joint(controller: ListedController, joints: Sequence[str]) -> bool:
    return any(claim.rpartition("/")[0] in joints for claim in controller.claimed)
