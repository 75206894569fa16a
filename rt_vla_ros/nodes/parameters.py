"""Parameters as tables: each is declared in one place, with its default, what it means and what it may be."""

from __future__ import annotations

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

from rt_vla_ros.nodes.running import StartError

Value = bool | int | float | str | list[str] | list[float]


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


def declare(node: Node, table: Sequence[Parameter]) -> dict[str, Any]:
    """Declares all of them on the node; their values by name.

    Raises StartError, with a sentence, for a value of the wrong type, out of range or no choice.
    """
    return {parameter.name: _declare(node, parameter) for parameter in table}


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
    if parameter.choices and value not in parameter.choices:
        raise StartError(
            f"The parameter {parameter.name!r} is {value!r}, expected one of {', '.join(parameter.choices)}."
        )
    return list(value) if isinstance(parameter.default, list) else value
