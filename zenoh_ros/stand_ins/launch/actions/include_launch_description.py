"""Inclusion of a launch file."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping

from .. import logging
from ..action import Action
from ..launch_configurations import GivenArgument
from ..launch_context import LaunchContext
from ..launch_description_entity import LaunchDescriptionEntity
from ..launch_description_source import LaunchDescriptionSource
from ..launch_description_sources import AnyLaunchDescriptionSource
from ..substitution import SomeSubstitutionsType
from ..utilities import perform
from .declare_launch_argument import DeclareLaunchArgument
from .opaque_function import OpaqueFunction

# Names with this similarity (difflib ratio) count as misspelled; others may be for another file.
_MISSPELT = 0.85


class IncludeLaunchDescription(Action):
    """Visits the description of a launch file, in the same scope.

    An argument that the file neither declares nor uses is reported; one that looks misspelled ends the launch.

    Args:
        launch_description_source: a source, or the path of a launch file.
        launch_arguments: its arguments, as pairs (name, value).

    Attributes:
        without_effect: names of the unused arguments, after the file was visited.
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
        if isinstance(launch_arguments, Mapping):
            raise TypeError("launch_arguments must be pairs (name, value): write {...}.items()")
        self.launch_description_source = launch_description_source
        self.launch_arguments = tuple(launch_arguments or ())
        self.without_effect: list[str] = []

    def get_sub_entities(self) -> list[LaunchDescriptionEntity]:
        description = self.launch_description_source.try_get_launch_description_without_context()
        return [] if description is None else [description]

    @property
    def is_open(self) -> bool:
        return self.launch_description_source.try_get_launch_description_without_context() is None

    def arguments_set_for_sub_entities(self) -> set[str]:
        return {name for name, _ in self.launch_arguments if isinstance(name, str)}

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        description = self.launch_description_source.get_launch_description(context)
        path = os.path.abspath(self.launch_description_source.location)
        location = {"current_launch_file_path": path, "current_launch_file_directory": os.path.dirname(path)}
        outer = context.get_locals_as_dict()
        given: list[GivenArgument] = []
        declared = description.get_launch_arguments()

        def enter(context: LaunchContext) -> None:
            for name, value in self.launch_arguments:
                given.append(context.launch_configurations.give(perform(context, name), perform(context, value)))
            self._require(declared, context)
            context.extend_locals(location)

        def leave(context: LaunchContext) -> None:
            context.extend_locals(outer)
            known = [argument.name for argument in declared]
            self.without_effect = [
                argument.name for argument in given if not (argument.taken or argument.name in known)
            ]
            if "current_launch_file_path" in outer or context._more_to_come:
                self._say_what_had_no_effect(known, context)

        return [OpaqueFunction(function=enter), description, OpaqueFunction(function=leave)]

    def _require(self, declared: Iterable[DeclareLaunchArgument], context: LaunchContext) -> None:
        for argument in declared:
            required = argument.default_value is None and not argument._conditionally_included
            if required and argument.name not in context.launch_configurations:
                names = [perform(context, name) for name, _ in self.launch_arguments]
                raise RuntimeError(
                    f"{self.launch_description_source.location} needs the argument '{argument.name}' "
                    f"({argument.description}); given: {', '.join(names) or 'none'}"
                )

    def _say_what_had_no_effect(self, known: list[str], context: LaunchContext) -> None:
        """Called before anything is started: a misspelled `dry_run` must not move an arm."""
        for name in self.without_effect:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            sentence = f"{self.launch_description_source.location} has no argument '{name}', but it is given"
            if near and difflib.SequenceMatcher(None, name, near[0]).ratio() > _MISSPELT:
                raise RuntimeError(f"{sentence}{meant}")
            so_far = " unless an action that starts later uses it" if context._more_to_come else ""
            logging.get_logger("launch").warning(f"{sentence}: it has no effect{so_far}{meant}")
        if context._more_to_come:
            self.without_effect = []
