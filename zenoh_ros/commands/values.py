"""Conversion between messages and YAML, in the format of the ROS 2 commands."""

from __future__ import annotations

import array
import importlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import yaml

from zenoh_ros.commands.errors import CliError, did_you_mean
from zenoh_ros.packages import registered
from zenoh_ros.wire.printable import printable

_SEQUENCE = re.compile(r"sequence<(?P<item>.+?)(?:, (?P<most>\d+))?>")
_ARRAY = re.compile(r"(?P<item>.+)\[(?P<length>\d+)\]")
_WHOLE = re.compile(r"(?P<unsigned>u?)int(?P<bits>8|16|32|64)")
_COMMON_PACKAGES = (
    "std_msgs", "geometry_msgs", "sensor_msgs", "std_srvs", "diagnostic_msgs", "nav_msgs", "tf2_msgs",
    "builtin_interfaces", "control_msgs", "trajectory_msgs", "rcl_interfaces", "rosgraph_msgs", "visualization_msgs",
)  # fmt: skip


def interface(name: str, kind: str) -> Any:
    """The class of a type.

    Args:
        name: `std_msgs/msg/String` or `std_msgs/String`.
        kind: "msg", "srv" or "action".

    Raises:
        CliError: there is no such type; the message lists similar names.
    """
    package, _, rest = name.partition("/")
    short = rest.removeprefix(f"{kind}/")
    if re.fullmatch(r"[a-z][a-z0-9_]*", package) and re.fullmatch(r"[A-Z][A-Za-z0-9]*", short):
        try:
            found = getattr(importlib.import_module(f"{package}.{kind}"), short, None)
        except ImportError:
            found = None
        except KeyError as error:  # its file, or that of a nested type, is missing or unreadable
            raise CliError(str(error)) from error
        if found is not None:
            return found
    what = {"msg": "message", "srv": "service", "action": "action"}[kind]
    raise CliError(f"no {what} type {name!r}; expected package/{kind}/Name. {_near(name, kind)}")


