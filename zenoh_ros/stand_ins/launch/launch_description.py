"""An ordered list of entities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .launch_description_entity import LaunchDescriptionEntity

if TYPE_CHECKING:
    from .actions.declare_launch_argument import DeclareLaunchArgument
    from .launch_context import LaunchContext


class LaunchDescription(LaunchDescriptionEntity):
    """What `generate_launch_description` of a launch file returns."""

    def __init__(self, initial_entities: Iterable[LaunchDescriptionEntity] | None = None) -> None:
        self._entities = list(initial_entities or [])

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
        """The declared arguments, of included files too, first declaration first.

        Those that only some condition brings in have `_conditionally_included` set.
        """
        found: dict[str, DeclareLaunchArgument] = {}
        _collect_arguments(self._entities, conditional_inclusion, found)
        return list(found.values())


def _collect_arguments(
    entities: Iterable[LaunchDescriptionEntity], conditional: bool, found: dict[str, DeclareLaunchArgument]
) -> None:
    from .actions.declare_launch_argument import DeclareLaunchArgument

    for entity in entities:
        here = conditional or entity.condition is not None
        if isinstance(entity, DeclareLaunchArgument):
            if entity.name not in found:
                entity._conditionally_included = here
                found[entity.name] = entity
            continue
        _collect_arguments(entity.get_sub_entities(), here, found)
        for _, yielded in entity.describe_conditional_sub_entities():
            _collect_arguments(yielded, True, found)
