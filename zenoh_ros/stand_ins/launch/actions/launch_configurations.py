"""Actions that set launch configurations and delimit their scopes."""

from __future__ import annotations

from ..action import Action
from ..launch_context import LaunchContext
from ..substitution import SomeSubstitutionsType
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions


class SetLaunchConfiguration(Action):
    """Sets a launch configuration, until the end of the scope."""

    def __init__(self, name: SomeSubstitutionsType, value: SomeSubstitutionsType, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.name = normalize_to_list_of_substitutions(name)
        self.value = normalize_to_list_of_substitutions(value)

    def execute(self, context: LaunchContext) -> None:
        name = perform_substitutions(context, self.name)
        context.launch_configurations[name] = perform_substitutions(context, self.value)


class UnsetLaunchConfiguration(Action):
    """Removes a launch configuration."""

    def __init__(self, name: SomeSubstitutionsType, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.name = normalize_to_list_of_substitutions(name)

    def execute(self, context: LaunchContext) -> None:
        context.launch_configurations.pop(perform_substitutions(context, self.name), None)


class PushLaunchConfigurations(Action):
    """Begins a scope of launch configurations."""

    def execute(self, context: LaunchContext) -> None:
        context._push_launch_configurations()


class PopLaunchConfigurations(Action):
    """Ends the scope and restores the launch configurations."""

    def execute(self, context: LaunchContext) -> None:
        context._pop_launch_configurations()


class ResetLaunchConfigurations(Action):
    """Removes all launch configurations except the given ones."""

    def __init__(
        self, launch_configurations: dict[SomeSubstitutionsType, SomeSubstitutionsType] | None = None, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self._kept = [
            (normalize_to_list_of_substitutions(name), normalize_to_list_of_substitutions(value))
            for name, value in (launch_configurations or {}).items()
        ]

    def execute(self, context: LaunchContext) -> None:
        kept = {
            perform_substitutions(context, name): perform_substitutions(context, value) for name, value in self._kept
        }
        context.launch_configurations.clear()
        context.launch_configurations.update(kept)
