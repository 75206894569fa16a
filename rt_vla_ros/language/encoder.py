"""Sentences as numbers: what a policy's network takes instead of text."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

LONGEST = 1000
"""Characters of the longest instruction that is read."""


class InstructionError(ValueError):
    """The instruction cannot be used; the message says why."""


class LanguageEncoder(Protocol):
    """Turns an instruction into what a network takes; called once per instruction."""

    def encode(self, instruction: str) -> NDArray[Any]:
        """Features of one instruction, always of the same shape and type. Raises InstructionError."""


def checked(instruction: str) -> str:
    """The instruction without blanks around it. Raises InstructionError where it is empty or far too long."""
    text = instruction.strip()
    if not text:
        raise InstructionError("The instruction is empty; say what to do, such as 'pick up the red cube'.")
    if len(text) > LONGEST:
        raise InstructionError(
            f"The instruction has {len(text)} characters, at most {LONGEST} are read; say it in one short sentence."
        )
    return text
