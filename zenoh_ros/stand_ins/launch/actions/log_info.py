"""The action that prints a message."""

from __future__ import annotations

from .. import logging
from ..action import Action
from ..launch_context import LaunchContext
from ..substitution import SomeSubstitutionsType
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions


class LogInfo(Action):
    """Prints a message."""

    def __init__(self, *, msg: SomeSubstitutionsType, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.msg = normalize_to_list_of_substitutions(msg)

    def execute(self, context: LaunchContext) -> None:
        logging.get_logger("launch.user").info(perform_substitutions(context, self.msg))
