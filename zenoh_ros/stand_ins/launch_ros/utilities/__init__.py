"""Namespaces and parameter dictionaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from launch import LaunchContext, Substitution
from launch.utilities import perform
from launch.utilities.type_utils import coerce_to_type, is_substitution

from ..parameter_descriptions import ParameterValue


def make_namespace_absolute(namespace: str | None) -> str | None:
    """The namespace with a leading `/`."""
    return namespace if namespace is None or namespace.startswith("/") else f"/{namespace}"


def prefix_namespace(base: str | None, namespace: str | None) -> str | None:
    """`namespace` relative to `base`, unless it is absolute; None if both are None."""
    if namespace is None:
        joined = base
    elif not base or namespace.startswith("/"):
        joined = namespace
    else:
        joined = f"{base.rstrip('/')}/{namespace}"
    if joined is None or joined == "/":
        return joined
    return joined.rstrip("/")


def evaluate_parameter_dict(context: LaunchContext, parameters: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """The values of a dictionary of parameters; names of nested ones are joined with dots.

    Raises:
        TypeError: a parameter cannot have this value.
        ValueError: the text of a substitution is invalid.
    """
    result: dict[str, Any] = {}
    for key, value in parameters.items():
        name = prefix + perform(context, key)
        if isinstance(value, Mapping):
            result |= evaluate_parameter_dict(context, value, f"{name}.")
        else:
            result[name] = _evaluated(context, name, value)
    return result


def _evaluated(context: LaunchContext, name: str, value: Any) -> Any:
    value = _plain(value)
    if isinstance(value, ParameterValue):
        return value.evaluate(context)
    if is_substitution(value):
        text = perform(context, value)
        try:
            return coerce_to_type(text) if text else ""
        except ValueError as error:
            raise ValueError(
                f"parameter '{name}': {error}; for a string use ParameterValue(value, value_type=str)"
            ) from None
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Sequence) and not isinstance(value, Substitution):
        return _uniform(name, [_member(context, member) for member in value])
    raise TypeError(
        f"parameter '{name}' is {value!r}, expected bool, int, float, str, a list of them or a substitution"
    )


def _member(context: LaunchContext, member: Any) -> Any:
    """A list of parts within a list is one text."""
    member = _plain(member)
    return member if isinstance(member, (bool, int, float, str)) else perform(context, member)


def _plain(value: Any) -> Any:
    """NumPy scalars and arrays as Python values."""
    return value.tolist() if hasattr(value, "tolist") else value


def _uniform(name: str, members: list[Any]) -> list[Any]:
    kinds = {type(member) for member in members}
    if not members:
        raise TypeError(f"parameter '{name}' is an empty list, which has no type in ROS: omit it")
    if kinds == {int, float}:
        return [float(member) for member in members]
    if len(kinds) > 1 or not kinds <= {bool, int, float, str}:
        raise TypeError(f"parameter '{name}' is {members!r}, expected a list of one type")
    return members


__all__ = ["evaluate_parameter_dict", "make_namespace_absolute", "prefix_namespace"]
