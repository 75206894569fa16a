"""Parameters as rcl collects them: in the order of nodes and names, over all files and `-p` arguments of a process."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from zenoh_ros.wire.parameter_values import ParameterValue

ANY_NODE = "/**"
# The value of a name that was given several with different types is the first of these that was given.
_ORDER = (bool, int, float, str, list[bool], list[int], list[float], list[str])
_ARRAYS: dict[type, Any] = {bool: list[bool], int: list[int], float: list[float], str: list[str]}


@dataclass
class NamedValue:
    """One name of a node with what it was given: the last value of each type."""

    name: str
    values: dict[Any, Any] = field(default_factory=dict)

    def set(self, value: bool | int | float | str) -> None:
        """Give it a scalar."""
        self.values[type(value)] = value

    def start_array(self, kind: type) -> list[Any]:
        """Give it an empty array of a type, which is filled afterwards."""
        array: list[Any] = []
        self.values[_ARRAYS[kind]] = array
        return array

    @property
    def value(self) -> ParameterValue | None:
        """Its value; None for an empty list, which has no type."""
        return next((self.values[kind] for kind in _ORDER if kind in self.values), None)


class ParameterTable:
    """Values by node and name, as in rcl_params_t; a node may be a pattern."""

    def __init__(self) -> None:
        self.nodes: dict[str, list[NamedValue]] = {}

    def entry(self, node: str, name: str) -> NamedValue:
        """Find the first entry of a node that has this name, or append one."""
        entries = self.nodes.setdefault(node, [])
        for entry in entries:
            if entry.name == name:
                return entry
        entries.append(NamedValue(name))
        return entries[-1]

    def for_node(self, qualified_name: str) -> dict[str, ParameterValue | None]:
        """Return the values for the node called `qualified_name` ("/arm/policy_node").

        The nodes and patterns of the table count in the order in which each was first named, and a later one wins: a
        section of the node's own does not win over a `/**` that comes after it. None stands for an empty list.
        """
        fitting = (entries for node, entries in self.nodes.items() if matches(node, qualified_name))
        return {entry.name: entry.value for entries in fitting for entry in entries}


def matches(pattern: str, qualified_name: str) -> bool:
    """Return whether a section's name means a node: `*` stands for one token, `**` for any number of them."""
    expression = f"/{pattern.removeprefix('/')}".replace("/*", r"(?:/\w+)")
    return re.fullmatch(expression, qualified_name, re.ASCII) is not None
