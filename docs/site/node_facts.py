"""Starts every node and prints what it publishes, subscribes to, offers, calls and declares, as JSON.

On a private graph, each with its defaults and with the settings that give it more topics.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rt_vla_ros import ros

ros.ensure()

import rclpy  # noqa: E402
from rclpy.action import (  # noqa: E402
    get_action_client_names_and_types_by_node,
    get_action_server_names_and_types_by_node,
)

from rt_vla_ros.live.private_graph import PrivateGraph  # noqa: E402
from rt_vla_ros.nodes.parameter_tables import tables_of_others  # noqa: E402
from rt_vla_ros.nodes.parameters import Parameter  # noqa: E402
from rt_vla_ros.nodes.sim_arm_node import SIM_ARM_PARAMETERS  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "/namespace"
IDLE = ("autostart:=false",)  # nothing is loaded
CARD = ROOT / "rt_vla_ros" / "checkpoints" / "rt1-mini"
# What a node is started with besides its defaults; then the settings, one start for each, that add topics.
STARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "policy_node": (IDLE, ("image_transport:=compressed", "cameras:=[front, wrist]")),
    "smoother_node": (
        (),
        ("drive_base:=true", "require_arm_status:=true", "deadman_timeout:=0.5", "joy_map:=gamepad"),
    ),
    "sim_arm_node": ((), ("wrist_image:=true", "publish_clock:=true")),
    "console_node": (("port:=0",), ()),
    "recorder_node": ((f"card:={CARD}", "out:={folder}/dataset", "tip_frame:=tool0"), ("action_from:=commands",)),
    "servo_bridge_node": (IDLE, ()),
    "ros2_control_bridge_node": (IDLE, ()),
    "gripper_bridge_node": (IDLE, ("kind:=gripper_command", "kind:=franka", "kind:=topic")),
}


def main() -> None:
    """Prints {node: {"summary": ..., "entities": [...], "parameters": [...]}}.

    An entity's `when` is the setting that it is there with, "" for always.
    """
    tables: dict[str, Sequence[Parameter]] = {**tables_of_others(""), "sim_arm_node": SIM_ARM_PARAMETERS}
    found = {}
    with PrivateGraph(), tempfile.TemporaryDirectory() as folder:
        for name, (always, settings) in STARTS.items():
            module = importlib.import_module(f"rt_vla_ros.nodes.{name}")
            given = [setting.format(folder=folder) for setting in always]
            found[name] = {
                "summary": inspect.getdoc(module),
                "entities": _all_entities(module, given, settings),
                "parameters": [asdict(parameter) for parameter in tables[name]],
            }
    json.dump(found, sys.stdout)


def _all_entities(module: Any, given: Sequence[str], settings: Sequence[str]) -> list[dict[str, str]]:
    found = [entity | {"when": ""} for entity in _started(module, given)]
    always = [(one["kind"], one["name"], one["type"]) for one in found]
    for setting in settings:
        for one in _started(module, [*given, setting]):
            if (one["kind"], one["name"], one["type"]) not in always:
                found.append(one | {"when": setting})
    return found


def _started(module: Any, settings: Sequence[str]) -> list[dict[str, str]]:
    name = module.__name__.rpartition(".")[2]
    parameters = [word for setting in settings for word in ("-p", setting)]
    rclpy.init(args=[name, "--ros-args", "--log-level", "error", "-r", f"__ns:={NAMESPACE}", *parameters])
    try:
        node = getattr(module, "".join(word.title() for word in name.split("_")))()
        try:
            return list(_entities(node))
        finally:
            node.close()
            node.destroy_node()
    finally:
        rclpy.try_shutdown()


def _entities(node: Any) -> Iterator[dict[str, str]]:
    own = (node.get_name(), node.get_namespace())
    for kind, topics in (("publishes", node.publishers), ("subscribes", node.subscriptions)):
        for one in topics:
            yield _entity(kind, node, one.topic_name, _type(one.msg_type), _quality(one.qos_profile))
    for kind, services in (("offers", node.services), ("calls", node.clients)):
        for one in services:
            yield _entity(kind, node, node.resolve_service_name(one.srv_name), _type(one.srv_type))
    for name, types in get_action_server_names_and_types_by_node(node, *own):
        yield _entity("offers", node, name, types[0])
    for name, types in get_action_client_names_and_types_by_node(node, *own):
        yield _entity("calls", node, name, types[0])


def _entity(kind: str, node: Any, name: str, type_name: str, quality: str = "") -> dict[str, str]:
    relative = name.removeprefix(f"{NAMESPACE}/")
    private = relative.removeprefix(f"{node.get_name()}/")
    return {
        "kind": kind,
        "name": relative if private == relative else f"~/{private}",
        "type": type_name,
        "quality": quality,
    }


def _type(kind: type) -> str:
    """Such as "sensor_msgs/msg/Image"."""
    package, folder, *_ = kind.__module__.split(".")
    return f"{package}/{folder}/{kind.__name__}"


def _quality(profile: Any) -> str:
    words = [profile.reliability.name.lower().replace("_", " "), f"depth {profile.depth}"]
    lasting = profile.durability.name == "TRANSIENT_LOCAL"
    return ", ".join(["transient local", *words] if lasting else words)


if __name__ == "__main__":
    main()
