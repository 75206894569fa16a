"""Shortens an instruction to a plan ("pick red cube"; RT-2, section 4.4)."""

from __future__ import annotations

from rt_vla_ros.language.hashed_words import words

LEFT_OUT = frozenset(
    ("a", "an", "the", "please", "now", "then", "can", "could", "would", "you", "robot", "up", "of", "it", "its", "to")
)


def plan_of(instruction: str) -> str:
    """Drop words that name neither the action nor its object; the instruction itself if none would be left."""
    kept = [word for word in words(instruction) if word not in LEFT_OUT]
    return " ".join(kept) or " ".join(instruction.split())
