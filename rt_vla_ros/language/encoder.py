"""Sentence encoders: text to the input features of a policy's network."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

MAX_LENGTH = 1000
"""Maximum length of an instruction [characters]."""


class InstructionError(ValueError):
    """The instruction cannot be used; the message says why."""


class LanguageEncoder(Protocol):
    """Turns an instruction into network input; called once per instruction."""

    def encode(self, instruction: str) -> NDArray[Any]:
        """Features of one instruction, always of the same shape and type. Raises InstructionError."""


def checked(instruction: str) -> str:
    """The instruction, stripped. Raises InstructionError if it is empty or too long."""
    text = instruction.strip()
    if not text:
        raise InstructionError("The instruction is empty; expected a task such as 'pick up the red cube'.")
    if len(text) > MAX_LENGTH:
        raise InstructionError(
            f"The instruction has {len(text)} characters, at most {MAX_LENGTH} are accepted; use one short sentence."
        )
    return text
