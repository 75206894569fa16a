"""What the doctor says: one sentence each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One sentence, and whether what it tells stands in the way."""

    fine: bool
    sentence: str
