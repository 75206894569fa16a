"""Helpers for actions: texts from substitutions, values from texts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from zenoh_ros.wire.printable import without_addresses

from ..launch_description_entity import LaunchDescriptionEntity, SomeEntitiesType
from ..substitution import SomeSubstitutionsType, Substitution

if TYPE_CHECKING:
    from ..launch_context import LaunchContext


def normalize_to_list_of_substitutions(subs: SomeSubstitutionsType) -> list[Substitution]:
    """Converts any value accepted for a text to a list of substitutions.

    Raises:
        TypeError: it is neither a string, a path, a substitution nor an iterable of them.
    """
    from ..substitutions import TextSubstitution

    if isinstance(subs, Substitution):
        return [subs]
    if isinstance(subs, (str, os.PathLike)):
        return [TextSubstitution(text=os.fspath(subs))]
    if isinstance(subs, Iterable):
        return [single for part in subs for single in normalize_to_list_of_substitutions(part)]
    raise TypeError(
        f"expected a string, a path, a substitution or a list of them, got {subs!r} ({type(subs).__name__})"
    )


def perform_substitutions(context: LaunchContext, subs: Iterable[Substitution]) -> str:
    """The texts of all, joined."""
    return "".join(context.perform_substitution(sub) for sub in subs)


def perform(context: LaunchContext, subs: SomeSubstitutionsType) -> str:
    """`normalize_to_list_of_substitutions` and `perform_substitutions` in one."""
    return perform_substitutions(context, normalize_to_list_of_substitutions(subs))


def describe_substitutions(subs: Iterable[Substitution]) -> str:
    """A readable description."""
    return " + ".join(sub.describe() for sub in subs)


def describe_value(value: Any) -> str:
    """A readable description of an action's argument, without memory addresses."""
    if isinstance(value, Substitution):
        return value.describe()
    if isinstance(value, (list, tuple)):
        one_text = all(isinstance(part, Substitution) for part in value)
        return describe_substitutions(value) if one_text else f"[{', '.join(map(describe_value, value))}]"
    if isinstance(value, (str, int, float, os.PathLike)):
        return repr(os.fspath(value) if isinstance(value, os.PathLike) else value)
    return str(getattr(value, "location", type(value).__name__))


def normalize_to_list_of_entities(entities: SomeEntitiesType | None) -> list[LaunchDescriptionEntity]:
    """A list of entities, from one, several or none.

    Raises:
        TypeError: an item is not a launch description entity.
    """
    if entities is None:
        return []
    listed = [entities] if isinstance(entities, LaunchDescriptionEntity) else list(entities)
    for entity in listed:
        if not isinstance(entity, LaunchDescriptionEntity):
            got = without_addresses(repr(entity))
            raise TypeError(f"expected a LaunchDescriptionEntity (an action, an include ...), got {got}")
    return listed


def is_a_subclass(obj: Any, entity_type: type) -> bool:
    """Whether obj is an instance or a subclass of the type."""
    return isinstance(obj, entity_type) or (isinstance(obj, type) and issubclass(obj, entity_type))
