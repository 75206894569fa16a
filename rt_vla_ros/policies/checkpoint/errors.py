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


class NoPlansError(ValueError):
    """A plan before each action was asked of a policy that was not taught to write one."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The policy {name!r} was not taught to write a plan before it acts; plan:=true is for RT-2 policies that "
            "were (plan_on_request in their rt2_config.json). Leave it out."
        )


class ServerDecidesError(ValueError):
    """Something was asked of a remote policy that its server was told, or was not, when it started."""

    def __init__(self, *options: str) -> None:
        named = ", ".join(options)
        super().__init__(
            f"A policy on a server is loaded there: say {named} to `rt-vla serve`, and leave it out for remote:HOST."
        )


def some(names: list[str]) -> str:
    """The first of many names, and how many more there are, for a message."""
    shown = ", ".join(names[:4]) or "nothing"
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown


def first_line(error: Exception) -> str:
    """What an error says, without the pages that some say behind it."""
    if isinstance(error, KeyError):
        return f"the key {error} is missing"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    text = lines[0]
    for line in lines[1:]:
        if not text.endswith(":"):
            break
        text = f"{text} {line}"
    return text[:300]
