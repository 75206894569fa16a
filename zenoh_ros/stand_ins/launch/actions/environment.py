"""Actions that change the environment of later processes."""

from __future__ import annotations

import os

from ..action import Action
from ..launch_context import LaunchContext
from ..substitution import SomeSubstitutionsType
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions


class SetEnvironmentVariable(Action):
    """Sets a variable, until the end of the scope."""

    def __init__(self, name: SomeSubstitutionsType, value: SomeSubstitutionsType, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.name = normalize_to_list_of_substitutions(name)
        self.value = normalize_to_list_of_substitutions(value)

    def execute(self, context: LaunchContext) -> None:
        context.environment[perform_substitutions(context, self.name)] = perform_substitutions(context, self.value)


class AppendEnvironmentVariable(Action):
    """Appends or prepends to a variable, with the path separator."""

    def __init__(
        self,
        name: SomeSubstitutionsType,
        value: SomeSubstitutionsType,
        prepend: bool = False,
        separator: str = os.pathsep,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.name = normalize_to_list_of_substitutions(name)
        self.value = normalize_to_list_of_substitutions(value)
        self._prepend = prepend
        self._separator = separator

    def execute(self, context: LaunchContext) -> None:
        name = perform_substitutions(context, self.name)
        parts = [context.environment.get(name, ""), perform_substitutions(context, self.value)]
        if self._prepend:
            parts.reverse()
        context.environment[name] = self._separator.join(part for part in parts if part)


class UnsetEnvironmentVariable(Action):
    """Removes a variable, until the end of the scope."""

    def __init__(self, name: SomeSubstitutionsType, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.name = normalize_to_list_of_substitutions(name)

    def execute(self, context: LaunchContext) -> None:
        context.environment.pop(perform_substitutions(context, self.name), None)


class PushEnvironment(Action):
    """Begins a scope of environment variables."""

    def execute(self, context: LaunchContext) -> None:
        context._push_environment()


class PopEnvironment(Action):
    """Ends the scope and restores the environment."""

    def execute(self, context: LaunchContext) -> None:
        context._pop_environment()
