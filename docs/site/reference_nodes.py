"""A page for each node: its topics, services, actions and parameters, as the started node declares them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tables import code, page, prose, table

ROOT = Path(__file__).resolve().parents[2]
HIDDEN = ("rcl_interfaces/", "type_description_interfaces/")  # of every ROS node
MANAGED = "lifecycle_msgs/"
KINDS = (
    ("subscribes", "Subscribes to", "topic"),
    ("publishes", "Publishes", "topic"),
    ("offers", "Offers", "service or action"),
    ("calls", "Calls", "service or action"),
)
NAMES = (
    "Names are those without a namespace and without remapping: a name without a slash is relative, `~/NAME` is "
    "`NODE/NAME`. Every node also has the parameter services, `/rosout` and `/parameter_events` of ROS 2."
)
MORE = {
    "policy_node": "For a policy that takes [the robot's state](../../ros2.md#the-robots-state) it also subscribes to "
    "what its action card names: `joint_states`, `/tf`, `/tf_static`, `state`.",
    "recorder_node": "The image topics are those of the parameter `cameras`; for a card with the robot's state it also "
    "subscribes to `joint_states` or `state`.",
    "console_node": "While the page is open it also subscribes to the images of its cameras, their `camera_info` and "
    "`/tf`; while its stick is used it publishes `teleop_twist`, `teleop_deadman` and `teleop_gripper`.",
}
Facts = Mapping[str, Any]


@cache
def facts() -> dict[str, Facts]:
    """What the nodes say of themselves, by their names. Raises RuntimeError where one does not start."""
    asked = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("node_facts.py"))], capture_output=True, text=True, check=False
    )
    if asked.returncode:
        raise RuntimeError(f"The nodes could not be started for their reference pages:\n{asked.stderr}")
    found: dict[str, Facts] = json.loads(asked.stdout)
    return found


def pages() -> Iterator[tuple[str, str]]:
    """Paths in the site, and Markdown."""
    rows = [(f"[`{name}`]({name}.md)", prose(_summary(one))) for name, one in facts().items()]
    yield "reference/nodes/index.md", page("Nodes", table(("node", "what it does"), rows), NAMES)
    for name, one in facts().items():
        yield f"reference/nodes/{name}.md", page(name, *_parts(name, one))


def _summary(node: Facts) -> str:
    return str(node["summary"]).partition("\n\n")[0]


def _parts(name: str, node: Facts) -> Iterator[str]:
    yield prose(str(node["summary"]))
    entities = [one for one in node["entities"] if not one["type"].startswith((*HIDDEN, MANAGED))]
    for kind, title, what in KINDS:
        found = [one for one in entities if one["kind"] == kind]
        if found:
            yield f"## {title}"
            yield _entities(what, found)
    yield MORE.get(name, "")
    if any(one["type"].startswith(MANAGED) for one in node["entities"]):
        yield "It is a [managed node](../../ros2.md#managed-nodes), with the lifecycle services of one."
    yield "## Parameters"
    yield "Those marked *start* can only be given when the node starts."
    yield table(("parameter", "type", "default", "range", "meaning"), map(_parameter, node["parameters"]))


def _entities(what: str, found: Sequence[Mapping[str, str]]) -> str:
    """A column that would be empty is left out."""
    columns: dict[str, Callable[[Mapping[str, str]], str]] = {
        what: lambda one: code(one["name"]),
        "type": lambda one: _type(one["type"]),
        "QoS": lambda one: one["quality"],
        "only with": lambda one: code(one["when"]),
    }
    rows = [[cell(one) for cell in columns.values()] for one in found]
    kept = [place for place in range(len(columns)) if any(row[place] for row in rows)]
    head = list(columns)
    return table([head[place] for place in kept], [[row[place] for place in kept] for row in rows])


def _type(name: str) -> str:
    package, _folder, short = name.split("/")
    if package != "rt_vla_ros":
        return code(name)
    return f"[`{name}`](../interfaces.md#{short.lower()})"


def _parameter(one: Mapping[str, Any]) -> Sequence[str]:
    start = " *start*" if one["read_only"] else ""
    return (
        code(one["name"]),
        _kind(one["default"]),
        _value(one["default"]),
        _range(one),
        prose(one["description"]) + start,
    )


def _kind(value: Any) -> str:
    return f"{type(value[0]).__name__} list" if isinstance(value, list) else type(value).__name__


def _value(value: Any) -> str:
    """In the YAML of parameter files."""
    if isinstance(value, list):
        return code(f"[{', '.join(map(_plain, value))}]")
    return code(_plain(value) or '""')


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    return str(value)


def _range(one: Mapping[str, Any]) -> str:
    if one["choices"]:
        return ", ".join(map(code, one["choices"]))
    return "" if one["low"] is None else f"{one['low']:g} to {one['high']:g}"
