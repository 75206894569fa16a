"""An ordered list of entities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .launch_description_entity import LaunchDescriptionEntity
from .utilities import normalize_to_list_of_entities

if TYPE_CHECKING:
    from .actions.declare_launch_argument import DeclareLaunchArgument
    from .launch_context import LaunchContext


class LaunchDescription(LaunchDescriptionEntity):
    """The entities of a launch file, as returned by its `generate_launch_description`."""

    def __init__(self, initial_entities: Iterable[LaunchDescriptionEntity] | None = None) -> None:
        self._entities = normalize_to_list_of_entities(initial_entities)

    @property
    def entities(self) -> list[LaunchDescriptionEntity]:
        return self._entities

    def add_entity(self, entity: LaunchDescriptionEntity) -> None:
        self._entities.append(entity)

    add_action = add_entity

    def visit(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        return list(self._entities)

    def get_sub_entities(self) -> list[LaunchDescriptionEntity]:
        return list(self._entities)

    def get_launch_arguments(self, conditional_inclusion: bool = False) -> list[DeclareLaunchArgument]:
        """The declared arguments, also of included files, in the order of declaration.

        Arguments that depend on a condition have `_conditionally_included` set. Arguments of an included file that are
        set by the include are omitted.
        """
        found: dict[str, DeclareLaunchArgument] = {}
        _collect_arguments(self._entities, conditional_inclusion, found)
        return list(found.values())


def is_open(entities: Iterable[LaunchDescriptionEntity]) -> bool:
    """Whether the content is known only when visited: functions, and files whose path is unknown.

    Entities that a function returns for an event are ignored: they are usually just a log line or a shutdown.
    """
    return any(
        entity.is_open
        or is_open(entity.get_sub_entities())
        or any(is_open(yielded) for _, yielded in entity.describe_conditional_sub_entities())
        for entity in entities
    )


def _collect_arguments(
    entities: Iterable[LaunchDescriptionEntity], conditional: bool, found: dict[str, DeclareLaunchArgument]
) -> None:
    from .actions.declare_launch_argument import DeclareLaunchArgument
    from .actions.launch_configurations import ResetLaunchConfigurations

    for entity in entities:
        if isinstance(entity, ResetLaunchConfigurations):
            return  # launch configurations from outside are not visible after it
        here = conditional or entity.condition is not None
        if isinstance(entity, DeclareLaunchArgument):
            if entity.name not in found:
                entity._conditionally_included = here
                found[entity.name] = entity
            continue
        inner: dict[str, DeclareLaunchArgument] = {}
        _collect_arguments(entity.get_sub_entities(), here, inner)
        for _, yielded in entity.describe_conditional_sub_entities():
            _collect_arguments(yielded, True, inner)
        settled = entity.arguments_set_for_sub_entities()
        for name, argument in inner.items():
            if name not in settled:
                found.setdefault(name, argument)
