"""Values of a type from texts: YAML's rules, as on the command line of ROS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_origin

import yaml

from ..substitution import Substitution
from . import normalize_to_list_of_substitutions, perform_substitutions

if TYPE_CHECKING:
    from ..launch_context import LaunchContext

_SCALARS = (bool, int, float, str)


def coerce_to_type(value: str, data_type: Any = None) -> Any:
    """The value that a text means.

    Args:
        value: the text.
        data_type: bool, int, float, str or a list of one of them; None: what YAML reads.

    Raises:
        ValueError: the text is no such value.
    """
    if data_type is str:
        return value
    if data_type in (int, float):
        return data_type(value)
    try:
        loaded = yaml.safe_load(value) if value else value
    except yaml.YAMLError as error:
        raise ValueError(f"{value!r} is not readable as YAML: {error}") from None
    if data_type is None:
        members = loaded if isinstance(loaded, list) else [loaded]
        if not all(isinstance(member, _SCALARS) for member in members):
            raise ValueError(f"{value!r} is neither a bool, an int, a float, a text nor a list of them")
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
    raise ValueError(f"{data_type!r} is not a type of a parameter: bool, int, float, str or a List of one of them")


def is_substitution(value: Any) -> bool:
    """Whether the value is a substitution or a list of texts with a substitution among them."""
    if isinstance(value, Substitution):
        return True
    return (
        isinstance(value, (list, tuple))
        and all(isinstance(part, (str, Substitution)) for part in value)
        and any(isinstance(part, Substitution) for part in value)
    )


def perform_typed_substitution(context: LaunchContext, value: Any, data_type: Any = None) -> Any:
    """The value, where it is a substitution performed and then read as `data_type`."""
    if is_substitution(value):
        return coerce_to_type(perform_substitutions(context, normalize_to_list_of_substitutions(value)), data_type)
    if isinstance(value, (list, tuple)):
        return [perform_typed_substitution(context, member, None) for member in value]
    if data_type is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and data_type not in (None, str):
        return coerce_to_type(value, data_type)
    return value
