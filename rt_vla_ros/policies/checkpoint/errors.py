"""What can be wrong with a checkpoint, and with the options it is loaded with."""

from __future__ import annotations


class CheckpointError(ValueError):
    """The checkpoint cannot be used; the message says which file and why."""


class UnknownPolicyError(ValueError):
    """No policy of this name or at this path; the message lists what there is."""


class LanguageNotUsedError(ValueError):
    """A sentence encoder was given for a policy that reads sentences itself."""

    def __init__(self, name: str, language: str) -> None:
        super().__init__(
            f"The policy {name!r} reads sentences itself; language (given: {language}) is for networks that take "
            "sentence vectors. Leave it out."
        )


def some(names: list[str]) -> str:
    """The first of many names, and how many more there are, for a message."""
    shown = ", ".join(names[:4]) or "nothing"
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown
