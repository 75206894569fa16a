"""Names of nodes and topics."""

from __future__ import annotations

import pytest

from zenoh_ros.wire.name_rules import (
    expand_name,
    full_name_fault,
    name_fault,
    namespace_fault,
    node_name_fault,
    qualified_node_name,
)


@pytest.mark.parametrize(
    ("name", "expanded"),
    [
        ("image", "/arm/image"),
        ("camera/image", "/arm/camera/image"),
        ("/clock", "/clock"),
        ("~", "/arm/node"),
        ("~/status", "/arm/node/status"),
        ("{node}/status", "/arm/node/status"),
        ("{ns}/status", "/arm/status"),
    ],
)
def test_names_are_expanded(name: str, expanded: str) -> None:
    assert name_fault(name) is None
    assert expand_name(name, "node", "/arm") == expanded
    assert full_name_fault(expanded) is None


def test_the_root_namespace_adds_no_slash() -> None:
    assert expand_name("image", "node", "/") == "/image"
    assert expand_name("~/status", "node", "/") == "/node/status"
    assert qualified_node_name("node", "/") == "/node"
    assert qualified_node_name("node", "/arm") == "/arm/node"


def test_an_unknown_substitution_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\{robot\}"):
        expand_name("{robot}/image", "node", "/")


@pytest.mark.parametrize(
    ("name", "index"),
    [("", 0), ("a b", 1), ("1st", 0), ("a/1st", 2), ("a//b", 2), ("ends/", 4), ("~a", 1), ("a~", 1), ("é", 0)],
)
def test_bad_topic_names(name: str, index: int) -> None:
    fault = name_fault(name)
    assert fault is not None
    assert fault.index == index


def test_bad_node_names_and_namespaces() -> None:
    assert node_name_fault("policy_node") is None
    assert all(node_name_fault(name) for name in ("", "a/b", "1st", "a.b", "x" * 256))
    assert namespace_fault("/") is None
    assert namespace_fault("/arm/left") is None
    assert all(namespace_fault(name) for name in ("arm", "/arm/", "/a//b", "/" + "x" * 250))
