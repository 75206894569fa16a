"""Sentence encoders: text to the features that a policy's network takes."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

MAX_LENGTH = 1000
"""Characters of the longest instruction."""


class InstructionError(ValueError):
    """The instruction cannot be used; the message says why."""


class LanguageEncoder(Protocol):
    """Turns an instruction into what a network takes; called once per instruction."""

    def encode(self, instruction: str) -> NDArray[Any]:
        """Features of one instruction, always of the same shape and type. Raises InstructionError."""


def checked(instruction: str) -> str:
    """The instruction, stripped. Raises InstructionError where it is empty or too long."""
    text = instruction.strip()
    if not text:
        raise InstructionError("The instruction is empty; say what to do, such as 'pick up the red cube'.")
    if len(text) > MAX_LENGTH:
        raise InstructionError(
            f"The instruction has {len(text)} characters, at most {MAX_LENGTH} are accepted; use one short sentence."
        )
    return text
