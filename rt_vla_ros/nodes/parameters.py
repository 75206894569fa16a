"""Parameters as tables: each is declared in one place, with its default, what it means and what it may be."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterUninitializedException,
)
from rclpy.node import Node

from rt_vla_ros.nodes.start_error import StartError

Value = bool | int | float | str | list[str] | list[float]
# Settings that keep an arm from harm: a node does not start where one was given and has no effect.
_SAFETY = re.compile(r"dry_?run|(?:max|min)_\w+|workspace_\w+|tip_frame|\w+_timeout|halt_duration", re.IGNORECASE)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a node.

    name, default, description: the description gives the unit. An empty list or text as default means "none".
    low, high: range of a number, both ends allowed; None where there is none.
    choices: what a text may be; empty where anything goes.
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


def is_safety(name: str) -> bool:
    """Whether a parameter of this name, be there one or not, is about what an arm may do."""
    return _SAFETY.fullmatch(name) is not None


def declare(node: Node, table: Sequence[Parameter], **others: Sequence[Parameter]) -> dict[str, Any]:
    """Declares all of them on the node; their values by name. Warns of a given name that the node does not have.

    others: the tables of other nodes by their names, whose parameters may come with a file for all nodes.

    Raises StartError, with a sentence, for a value of the wrong type, out of range or no choice, and for a name that
    the node does not have where that may stand for a safety setting.
    """
    known = {parameter.name for parameter in table}
    for name in node._parameter_overrides:
        if name not in known and not node.has_parameter(name):
            owners = [owner for owner, others_table in others.items() if name in {other.name for other in others_table}]
            _tell_unknown(node, name, sorted(known), owners)
    return {parameter.name: _declare(node, parameter) for parameter in table}


def _tell_unknown(node: Node, name: str, known: Sequence[str], owners: Sequence[str]) -> None:
    sentence = f"{node.get_name()} has no parameter {name!r}: what was given for it has no effect."
    if owners:
        node.get_logger().warning(f"{sentence} It is one of {' and '.join(owners)}.")
        return
    near = difflib.get_close_matches(name.lower().replace(".", "_"), known, n=1)
    sentence += f" Did you mean {near[0]!r}?" if near else f" It has {', '.join(known)}."
    if is_safety(name) or any(map(is_safety, near)):
        raise StartError(f"{sentence} A safety setting must not get lost, so the node does not start.")
    node.get_logger().warning(sentence)


def _declare(node: Node, parameter: Parameter) -> Any:
    try:
        value = node.declare_parameter(parameter.name, parameter.default, parameter.descriptor()).value
    except (
        InvalidParameterTypeException,
        InvalidParameterValueException,
        ParameterUninitializedException,
    ) as error:
        expected = type(parameter.default).__name__
        bounds = "" if parameter.low is None else f" from {parameter.low:g} to {parameter.high:g}"
        raise StartError(f"The parameter {parameter.name!r} must be {expected}{bounds}: {error}") from error
    if value is None:
        raise StartError(
            f"The parameter {parameter.name!r} was given without a value, and an empty list has no type in ROS: "
            f"leave it out for its default, {parameter.default!r}."
        )
    if any("$(" in text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)):
        raise StartError(
            f"The parameter {parameter.name!r} is {value!r}, with a substitution that nobody has made. "
            "In a launch file give the parameter file as ParameterFile(PATH, allow_substs=True)."
        )
    if parameter.choices and value not in parameter.choices:
        raise StartError(
            f"The parameter {parameter.name!r} is {value!r}, expected one of {', '.join(parameter.choices)}."
        )
    return list(value) if isinstance(parameter.default, list) else value
