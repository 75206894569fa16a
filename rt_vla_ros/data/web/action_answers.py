"""Answers that a policy would read as an action: numbers alone, as many as an action has."""

from __future__ import annotations

import re
from collections.abc import Collection

SIZES = (7, 8)
"""Numbers of an action where no card says it: 6 of the motion and the gripper, with `terminate` or without."""
NUMBERS = re.compile(
    r"(?:.*\baction\s*:)?[\s\[(]*((?:[+-]?\d+[\s,;]+)*[+-]?\d+)[\s\])]*(?:\.\s*)?", re.IGNORECASE | re.DOTALL
)


def is_action(answer: str, sizes: Collection[int] = SIZES) -> bool:
    """Whether it is that, for one step or for several.

    A plan in words may stand before it ("Plan: ... Action: 1 128 ..."). sizes: how many numbers one step may have.
    """
    if not answer[-1:].isdigit() and answer[-1:] not in "])., \n":
        return False  # most answers, without a search
    found = NUMBERS.fullmatch(answer)
    count = len(re.findall(r"\d+", found[1])) if found else 0
    return count > 0 and any(size > 0 and count % size == 0 for size in sizes)
