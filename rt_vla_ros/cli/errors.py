"""How commands refuse: a sentence, never a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CliError(Exception):
    """What the user gave cannot be done; the message is a whole sentence and the exit code is 2."""


def did_you_mean(given: str, choices: Iterable[str], *, most: int = 12) -> str:
    """`Did you mean 'x'?` for a near miss, else the first `most` of what there is."""
    names = sorted(set(choices))
    near = difflib.get_close_matches(given, names, n=3, cutoff=0.6)
    if near:
        return "Did you mean " + " or ".join(repr(name) for name in near) + "?"
    if not names:
        return "There is none."
    shown = ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
    return f"There is: {shown}."
