"""Substitutions in a text: `$(var arm)`, `$(env HOME /root)`, `$(find-pkg-share my_arm)`."""

from __future__ import annotations

import re
from collections.abc import Callable

from launch import LaunchContext, Substitution
from launch.substitutions import (
    AndSubstitution,
    Command,
    EnvironmentVariable,
    EqualsSubstitution,
    FindExecutable,
    IfElseSubstitution,
    LaunchConfiguration,
    NotEqualsSubstitution,
    NotSubstitution,
    OrSubstitution,
    PythonExpression,
    SubstitutionFailure,
    ThisLaunchFile,
    ThisLaunchFileDir,
)

from .substitutions import ExecutableInPackage, FindPackagePrefix, FindPackageShare

_KINDS: dict[str, Callable[..., Substitution]] = {
    "and": AndSubstitution,
    "command": Command,
    "dirname": ThisLaunchFileDir,
    "env": lambda name, default=None: EnvironmentVariable(name, default_value=default),
    "equals": EqualsSubstitution,
    "eval": PythonExpression,
    "exec-in-pkg": ExecutableInPackage,
    "filename": ThisLaunchFile,
    "find-exec": FindExecutable,
    "find-pkg-prefix": FindPackagePrefix,
    "find-pkg-share": FindPackageShare,
    "if": IfElseSubstitution,
    "not": NotSubstitution,
    "not-equals": NotEqualsSubstitution,
    "or": OrSubstitution,
    "var": lambda name, default=None: LaunchConfiguration(name, default=default),
}


def substitute(context: LaunchContext, text: str) -> str:
    """Perform all substitutions in a text; a backslash escapes the next character.

    Raises:
        SubstitutionFailure: a substitution is unknown or fails.
    """
    made, _ = _read(context, text, 0, "")
    return made


def _read(context: LaunchContext, text: str, at: int, stops: str) -> tuple[str, int]:
    """Parse up to one of `stops`; returns the text after substitution, and the position."""
    parts = []
    while at < len(text) and text[at] not in stops:
        if text.startswith("$(", at):
            part, at = _make(context, text, at)
        else:
            at += text[at] == "\\" and at + 1 < len(text)
            part, at = text[at], at + 1
        parts.append(part)
    return "".join(parts), at


def _make(context: LaunchContext, text: str, start: int) -> tuple[str, int]:
    match = re.compile(r"\$\(\s*([\w-]+)").match(text, start)
    line = text.count("\n", 0, start) + 1
    if match is None or match[1] not in _KINDS:
        found = text[start:].partition("\n")[0][:40]
        raise SubstitutionFailure(f"line {line}: '{found}' is not a substitution; known are {', '.join(_KINDS)}")
    arguments, at = [], match.end()
    while at < len(text) and text[at] != ")":
        if text[at].isspace():
            at += 1
            continue
        quote = text[at] if text[at] in "'\"" else ""
        argument, at = _read(context, text, at + len(quote), quote or " \t\n)")
        arguments.append(argument)
        at += len(quote)
    if at >= len(text):
        raise SubstitutionFailure(f"line {line}: '$({match[1]}' has no ')'")
    try:
        return _KINDS[match[1]](*arguments).perform(context), at + 1
    except (TypeError, LookupError) as error:
        raise SubstitutionFailure(f"line {line}: '{text[start : at + 1]}': {error}") from error
