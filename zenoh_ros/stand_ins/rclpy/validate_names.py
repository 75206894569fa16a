"""Validation of names; the rules are in zenoh_ros.wire.name_rules."""

from __future__ import annotations

from rclpy.exceptions import (
    InvalidNamespaceException,
    InvalidNodeNameException,
    InvalidServiceNameException,
    InvalidTopicNameException,
    NameValidationException,
)
from zenoh_ros.wire.name_rules import NameFault, full_name_fault, name_fault, namespace_fault, node_name_fault


def _check(fault: NameFault | None, name: str, kind: type[NameValidationException]) -> bool:
    if fault is not None:
        raise kind(name, fault.reason, fault.index)  # type: ignore[call-arg]
    return True


def validate_node_name(node_name: str) -> bool:
    """Raise InvalidNodeNameException if the name is invalid."""
    return _check(node_name_fault(node_name), node_name, InvalidNodeNameException)


def validate_namespace(namespace: str) -> bool:
    """Raise InvalidNamespaceException if the namespace is invalid."""
    return _check(namespace_fault(namespace), namespace, InvalidNamespaceException)


def validate_topic_name(name: str, *, is_service: bool = False) -> bool:
    """Raise InvalidTopicNameException or InvalidServiceNameException if the name is invalid."""
    what, kind = _kind(is_service)
    return _check(name_fault(name, what), name, kind)


def validate_full_topic_name(name: str, *, is_service: bool = False) -> bool:
    """Raise InvalidTopicNameException or InvalidServiceNameException if the name is not fully qualified."""
    what, kind = _kind(is_service)
    return _check(full_name_fault(name, what), name, kind)


def _kind(is_service: bool) -> tuple[str, type[NameValidationException]]:
    return ("service name", InvalidServiceNameException) if is_service else ("topic name", InvalidTopicNameException)
