"""The launch configurations of a scope, and which of the given values were used."""

from __future__ import annotations

from collections import UserDict
from typing import Any


class GivenArgument:
    """An argument that a launch file was given; `taken` once something has looked it up."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.taken = False


class LaunchConfigurations(UserDict[str, Any]):
    """Names and values."""

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        self._given: dict[str, GivenArgument] = {}
        super().__init__(data)

    def give(self, name: str, value: str) -> GivenArgument:
        """Sets an argument of a launch file; the returned object tells whether it was used."""
        self[name] = value
        self._given[name] = GivenArgument(name)
        return self._given[name]

    def copy(self) -> LaunchConfigurations:
        """For an inner scope, in which a given argument can be taken as in this one."""
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
