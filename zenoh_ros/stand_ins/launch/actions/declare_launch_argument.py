"""An argument of a launch file."""

from __future__ import annotations

from ..action import Action
from ..launch_context import LaunchContext
from ..substitution import SomeSubstitutionsType, Substitution
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions


class DeclareLaunchArgument(Action):
    """Declares an argument, whose value becomes the launch configuration of the same name.

    Args:
        name: its name.
        default_value: default; without it the argument is required.
        description: a sentence for `--show-args`.
        choices: allowed values; None: any.

    Raises:
        RuntimeError: the default value is not among the choices, or the choices are empty.
    """

    def __init__(
        self,
        name: str,
        *,
        default_value: SomeSubstitutionsType | None = None,
        description: str | None = None,
        choices: list[str] | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.name = name
        self.choices = choices
        self.default_value: list[Substitution] | None = None
        if default_value is not None:
            self.default_value = normalize_to_list_of_substitutions(default_value)
        if choices is not None and not choices:
            raise RuntimeError(f"argument '{name}': the list of choices is empty; omit it to allow any value")
        if choices is not None and isinstance(default_value, str) and default_value not in choices:
            raise RuntimeError(f"argument '{name}': the default '{default_value}' is not among the choices {choices}")
        self.description = _described(description, choices)
        self._conditionally_included = False

    def execute(self, context: LaunchContext) -> None:
        if self.name not in context.launch_configurations:
            if self.default_value is None:
                raise RuntimeError(
                    f"launch argument '{self.name}' ({self.description}) is required: give {self.name}:=VALUE"
                )
            context.launch_configurations[self.name] = perform_substitutions(context, self.default_value)
        value = context.launch_configurations[self.name]
        if self.choices is not None and value not in self.choices:
            raise RuntimeError(
                f"launch argument '{self.name}' is '{value}', which is not valid. Valid options are: {self.choices}"
            )


def _described(description: str | None, choices: list[str] | None) -> str:
    if choices is None:
        return description or "no description given"
    if description is None:
        return f"One of: {choices}"
    return f"{description.removesuffix('.')}. Valid choices are: {choices}"
