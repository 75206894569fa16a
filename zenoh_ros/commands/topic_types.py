"""The message class of a topic; an unknown type is requested from one of the topic's nodes."""

from __future__ import annotations

import sys
from typing import Any

from rclpy.node import Node
from type_description_interfaces.srv import GetTypeDescription

from zenoh_ros import STAND_INS
from zenoh_ros.commands.errors import CliError
from zenoh_ros.commands.graph import call, require_name, topics
from zenoh_ros.commands.values import interface


def topic_class(node: Node, topic: str) -> Any:
    """The class of the topic's messages.

    Raises:
        CliError: there is no such topic, or its type is unknown here and to its nodes.
    """
    name = require_name(topic, "topic", lambda: topics(node))[0]
    try:
        return interface(name, "msg")
    except CliError as unknown:
        made = _asked_for(node, topic, name) if str(STAND_INS) in sys.path else None
        if made is None:
            raise CliError(
                f"the type of {topic} is {name}, which is unknown here and not described by its publishers: put the "
                "prefix of its package on AMENT_PREFIX_PATH"
            ) from unknown
        return made


def _asked_for(node: Node, topic: str, name: str) -> Any:
    """The class from the type description of one of the topic's nodes; None if there is none."""
    for info in (*node.get_publishers_info_by_topic(topic), *node.get_subscriptions_info_by_topic(topic)):
        request = GetTypeDescription.Request(
            type_name=name, type_hash=str(info.topic_type_hash), include_type_sources=False
        )
        service = f"{info.node_namespace.rstrip('/')}/{info.node_name}/get_type_description"
        try:
            response = call(node, GetTypeDescription, service, request)
        except CliError:
            continue
        made = _made(name, str(info.topic_type_hash), response.type_description) if response.successful else None
        if made is not None:
            return made
    return None


def _made(name: str, type_hash: str, described: Any) -> Any:
    """None if it is not the published type."""
    from zenoh_ros.wire import messages, types

    plain: dict[str, Any] = {
        "type_description": _individual(described.type_description),
        "referenced_type_descriptions": [_individual(one) for one in described.referenced_type_descriptions],
    }
    if plain["type_description"]["type_name"] != name or types.description_hash(plain) != type_hash:
        return None
    try:
        types.learn(types.parse_description(plain))
        return messages.message_class(name) if types.type_hash(name) == type_hash else None
    except (ValueError, RecursionError, types.UnknownType):
        return None


def _individual(described: Any) -> dict[str, Any]:
    parts = ("type_id", "capacity", "string_capacity", "nested_type_name")
    fields = [
        {"name": field.name, "type": {part: getattr(field.type, part) for part in parts}} for field in described.fields
    ]
    return {"type_name": described.type_name, "fields": fields}
