"""Numbers on the command line, within bounds."""

from __future__ import annotations

import argparse
import math


def positive_float(text: str) -> float:
    """A number above zero; argparse reports an invalid one."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def nonnegative_float(text: str) -> float:
    """A number, 0 or more; argparse reports an invalid one."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"expected a number, 0 or more, got {text!r}")
    return value


def nonnegative_int(text: str) -> int:
    """An integer, 0 or more; argparse reports an invalid one."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected an integer, 0 or more, got {text!r}")
    return int(text)


def positive_int(text: str) -> int:
    """An integer, 1 or more; argparse reports an invalid one."""
    value = nonnegative_int(text)
    if value == 0:
        raise argparse.ArgumentTypeError("expected an integer, 1 or more, got '0'")
    return value
