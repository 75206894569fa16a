"""A group of actions with its own scope."""

from __future__ import annotations

from collections.abc import Iterable

from ..action import Action
from ..launch_context import LaunchContext
from ..launch_description_entity import LaunchDescriptionEntity
from ..substitution import SomeSubstitutionsType
from ..utilities import normalize_to_list_of_entities
from .environment import PopEnvironment, PushEnvironment
from .launch_configurations import (
    PopLaunchConfigurations,
    PushLaunchConfigurations,
    ResetLaunchConfigurations,
    SetLaunchConfiguration,
)


class GroupAction(Action):
    """Yields its actions.

    Args:
        actions: the actions in the group.
        scoped: launch configurations, namespace and environment set inside are restored after it.
        forwarding: with `scoped`, those from outside are visible inside.
        launch_configurations: launch configurations to set first.
    """

    def __init__(
        self,
        actions: Iterable[LaunchDescriptionEntity],
        *,
        scoped: bool = True,
        forwarding: bool = True,
        launch_configurations: dict[SomeSubstitutionsType, SomeSubstitutionsType] | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self._actions = normalize_to_list_of_entities(actions)
        self._scoped = scoped
        self._forwarding = forwarding
        self._configurations = dict(launch_configurations or {})

    def get_sub_entities(self) -> list[LaunchDescriptionEntity]:
        sets: list[LaunchDescriptionEntity] = [
            SetLaunchConfiguration(name, value) for name, value in self._configurations.items()
        ]
        if not self._scoped:
            return [*sets, *self._actions]
        if not self._forwarding:
            sets = [ResetLaunchConfigurations(self._configurations)]
        return [
            PushLaunchConfigurations(),
            PushEnvironment(),
            *sets,
            *self._actions,
            PopEnvironment(),
            PopLaunchConfigurations(),
        ]

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        return self.get_sub_entities()
