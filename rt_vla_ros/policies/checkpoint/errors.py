"""Errors of checkpoints and of the options they are loaded with."""

from __future__ import annotations


class CheckpointError(ValueError):
    """The checkpoint cannot be used; the message says which file and why."""


class UnknownPolicyError(ValueError):
    """No policy with this name or path; the message lists the available ones."""


class LanguageNotUsedError(ValueError):
    """A sentence encoder was given for a policy that takes text directly."""

    def __init__(self, name: str, language: str) -> None:
        super().__init__(
            f"The policy {name!r} takes text directly; language (given: {language}) is for networks that take "
            "sentence embeddings. Omit it."
        )


class NoPlansError(ValueError):
    """A plan before each action was requested from a policy that was not trained to plan."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The policy {name!r} was not trained to write a plan before it acts; plan:=true is for RT-2 policies that "
            "were (plan_on_request in their rt2_config.json). Omit it."
        )


class ServerDecidesError(ValueError):
    """An option was given for a remote policy that must be set on its server."""

    def __init__(self, *options: str) -> None:
        named = ", ".join(options)
        super().__init__(
            f"Options of a remote policy are set on its server: pass {named} to `rt-vla serve`, "
            "and omit it for remote:HOST."
        )


class EngineDecidesError(ValueError):
    """An option of the model was given for a policy whose model runs in an engine."""

    def __init__(self, name: str, *options: str) -> None:
        super().__init__(
            f"The model of the policy {name!r} runs in an engine: set {', '.join(options)} there, and omit it here."
        )


def some(names: list[str]) -> str:
    """The first names of a list and the number of the remaining ones, for a message."""
    shown = ", ".join(names[:4]) or "nothing"
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown


def first_line(error: Exception) -> str:
    """The first line of an error message."""
    if isinstance(error, KeyError):
        return f"the key {error} is missing"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    text = lines[0]
    for line in lines[1:]:
        if not text.endswith(":"):
            break
        text = f"{text} {line}"
    return text[:300]
