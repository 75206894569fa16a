"""The launch configurations of a scope, and which of the given arguments were used."""

from __future__ import annotations

from collections import UserDict
from typing import Any


class GivenArgument:
    """An argument passed to a launch file; `taken` after it was looked up."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.taken = False


class LaunchConfigurations(UserDict[str, Any]):
    """Launch configurations by name."""

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        self._given: dict[str, GivenArgument] = {}
        super().__init__(data)

    def give(self, name: str, value: str) -> GivenArgument:
        """Sets an argument of a launch file; the returned object records whether it was used."""
        self[name] = value
        self._given[name] = GivenArgument(name)
        return self._given[name]

    def copy(self) -> LaunchConfigurations:
        """A copy for an inner scope, in which the use of a given argument is recorded, too."""
        inner = LaunchConfigurations()
        inner.data = {name: list(value) if isinstance(value, list) else value for name, value in self.data.items()}
        inner._given = dict(self._given)
        return inner

    def __getitem__(self, key: str) -> Any:
        self._take(key)
        return self.data[key]

    def __contains__(self, key: object) -> bool:
        self._take(key)
        return key in self.data

    def __setitem__(self, key: str, item: Any) -> None:
        self._given.pop(key, None)
        self.data[key] = item

    def _take(self, key: Any) -> None:
        if key in self._given:
            self._given[key].taken = True
