"""The actions on the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rclpy.node import Node

NamesAndTypes = list[tuple[str, list[str]]]
_TOPIC, _MESSAGE = "/_action/feedback", "_FeedbackMessage"


def get_action_names_and_types(node: Node) -> NamesAndTypes:
    """Return all actions on the graph."""
    return _actions(node.get_topic_names_and_types())


def get_action_client_names_and_types_by_node(
    node: Node, remote_node_name: str, remote_node_namespace: str
) -> NamesAndTypes:
    """Return the actions of a node's clients; NodeNameNonExistentError if there is no such node."""
    return _actions(node.get_subscriber_names_and_types_by_node(remote_node_name, remote_node_namespace))


def get_action_server_names_and_types_by_node(
    node: Node, remote_node_name: str, remote_node_namespace: str
) -> NamesAndTypes:
    """Return the actions of a node's servers; NodeNameNonExistentError if there is no such node."""
    return _actions(node.get_publisher_names_and_types_by_node(remote_node_name, remote_node_namespace))


def _actions(topics: NamesAndTypes) -> NamesAndTypes:
    """The actions to which the feedback topics belong."""
    return [
        (name.removesuffix(_TOPIC), [one.removesuffix(_MESSAGE) for one in types if one.endswith(_MESSAGE)])
        for name, types in topics
        if name.endswith(_TOPIC)
    ]
