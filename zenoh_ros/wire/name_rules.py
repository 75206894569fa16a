"""Validation and expansion of ROS names (design.ros2.org/articles/topic_and_service_names)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_NODE_NAME = 255  # characters, from rmw/validate_node_name.h
MAX_NAMESPACE = 245  # characters, from rmw/validate_namespace.h
_SUBSTITUTION = re.compile(r"{([^{}]*)}")


@dataclass(frozen=True)
class NameFault:
    """Why a name is invalid, and where.

    Attributes:
        reason: a clause that follows the name.
        index: position of the first invalid character.
    """

    reason: str
    index: int


def node_name_fault(name: str) -> NameFault | None:
    """Check a node name: letters, digits and underscores, not starting with a digit."""
    if not name:
        return NameFault("node name must not be empty", 0)
    bad = re.search(r"[^A-Za-z0-9_]", name)
    if bad:
        return NameFault("node name must not contain characters other than alphanumerics or '_'", bad.start())
    if name[0].isdigit():
        return NameFault("node name must not start with a number", 0)
    if len(name) > MAX_NODE_NAME:
        return NameFault(f"node name must not be longer than {MAX_NODE_NAME} characters", MAX_NODE_NAME)
    return None


def full_name_fault(name: str, what: str = "topic name") -> NameFault | None:
    """Check a fully qualified topic or service name."""
    if not name.startswith("/"):
        return NameFault(f"{what} must be absolute, it must lead with a '/'", 0)
    if name.endswith("/"):
        return NameFault(f"{what} must not end with a '/'", len(name) - 1)
    return _body_fault(name, r"[^A-Za-z0-9_/]", what, "alphanumerics, '_' or '/'")


def namespace_fault(namespace: str) -> NameFault | None:
    """Check an absolute namespace; "/" is the root."""
    if namespace == "/":
        return None
    fault = full_name_fault(namespace, "namespace")
    if fault is None and len(namespace) > MAX_NAMESPACE:
        return NameFault(f"namespace must not be longer than {MAX_NAMESPACE} characters", MAX_NAMESPACE)
    return fault


def name_fault(name: str, what: str = "topic name") -> NameFault | None:
    """Check a topic or service name before expansion: it may be relative, private (~) or contain {node}, {ns}."""
    if not name:
        return NameFault(f"{what} must not be empty", 0)
    if name.endswith("/"):
        return NameFault(f"{what} must not end with a '/'", len(name) - 1)
    if "~" in name[1:]:
        return NameFault(f"{what} must not have '~' after its first character", name.index("~", 1))
    if name.startswith("~") and len(name) > 1 and name[1] != "/":
        return NameFault(f"{what} must have a '/' after its leading '~'", 1)
    bare = _SUBSTITUTION.sub(lambda match: "x" * len(match.group()), name.replace("~", "x", 1))
    return _body_fault(bare, r"[^A-Za-z0-9_/]", what, "alphanumerics, '_', '~', '{', '}' or '/'")


def _body_fault(name: str, forbidden: str, what: str, allowed: str) -> NameFault | None:
    bad = re.search(forbidden, name)
    if bad:
        return NameFault(f"{what} must not contain characters other than {allowed}", bad.start())
    bad = re.search(r"(?:^|/)([0-9])", name)
    if bad:
        return NameFault(f"{what} must not have a token that starts with a number", bad.start(1))
    if "//" in name:
        return NameFault(f"{what} must not contain repeated '/'", name.index("//") + 1)
    return None


def expand_name(name: str, node_name: str, namespace: str) -> str:
    """Return the fully qualified form of a topic or service name as seen from a node.

    Args:
        name: relative ("image"), absolute ("/clock") or private ("~/status"); may contain {node}, {ns} and {namespace}.
        node_name: the node's name after remapping.
        namespace: the node's namespace after remapping, absolute.

    Raises:
        ValueError: an unknown substitution.
    """
    prefix = "" if namespace == "/" else namespace
    values: Mapping[str, str] = {"node": node_name, "ns": namespace, "namespace": namespace}

    def substitute(match: re.Match[str]) -> str:
        if match.group(1) not in values:
            raise ValueError(f"unknown substitution {match.group()} in the name '{name}'; known are {{node}}, {{ns}}")
        return values[match.group(1)]

    expanded = _SUBSTITUTION.sub(substitute, name)
    if expanded.startswith("~"):
        return f"{prefix}/{node_name}{expanded[1:]}"
    if expanded.startswith("/"):
        return re.sub("/{2,}", "/", expanded)
    return f"{prefix}/{expanded}"


def qualified_node_name(node_name: str, namespace: str) -> str:
    """Join namespace and node name: "/arm/policy_node"."""
    return f"/{node_name}" if namespace in ("", "/") else f"{namespace}/{node_name}"
