"""Substitutions for texts, launch configurations, environment variables and paths."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from typing import Any

from ..launch_context import LaunchContext
from ..substitution import SomeSubstitutionsType, Substitution
from ..utilities import describe_substitutions, normalize_to_list_of_substitutions, perform_substitutions
from .substitution_failure import SubstitutionFailure


class TextSubstitution(Substitution):
    """A fixed text."""

    def __init__(self, *, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"TextSubstitution expects a string, got {text!r}")
        self.text = text

    def perform(self, context: LaunchContext) -> str:
        return self.text

    def describe(self) -> str:
        return f"'{self.text}'"


class LaunchConfiguration(Substitution):
    """The value of a launch configuration, which an argument of the launch file sets.

    Args:
        variable_name: its name.
        default: used if it is not set; without a default, SubstitutionFailure is raised.
    """

    def __init__(self, variable_name: SomeSubstitutionsType, *, default: Any = None) -> None:
        self.variable_name = normalize_to_list_of_substitutions(variable_name)
        if default is not None and not isinstance(default, (str, Substitution, list, tuple)):
            default = str(default)
        self.default = None if default is None else normalize_to_list_of_substitutions(default)

    def perform(self, context: LaunchContext) -> str:
        name = perform_substitutions(context, self.variable_name)
        if name in context.launch_configurations:
            return str(context.launch_configurations[name])
        if self.default is None:
            raise SubstitutionFailure(f"launch configuration '{name}' does not exist: declare or set it first")
        return perform_substitutions(context, self.default)

    def describe(self) -> str:
        return f"LaunchConfig({describe_substitutions(self.variable_name)})"


class EnvironmentVariable(Substitution):
    """An environment variable; raises SubstitutionFailure if it is not set and there is no `default_value`."""

    def __init__(self, name: SomeSubstitutionsType, *, default_value: SomeSubstitutionsType | None = None) -> None:
        self.name = normalize_to_list_of_substitutions(name)
        self.default_value = None if default_value is None else normalize_to_list_of_substitutions(default_value)

    def perform(self, context: LaunchContext) -> str:
        name = perform_substitutions(context, self.name)
        if name in context.environment:
            return context.environment[name]
        if self.default_value is None:
            raise SubstitutionFailure(f"environment variable '{name}' is not set")
        return perform_substitutions(context, self.default_value)

    def describe(self) -> str:
        return f"EnvVar({describe_substitutions(self.name)})"


class PathJoinSubstitution(Substitution):
    """The parts joined with the path separator."""

    def __init__(self, substitutions: Iterable[SomeSubstitutionsType]) -> None:
        self.substitutions = [normalize_to_list_of_substitutions(part) for part in substitutions]

    def perform(self, context: LaunchContext) -> str:
        return os.path.join(*[perform_substitutions(context, part) for part in self.substitutions])

    def describe(self) -> str:
        return f"PathJoin({', '.join(describe_substitutions(part) for part in self.substitutions)})"


class ThisLaunchFile(Substitution):
    """The path of the current launch file."""

    def perform(self, context: LaunchContext) -> str:
        return _local(context, "current_launch_file_path")


class ThisLaunchFileDir(Substitution):
    """The directory of the current launch file."""

    def perform(self, context: LaunchContext) -> str:
        return _local(context, "current_launch_file_directory")


class LocalSubstitution(Substitution):
    """A dotted name among the context's locals, e.g. `event.reason` in an event handler."""

    def __init__(self, expression: str, description: str | None = None) -> None:
        self.expression = expression
        self.description = description

    def perform(self, context: LaunchContext) -> str:
        name, *attributes = self.expression.split(".")
        value: Any = _local(context, name)
        for attribute in attributes:
            value = getattr(value, attribute)
        return str(value)

    def describe(self) -> str:
        return f"Local('{self.description or self.expression}')"


class FindExecutable(Substitution):
    """The path of a program on PATH."""

    def __init__(self, *, name: SomeSubstitutionsType) -> None:
        self.name = normalize_to_list_of_substitutions(name)

    def perform(self, context: LaunchContext) -> str:
        name = perform_substitutions(context, self.name)
        found = shutil.which(name, path=context.environment.get("PATH"))
        if found is None:
            raise SubstitutionFailure(f"executable '{name}' not found on the PATH")
        return found

    def describe(self) -> str:
        return f"FindExec({describe_substitutions(self.name)})"


class Command(Substitution):
    """The output of a program, e.g. `xacro robot.urdf.xacro`. The line is split as by a shell; no shell is started."""

    def __init__(self, command: SomeSubstitutionsType, *, on_stderr: SomeSubstitutionsType = "fail") -> None:
        self.command = normalize_to_list_of_substitutions(command)
        self.on_stderr = normalize_to_list_of_substitutions(on_stderr)

    def perform(self, context: LaunchContext) -> str:
        line = perform_substitutions(context, self.command)
        try:
            done = subprocess.run(shlex.split(line), capture_output=True, text=True, check=False)
        except OSError as error:
            raise SubstitutionFailure(f"command '{line}' could not be started: {error}") from None
        failed_on_stderr = done.stderr and perform_substitutions(context, self.on_stderr) == "fail"
        if done.returncode != 0 or failed_on_stderr:
            raise SubstitutionFailure(f"command '{line}' failed (exit code {done.returncode}): {done.stderr.strip()}")
        return done.stdout

    def describe(self) -> str:
        return f"Command({describe_substitutions(self.command)})"


def _local(context: LaunchContext, name: str) -> Any:
    known = context.get_locals_as_dict()
    if name not in known:
        raise SubstitutionFailure(f"'{name}' is unknown here: it exists only in a launch file or an event")
    return known[name]
