"""Parameters as tables: each is declared once, with its default, description and range."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from rt_vla_ros.nodes.start_error import StartError

Value = bool | int | float | str | list[str] | list[float]
# Safety settings: a node does not start if one of them was given and has no effect.
_SAFETY = re.compile(
    r"dry_?run|(?:max|min)_\w+|workspace_\w+|tip_frame|\w+_timeout|halt_duration|require_\w+|(?:base_)?follow_\w+|forbidden_\w+"
    r"|tip_radius|collision_\w+|speed_scale|teleop_\w+|joy_map",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a node.

    name, default, description: the description gives the unit. An empty list or text as default means "none".
    low, high: range of a number, both ends allowed; None if there is none.
    choices: what a text may be; empty if anything goes.
    read_only: can only be given at the start.
    """

    name: str
    default: Value
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = True

    def descriptor(self) -> ParameterDescriptor:
        """The declaration's second half."""
        text = self.description + (f" One of: {', '.join(self.choices)}." if self.choices else "")
        descriptor = ParameterDescriptor(description=text, read_only=self.read_only)
        if self.low is not None and self.high is not None:
            if isinstance(self.default, int):
                descriptor.integer_range = [IntegerRange(from_value=int(self.low), to_value=int(self.high), step=0)]
            else:
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=float(self.low), to_value=float(self.high), step=0.0)
                ]
        return descriptor


class LostSetting(NamedTuple):
    """Something that was given and has no effect, as a sentence. fatal: whether the node does not start with it."""

    sentence: str
    fatal: bool


def is_safety(name: str) -> bool:
    """Whether a parameter of this name would be a safety setting, whether or not it exists."""
    return _SAFETY.fullmatch(name) is not None


def declare(node: Node, table: Sequence[Parameter], **others: Sequence[Parameter]) -> dict[str, Any]:
    """Declares all of them on the node; their values by name. Warns of a given name that the node does not have.

    others: the tables of other nodes by their names, whose parameters may come with a file for all nodes.

    Raises StartError, with a message, for a value of the wrong type, out of range or no choice, and for a name that
    the node does not have where that may stand for a safety setting.
    """
    known = {parameter.name for parameter in table}
    for name in node._parameter_overrides:
        if name not in known and not node.has_parameter(name):
            owners = owners_of(name, others)
            if owners:
                sentence = f"{_unknown(node.get_name(), name)} It belongs to {' and '.join(owners)}."
                tell_lost(node, LostSetting(sentence, fatal=False))
            else:
                tell_lost(node, lost_name(node.get_name(), name, table))
    return {parameter.name: _declare(node, parameter) for parameter in table}


def owners_of(name: str, tables: Mapping[str, Sequence[Parameter]]) -> list[str]:
    """The nodes that have a parameter of this name. tables: the parameters of nodes by the nodes' names."""
    return [owner for owner, table in tables.items() if name in {parameter.name for parameter in table}]


def lost_name(node_name: str, name: str, table: Sequence[Parameter]) -> LostSetting:
    """What is said of a name that no node has. table: the parameters of the node that it was given to."""
    known = sorted(parameter.name for parameter in table)
    near = difflib.get_close_matches(name.lower().replace(".", "_"), known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Its parameters are {', '.join(known)}."
    sentence = f"{_unknown(node_name, name)} {hint}"
    if is_safety(name) or any(map(is_safety, near)):
        return LostSetting(f"{sentence} A safety setting must not be lost, so the node does not start.", fatal=True)
    return LostSetting(sentence, fatal=False)


def tell_lost(node: Node, lost: LostSetting) -> None:
    """Warns of it in the node's log, or raises StartError."""
    if lost.fatal:
        raise StartError(lost.sentence)
    node.get_logger().warning(lost.sentence)


def check_value(parameter: Parameter, value: object) -> None:
    """Raises StartError, with a message, for a value that the parameter cannot have.

    value: as ROS reads it; None for an empty list, which has no type there.
    """
    if value is None:
        raise StartError(
            f"The parameter {parameter.name!r} was given without a value, and an empty list has no type in ROS: omit "
            f"it for the default, {parameter.default!r}."
        )
    many = isinstance(parameter.default, list)
    kind = type(parameter.default[0] if isinstance(parameter.default, list) else parameter.default)
    is_list = not isinstance(value, str | bytes) and isinstance(value, Iterable)
    items = list(value) if isinstance(value, Iterable) and is_list else [value]
    if is_list is not many or any(type(item) is not kind for item in items) or not _is_within(parameter, items):
        bounds = "" if parameter.low is None else f" from {parameter.low:g} to {parameter.high:g}"
        given = f"a list of {type(items[0]).__name__}" if is_list and items else type(value).__name__
        hint = " Write it with a decimal point." if kind is float and type(items[0]) is int else ""
        raise StartError(
            f"The parameter {parameter.name!r} must be {'a list of ' if many else ''}{kind.__name__}{bounds}, "
            f"and is {value!r} ({given}).{hint}"
        )
    if any("$(" in item for item in items if isinstance(item, str)):
        raise StartError(
            f"The parameter {parameter.name!r} is {value!r}, an unresolved substitution. "
            "In a launch file give the parameter file as ParameterFile(PATH, allow_substs=True)."
        )
    if parameter.choices and value not in parameter.choices:
        raise StartError(
            f"The parameter {parameter.name!r} is {value!r}, expected one of {', '.join(parameter.choices)}."
        )


def _is_within(parameter: Parameter, items: Sequence[Any]) -> bool:
    if parameter.low is None or parameter.high is None:
        return True
    return all(parameter.low <= item <= parameter.high for item in items)


def _unknown(node_name: str, name: str) -> str:
    return f"{node_name} has no parameter {name!r}: what was given for it has no effect."


def _declare(node: Node, parameter: Parameter) -> Any:
    given = node._parameter_overrides.get(parameter.name)
    if given is not None:
        check_value(parameter, given.value)
    value = node.declare_parameter(parameter.name, parameter.default, parameter.descriptor()).value
    return list(value) if isinstance(parameter.default, list) else value
