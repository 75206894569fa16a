"""One launch file inside of another."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ..action import Action
from ..launch_context import LaunchContext
from ..launch_description_entity import LaunchDescriptionEntity
from ..launch_description_source import LaunchDescriptionSource
from ..launch_description_sources import AnyLaunchDescriptionSource
from ..substitution import SomeSubstitutionsType
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions
from .launch_configurations import SetLaunchConfiguration
from .opaque_function import OpaqueFunction


class IncludeLaunchDescription(Action):
    """Visits what a launch file describes, in the same scope.

    Args:
        launch_description_source: where it comes from, or the path of the file.
        launch_arguments: its arguments, as pairs (name, value).
    """

    def __init__(
        self,
        launch_description_source: LaunchDescriptionSource | SomeSubstitutionsType,
        *,
        launch_arguments: Iterable[tuple[SomeSubstitutionsType, SomeSubstitutionsType]] | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        if not isinstance(launch_description_source, LaunchDescriptionSource):
            launch_description_source = AnyLaunchDescriptionSource(launch_description_source)
        self.launch_description_source = launch_description_source
        self.launch_arguments = tuple(launch_arguments or ())

    def get_sub_entities(self) -> list[LaunchDescriptionEntity]:
        description = self.launch_description_source.try_get_launch_description_without_context()
        return [] if description is None else [description]

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        description = self.launch_description_source.get_launch_description(context)
        given = [
            perform_substitutions(context, normalize_to_list_of_substitutions(name))
            for name, _ in self.launch_arguments
        ]
        for argument in description.get_launch_arguments():
            required = argument.default_value is None and not argument._conditionally_included
            if required and argument.name not in given and argument.name not in context.launch_configurations:
                raise RuntimeError(
                    f"{self.launch_description_source.location} needs the argument '{argument.name}' "
                    f"({argument.description}); given: {', '.join(given) or 'none'}"
                )
        outer = dict(context.get_locals_as_dict())
        path = os.path.abspath(self.launch_description_source.location)
        location = {"current_launch_file_path": path, "current_launch_file_directory": os.path.dirname(path)}
        return [
            *[SetLaunchConfiguration(name, value) for name, value in self.launch_arguments],
            OpaqueFunction(function=lambda context: context.extend_locals(location)),
            description,
            OpaqueFunction(function=lambda context: context.extend_locals(outer)),
        ]
