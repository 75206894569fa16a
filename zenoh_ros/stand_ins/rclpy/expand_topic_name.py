"""Expands relative and private names."""

from __future__ import annotations

from rclpy.validate_names import validate_namespace, validate_node_name, validate_topic_name
from zenoh_ros.wire.name_rules import expand_name


def expand_topic_name(topic_name: str, node_name: str, node_namespace: str) -> str:
    """Return the fully qualified form of a topic name as seen from a node."""
    validate_topic_name(topic_name)
    validate_node_name(node_name)
    validate_namespace(node_namespace)
    return expand_name(topic_name, node_name, node_namespace)
