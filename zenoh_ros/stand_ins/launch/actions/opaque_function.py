"""A Python function as an action."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..action import Action
from ..launch_context import LaunchContext
from ..launch_description_entity import LaunchDescriptionEntity, SomeEntitiesType
from ..utilities import normalize_to_list_of_entities


class OpaqueFunction(Action):
    """Calls `function(context, *args, **kwargs)`, which may return entities to visit."""

    def __init__(
        self,
        *,
        function: Callable[..., SomeEntitiesType | None],
        args: Iterable[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        **left_over_kwargs: object,
    ) -> None:
        super().__init__(**left_over_kwargs)  # type: ignore[arg-type]
        self._function = function
        self._args = tuple(args or ())
        self._kwargs = dict(kwargs or {})

    @property
    def is_open(self) -> bool:
        return True

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        return normalize_to_list_of_entities(self._function(context, *self._args, **self._kwargs))
