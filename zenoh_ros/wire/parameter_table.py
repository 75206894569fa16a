"""Parameters as rcl collects them from all files and `-p` arguments of a process, in the order of nodes and names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from zenoh_ros.wire.parameter_values import ParameterValue

ANY_NODE = "/**"
# If a name was given values of different types, the first of these types that was given is used.
_ORDER = (bool, int, float, str, list[bool], list[int], list[float], list[str])
_ARRAYS: dict[type, Any] = {bool: list[bool], int: list[int], float: list[float], str: list[str]}


@dataclass
class NamedValue:
    """One parameter of a node with its given values: the last one of each type."""

    name: str
    values: dict[Any, Any] = field(default_factory=dict)

    def set(self, value: bool | int | float | str) -> None:
        """Set a scalar."""
        self.values[type(value)] = value

    def start_array(self, kind: type) -> list[Any]:
        """Set an empty array of a type, which is filled afterwards."""
        array: list[Any] = []
        self.values[_ARRAYS[kind]] = array
        return array

    @property
    def value(self) -> ParameterValue | None:
        """The value; None for an empty list, which has no type."""
        return next((self.values[kind] for kind in _ORDER if kind in self.values), None)


class ParameterTable:
    """Values by node and name, as in rcl_params_t; a node name may be a pattern."""

    def __init__(self) -> None:
        self.nodes: dict[str, list[NamedValue]] = {}

    def entry(self, node: str, name: str) -> NamedValue:
        """Return the first entry of a node with this name, or append one."""
        entries = self.nodes.setdefault(node, [])
        for entry in entries:
            if entry.name == name:
                return entry
        entries.append(NamedValue(name))
        return entries[-1]

    def for_node(self, qualified_name: str) -> dict[str, ParameterValue | None]:
        """Return the values for the node `qualified_name` ("/arm/policy_node").

        Nodes and patterns are applied in the order in which each was first named, and a later one overrides earlier
        ones: the node's own section does not override a `/**` that follows it. None stands for an empty list.
        """
        fitting = (entries for node, entries in self.nodes.items() if matches(node, qualified_name))
        return {entry.name: entry.value for entries in fitting for entry in entries}


def matches(pattern: str, qualified_name: str) -> bool:
    """Return whether a section's name matches a node: `*` stands for one token, `**` for any number of them."""
    expression = f"/{pattern.removeprefix('/')}".replace("/*", r"(?:/\w+)")
    return re.fullmatch(expression, qualified_name, re.ASCII) is not None
