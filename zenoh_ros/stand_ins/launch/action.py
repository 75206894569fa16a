"""Base class of all actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .launch_description_entity import LaunchDescriptionEntity
from .utilities import describe_value

if TYPE_CHECKING:
    from .condition import Condition
    from .launch_context import LaunchContext


class Action(LaunchDescriptionEntity):
    """An entity that is executed when visited, if its condition is true."""

    def __init__(self, *, condition: Condition | None = None) -> None:
        self.condition = condition

    def visit(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        if self.condition is not None and not self.condition.evaluate(context):
            return None
        return self.execute(context)

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        """Executes the action; implemented by subclasses."""
        return None

    def describe(self) -> str:
        """The class and its arguments, in one line."""
        made_with = {name: value for name, value in vars(self).items() if name[0] != "_" and name != "condition"}
        shown = [f"{name}={describe_value(value)}" for name, value in made_with.items() if value not in (None, [], ())]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __repr__(self) -> str:
        return self.describe()
