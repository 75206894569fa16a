"""Errors of commands: a message, never a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_NEAR, _AS_NEAR = 0.6, 0.05  # ratios of difflib


class CliError(Exception):
    """A command cannot be executed; the message is for the user, and the exit code is 2."""


def one_line(error: Exception) -> str:
    """The message of a foreign exception with its class, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def did_you_mean(given: str, choices: Iterable[str], *, most: int = 12) -> str:
    """`Did you mean 'x'?` for a near miss, else the first `most` choices."""
    names = sorted(set(choices))
    near = {name: difflib.SequenceMatcher(None, given, name).ratio() for name in names}
    nearest = max(near.values(), default=0.0)
    if nearest >= _NEAR:
        meant = [name for name in names if near[name] > nearest - _AS_NEAR]
        return "Did you mean " + " or ".join(repr(name) for name in meant[:3]) + "?"
    if not names:
        return "There are none."
    shown = ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
    return f"Available: {shown}."
