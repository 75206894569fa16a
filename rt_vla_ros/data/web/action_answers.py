"""Detects answers that a policy would parse as an action: only numbers, as many as an action has."""

from __future__ import annotations

import re
from collections.abc import Collection

SIZES = (7, 8)
"""Sizes of an action without a card: 6 for motion and the gripper, with `terminate` or without."""
NUMBERS = re.compile(
    r"(?:.*\baction\s*:)?[\s\[(]*((?:[+-]?\d+[\s,;]+)*[+-]?\d+)[\s\])]*(?:\.\s*)?", re.IGNORECASE | re.DOTALL
)


def is_action(answer: str, sizes: Collection[int] = SIZES) -> bool:
    """Whether an answer is an action, of one step or several.

    A plan in words may precede it ("Plan: ... Action: 1 128 ..."). sizes: possible sizes of one step.
    """
    if not answer[-1:].isdigit() and answer[-1:] not in "])., \n":
        return False  # most answers, without a search
    found = NUMBERS.fullmatch(answer)
    count = len(re.findall(r"\d+", found[1])) if found else 0
    return count > 0 and any(size > 0 and count % size == 0 for size in sizes)
