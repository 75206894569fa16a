"""Findings of the doctor: one sentence each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One sentence, and whether it reports a problem."""

    fine: bool
    sentence: str
