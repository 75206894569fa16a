"""Parameter values in YAML: parsed as by rcl, and written so that parsing gives the same values."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

ParameterValue = bool | int | float | str | list[bool] | list[int] | list[float] | list[str]

_TRUE = frozenset(("Y", "y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"))
_FALSE = frozenset(("N", "n", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"))
# Accepted by C's strtoll with base 0 and strtod; both skip leading white space.
_WHOLE = re.compile(r"\s*([-+]?)(?:(0x[0-9a-f]+)|(0[0-7]*)|([1-9]\d*))", re.ASCII | re.IGNORECASE)
_DECIMAL = re.compile(r"\s*[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|inf(?:inity)?)", re.ASCII | re.IGNORECASE)
_HEXADECIMAL = re.compile(r"\s*[-+]?0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[-+]?\d+)?", re.ASCII | re.IGNORECASE)
_NAN = re.compile(r"\s*[-+]?nan(?:\(\w*\))?|\.(?-i:nan|NaN|NAN)", re.ASCII | re.IGNORECASE)
_INFINITY = re.compile(r"[-+]?\.(?:inf|Inf|INF)")
_INT64 = 2**63
_SMALLEST_NORMAL = 2.0**-1022


def read_scalar(text: str) -> bool | int | float | str:
    """Parse a scalar without quotes as rcl_yaml_param_parser does (get_value in parse.c, ROS 2 Jazzy).

    Some texts are numbers that are none in YAML 1.1: `1e3`, `0x1.8p1`, `nan`. `010` is 8, `08` is 8.0. A number out of
    range (`1e400`) is a string, and so are `null` and `~`.
    """
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    whole = _read_whole(text)
    if whole is not None:
        return whole
    number = _read_number(text)
    return text if number is None else number


def _read_whole(text: str) -> int | None:
    match = _WHOLE.fullmatch(text)
    if match is None:
        return None
    sign, hexadecimal, octal, decimal = match.groups()
    value = int(hexadecimal, 16) if hexadecimal else int(octal, 8) if octal else int(decimal)
    value = -value if sign == "-" else value
    return value if -_INT64 <= value < _INT64 else None


def _read_number(text: str) -> float | None:
    if _NAN.fullmatch(text):
        return math.nan
    if _INFINITY.fullmatch(text):
        return float(text.replace(".", ""))
    if _DECIMAL.fullmatch(text):
        value = float(text)
        overflow = math.isinf(value) and "n" not in text.lower()
        lost = 0 < abs(value) < _SMALLEST_NORMAL or (value == 0 and re.match("[^eE]*[1-9]", text) is not None)
        return None if overflow or lost else value
    if _HEXADECIMAL.fullmatch(text):
        try:
            value = float.fromhex(text)
        except OverflowError:
            return None
        lost = value == 0 and re.match("[^xX]*[xX][^pP]*[1-9a-fA-F]", text) is not None
        return None if lost else value
    return None


class _Writer(yaml.SafeDumper):
    """Quotes strings that would be parsed as another type; writes numbers so that they are not parsed as strings."""


def _write_text(writer: _Writer, text: str) -> yaml.ScalarNode:
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=None if read_scalar(text) == text else "'")


def _write_whole(writer: _Writer, value: int) -> yaml.ScalarNode:
    if not -_INT64 <= value < _INT64:
        raise ValueError(f"{value} does not fit into a parameter: expected a whole number of 64 bits")
    return writer.represent_int(int(value))


def _write_number(writer: _Writer, value: float) -> yaml.ScalarNode:
    """rcl parses a subnormal number only in hexadecimal, which is a string to PyYAML."""
    if 0 < abs(value) < _SMALLEST_NORMAL:
        return writer.represent_str(value.hex())
    return writer.represent_float(float(value))


for _register in (_Writer.add_representer, _Writer.add_multi_representer):  # multi: subclasses, enums
    _register(str, _write_text)
    _register(int, _write_whole)
    _register(float, _write_number)


def write_yaml(content: Any, *, flow: bool = False) -> str:
    """Write a value, or a whole parameter file, such that rcl parses every value with its type here.

    Args:
        content: bool, int, float, str, a list of one of them, or a mapping with them.
        flow: in one line, for the command line.

    Raises:
        ValueError: an integer of more than 64 bits.
    """
    width = 2**31 - 1 if flow else None
    text = yaml.dump(content, Dumper=_Writer, sort_keys=False, default_flow_style=flow, allow_unicode=True, width=width)
    return str(text).removesuffix("\n").removesuffix("\n...") if flow else str(text)