def parse_values(text: str) -> dict[str, Any]:
    """The mapping in a command's YAML.

    Raises:
        CliError: it is not YAML or not a mapping; the message says where.
    """
    try:
        values = yaml.safe_load(text) if text.strip() else {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # an invalid date, deeply nested lists
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        raise CliError(f"the values are not YAML{where}: {getattr(error, 'problem', None) or error}") from error
    if not isinstance(values, dict):
        raise CliError(f"the values must be a YAML mapping such as 'data: hello', got {text!r}")
    return values


def fill(message: Any, values: dict[str, Any], path: str = "") -> list[Any]:
    """Sets the fields of a message.

    Args:
        values: by field; nested mappings for nested messages; `auto` for a header and `now` for a time are the time of
            publishing.

    Returns:
        The times (builtin_interfaces/Time) that are to be set to the time of publishing.

    Raises:
        CliError: a field that does not exist, or a value that does not fit; the message names the field.
    """
    types = message.get_fields_and_field_types()
    stamps: list[Any] = []
    for name, value in values.items():
        here = f"{path}{name}"
        if name not in types:
            hint = did_you_mean(str(name), types) if types else "It has no fields."
            raise CliError(f"{_type_of(message)} has no field {here!r}. {hint}")
        current = getattr(message, name)
        if hasattr(current, "get_fields_and_field_types"):
            stamps += _fill_nested(current, value, here)
            continue
        try:
            setattr(message, name, _converted(types[name], value, here))
        except (AssertionError, TypeError, ValueError, OverflowError) as error:
            raise CliError(f"field {here!r} ({types[name]}) cannot be {value!r}: {error}") from error
    return stamps


def stamp(times: list[Any], now: Any) -> None:
    """Sets the times returned by `fill`."""
    for time in times:
        time.sec, time.nanosec = now.sec, now.nanosec


def to_yaml(
    message: Any, *, limit: int | None = 128, no_arr: bool = False, no_str: bool = False, flow: bool = False
) -> str:
    """A message, or a field's value, as text with a final line end.

    Args:
        limit: longer arrays and strings are truncated and end in "..."; None: no limit.
        no_arr, no_str: arrays and strings are replaced by their type and length.
        flow: in one line.
    """
    plain = _plain(message, "", limit, no_arr, no_str)
    if not isinstance(plain, (dict, list)):
        return printable(f"{plain}\n", keep="\n\t")
    text = yaml.dump(
        plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31 - 1, default_flow_style=flow
    )
    return printable(str(text), keep="\n")


def to_csv(message: Any, *, limit: int | None = 128, no_arr: bool = False, no_str: bool = False) -> str:
    """All values of a message or a field, in order and comma-separated, as `to_yaml` shows them."""
    values = _leaves(_plain(message, "", limit, no_arr, no_str))
    return ",".join(printable(str(value)) for value in values)


def _leaves(plain: Any) -> Iterator[Any]:
    if isinstance(plain, (dict, list)):
        for part in plain.values() if isinstance(plain, dict) else plain:
            yield from _leaves(part)
    else:
        yield plain


class _Dumper(yaml.SafeDumper):
    """Never writes anchors and aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _near(name: str, kind: str) -> str:
    package, short = name.partition("/")[0], name.rpartition("/")[2]
    searched = (package, *(own.name for own in registered()), *_COMMON_PACKAGES)
    known = {f"{found}/{kind}/{own}": own for found in searched for own in _names(found, kind)}
    same = sorted(full for full, own in known.items() if own.lower() == short.lower())
    if same:
        return "Did you mean " + " or ".join(repr(full) for full in same) + "?"
    in_package = [full for full in known if full.startswith(f"{package}/")]
    return did_you_mean(name if "/" in name else f"{package}/{kind}/{short}", in_package or known)


def _names(package: str, kind: str) -> Iterator[str]:
    if not package.isidentifier():
        return
    try:
        module = importlib.import_module(f"{package}.{kind}")
    except ImportError:
        return
    yield from (name for name in dir(module) if re.fullmatch(r"[A-Z][A-Za-z0-9]*", name))


def _type_of(message: Any) -> str:
    module = type(message).__module__.split(".")
    return f"{module[0]}/{type(message).__name__}"


def _fill_nested(current: Any, value: Any, path: str) -> list[Any]:
    if value == "now" and _type_of(current) == "builtin_interfaces/Time":
        return [current]
    if value == "auto" and _type_of(current) == "std_msgs/Header":
        return [current.stamp]
    if not isinstance(value, dict):
        raise CliError(f"field {path!r} is a {_type_of(current)}: expected a mapping of its fields, got {value!r}")
    return fill(current, value, f"{path}.")


def _converted(type_name: str, value: Any, path: str) -> Any:
    """A YAML value converted for a field of this type."""
    many = _SEQUENCE.fullmatch(type_name) or _ARRAY.fullmatch(type_name)
    if many is not None:
        if not isinstance(value, list):
            raise CliError(f"field {path!r} is a list of {many['item']}: expected [...], got {value!r}")
        _check_length(many.groupdict(), value, path)
        return [_converted(many["item"], item, f"{path}[{index}]") for index, item in enumerate(value)]
    if "/" in type_name:
        package, name = type_name.split("/")
        message = interface(f"{package}/msg/{name}", "msg")()
        _fill_nested(message, value, path)
        return message
    return _scalar(type_name, value, path)


def _scalar(type_name: str, value: Any, path: str) -> Any:
    if type_name.startswith(("string", "wstring")):
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return str(value)
        raise CliError(f"field {path!r} is a string, but YAML reads {value!r}: put it in quotes")
    if isinstance(value, str):
        value = _number(type_name, value)
    if type_name == "boolean" and value in (0, 1):
        return bool(value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if type_name in ("double", "float") and is_number:
        return float(value)
    if type_name == "octet" and is_number:
        return bytes([value])
    if not is_number or type_name == "boolean" or not float(value).is_integer():
        raise CliError(f"field {path!r} is a {type_name}, got {value!r}")
    _check_range(type_name, int(value), path)
    return int(value)


def _number(type_name: str, text: str) -> Any:
    """The number in a string that YAML does not parse as one, `1e-3` or `nan`; otherwise the string."""
    try:
        return float(text) if type_name in ("double", "float") else int(text)
    except ValueError:
        return text


def _check_length(bounds: dict[str, str | None], value: list[Any], path: str) -> None:
    length, most = bounds.get("length"), bounds.get("most")
    if length is not None and len(value) != int(length):
        raise CliError(f"field {path!r} has {length} values, got {len(value)}")
    if most is not None and len(value) > int(most):
        raise CliError(f"field {path!r} has at most {most} values, got {len(value)}")


def _check_range(type_name: str, value: int, path: str) -> None:
    """Message classes check this only if ROS_PYTHON_CHECK_FIELDS is set."""
    match = _WHOLE.fullmatch(type_name)
    if match is None:
        return
    span = 2 ** int(match["bits"])
    low = 0 if match["unsigned"] else -span // 2
    if not low <= value < low + span:
        raise CliError(f"field {path!r} is a {type_name}, from {low} to {low + span - 1}, got {value}")


def _plain(value: Any, type_name: str, limit: int | None, no_arr: bool, no_str: bool) -> Any:
    """A message as dictionaries, lists, numbers and strings."""
    if hasattr(value, "get_fields_and_field_types"):
        types = value.get_fields_and_field_types()
        return {name: _plain(getattr(value, name), types[name], limit, no_arr, no_str) for name in types}
    if isinstance(value, str):
        if no_str:
            return f"<string length: <{len(value)}>>"
        return value if limit is None or len(value) <= limit else f"{value[:limit]}..."
    if isinstance(value, bytes):
        return value[0] if len(value) == 1 else list(value)
    if isinstance(value, (list, tuple, array.array, np.ndarray)):
        many = _SEQUENCE.fullmatch(type_name) or _ARRAY.fullmatch(type_name)
        item = many["item"] if many else ""
        if no_arr:
            return f"<{'sequence' if _SEQUENCE.fullmatch(type_name) else 'array'} type: {item}, length: {len(value)}>"
        shown = value if limit is None else value[:limit]
        listed = [_plain(member, item, limit, no_arr, no_str) for member in shown]
        return [*listed, "..."] if len(shown) < len(value) else listed
    return value.item() if isinstance(value, np.generic) else value
