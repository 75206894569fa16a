"""Base class of the entities of a launch description."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .condition import Condition
    from .launch_context import LaunchContext


class LaunchDescriptionEntity:
    """Can be visited: acts on the context and may return further entities."""

    condition: Condition | None = None

    def visit(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        """Acts on the context, and returns the entities to visit next."""
        return None

    def get_sub_entities(self) -> Iterable[LaunchDescriptionEntity]:
        """The entities known before the launch runs (for `--show-args`)."""
        return []

    def describe_conditional_sub_entities(self) -> list[tuple[str, Iterable[LaunchDescriptionEntity]]]:
        """Like `get_sub_entities`, for entities that are visited only under a condition: (condition, entities)."""
        return []

    @property
    def is_open(self) -> bool:
        """Whether the returned entities are known only when it is visited."""
        return False

    def arguments_set_for_sub_entities(self) -> set[str]:
        """Names of launch arguments of its sub-entities that are set here and cannot be set from outside."""
        return set()

    def get_asyncio_future(self) -> asyncio.Future[None] | None:
        """A future that is done when the entity has completed; None if it completes when visited."""
        return None


SomeEntitiesType = LaunchDescriptionEntity | Iterable[LaunchDescriptionEntity]
