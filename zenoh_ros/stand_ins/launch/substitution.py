"""Base class of substitutions: text that is known only when the launch file runs."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from .launch_context import LaunchContext


class Substitution:
    """Returns a text when it is performed."""

    def perform(self, context: LaunchContext) -> str:
        raise TypeError(f"{type(self).__name__} does not implement perform()")

    def describe(self) -> str:
        """Its representation in `--show-args`."""
        return f"{type(self).__name__}()"

    def __repr__(self) -> str:
        return self.describe()

    def __format__(self, spec: str) -> str:
        raise TypeError(
            f"{self.describe()} has no text before the launch runs: instead of an f-string write a list of parts, such "
            "as ['prefix_', LaunchConfiguration('name')]"
        )


SomeSubstitutionsType = Union[str, "PathLike[str]", Substitution, Iterable[Any]]
"""A string, a path, a substitution, or an iterable of them, joined without a separator."""
