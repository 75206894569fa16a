"""A launch description as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .action import Action
from .launch_description import LaunchDescription
from .launch_description_entity import LaunchDescriptionEntity


class LaunchIntrospector:
    """Formats a description without running it."""

    def format_launch_description(self, launch_description: LaunchDescription) -> str:
        """One line per entity, indented below its parent."""
        return "\n".join(["LaunchDescription", *_tree(launch_description.entities)])


def _tree(entities: Iterable[LaunchDescriptionEntity]) -> Iterator[str]:
    listed = list(entities)
    for place, entity in enumerate(listed):
        last = place == len(listed) - 1
        yield ("└── " if last else "├── ") + _line(entity)
        for line in _tree(_within(entity)):
            yield ("    " if last else "│   ") + line


def _line(entity: LaunchDescriptionEntity) -> str:
    text = entity.describe() if isinstance(entity, Action) else type(entity).__name__
    return text if entity.condition is None else f"{text} where {type(entity.condition).__name__} holds"


def _within(entity: LaunchDescriptionEntity) -> list[LaunchDescriptionEntity]:
    later = [yielded for _, entities in entity.describe_conditional_sub_entities() for yielded in entities]
    return [*entity.get_sub_entities(), *later]
