"""What a launch description is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .condition import Condition
    from .launch_context import LaunchContext


class LaunchDescriptionEntity:
    """Something that can be visited: it acts on the context and may yield further entities."""

    condition: Condition | None = None

    def visit(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        """Acts, and returns what shall be visited next."""
        return None

    def get_sub_entities(self) -> Iterable[LaunchDescriptionEntity]:
        """The entities that are known before anything runs (for `--show-args`)."""
        return []

    def describe_conditional_sub_entities(self) -> list[tuple[str, Iterable[LaunchDescriptionEntity]]]:
        """As `get_sub_entities`, for those that are visited only if something happens: (when, entities)."""
        return []

    @property
    def is_open(self) -> bool:
        """Whether what it yields is only known when it is visited."""
        return False

    def arguments_set_for_sub_entities(self) -> set[str]:
        """Names of the launch arguments of what is within that are set here, so that nobody else can set them."""
        return set()

    def get_asyncio_future(self) -> asyncio.Future[None] | None:
        """Done when the entity is; None if visiting it was all."""
        return None


SomeEntitiesType = LaunchDescriptionEntity | Iterable[LaunchDescriptionEntity]
