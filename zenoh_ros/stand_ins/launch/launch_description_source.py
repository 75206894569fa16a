"""The source of a launch description."""

from __future__ import annotations

from .launch_context import LaunchContext
from .launch_description import LaunchDescription
from .substitution import SomeSubstitutionsType
from .utilities import describe_substitutions, normalize_to_list_of_substitutions, perform_substitutions


class LaunchDescriptionSource:
    """A launch description, or the path of a launch file.

    Args:
        launch_description: the description itself, or
        location: the path of a launch file, which is read when needed.
    """

    method = "unspecified mechanism from a script"

    def __init__(
        self, launch_description: LaunchDescription | None = None, location: SomeSubstitutionsType = "<script>"
    ) -> None:
        self._launch_description = launch_description
        self._location = normalize_to_list_of_substitutions(location)
        self._expanded_location: str | None = None

    @property
    def location(self) -> str:
        """The path, or its description before it is known."""
        return self._expanded_location or describe_substitutions(self._location).strip("'")

    def get_launch_description(self, context: LaunchContext) -> LaunchDescription:
        """Reads the file; later calls return the same description."""
        if self._launch_description is None:
            self._expanded_location = perform_substitutions(context, self._location)
            self._launch_description = self._read(self._expanded_location)
        return self._launch_description

    def try_get_launch_description_without_context(self) -> LaunchDescription | None:
        """The description if its path is known before the launch runs, otherwise None."""
        try:
            return self.get_launch_description(LaunchContext())
        except (RuntimeError, OSError):
            self._expanded_location = None
            return None

    def _read(self, location: str) -> LaunchDescription:
        raise RuntimeError(f"no launch description in {location}")
