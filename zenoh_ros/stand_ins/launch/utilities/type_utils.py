"""Typed values from texts, as on ROS command lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_origin

from zenoh_ros.wire.parameter_file import read_value
from zenoh_ros.wire.parameter_table import NamedValue

from ..substitution import Substitution
from . import normalize_to_list_of_substitutions, perform_substitutions

if TYPE_CHECKING:
    from ..launch_context import LaunchContext


def coerce_to_type(value: str, data_type: Any = None) -> Any:
    """Parses a text as a value of a type.

    Args:
        value: the text.
        data_type: bool, int, float, str or a list of one of them; None: parse it as a node parses `-p name:=value`.

    Raises:
        ValueError: the text is not such a value.
    """
    if data_type is str:
        return value
    if data_type in (int, float):
        return data_type(value)
    loaded = _as_a_node_reads(value) if value else value
    if data_type is None:
        return loaded
    if data_type is bool:
        if value in ("1", "0"):
            return value == "1"
        if isinstance(loaded, bool):
            return loaded
        raise ValueError(f"{value!r} is not a bool (true, false, 1, 0)")
    if get_origin(data_type) is list:
        (member_type,) = get_args(data_type)
        if isinstance(loaded, list) and all(isinstance(member, member_type) for member in loaded):
            return loaded
        raise ValueError(f"{value!r} is not a list of {member_type.__name__}")
    raise ValueError(f"{data_type!r} is not a parameter type: bool, int, float, str or a List of one of them")


def _as_a_node_reads(text: str) -> Any:
    entry = NamedValue("")
    try:
        read_value(text, entry)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a valid parameter value: {error}") from None
    if entry.value is None:
        raise ValueError(f"{text!r} has no type; omit empty values")
    return entry.value


def is_substitution(value: Any) -> bool:
    """Whether the value is a substitution or a list that contains one."""
    if isinstance(value, Substitution):
        return True
    return (
        isinstance(value, (list, tuple))
        and all(isinstance(part, (str, Substitution)) for part in value)
        and any(isinstance(part, Substitution) for part in value)
    )


def perform_typed_substitution(context: LaunchContext, value: Any, data_type: Any = None) -> Any:
    """The value; a substitution is performed and its text parsed as `data_type`."""
    if is_substitution(value):
        return coerce_to_type(perform_substitutions(context, normalize_to_list_of_substitutions(value)), data_type)
    if isinstance(value, (list, tuple)):
        return [perform_typed_substitution(context, member, None) for member in value]
    if data_type is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and data_type not in (None, str):
        return coerce_to_type(value, data_type)
    return value
