"""Which nodes a section's name means."""

from __future__ import annotations

import pytest

from zenoh_ros.wire.parameter_table import matches


@pytest.mark.parametrize(
    ("pattern", "fits", "differs"),
    [
        ("/**", ["/node", "/a/b/node"], []),
        ("**", ["/node", "/a/b/node"], []),
        ("/node", ["/node"], ["/a/node", "/node2"]),
        ("node", ["/node"], ["/a/node"]),
        ("/*", ["/node"], ["/a/node"]),
        ("/*/node", ["/a/node"], ["/node", "/a/b/node"]),
        ("/**/node", ["/node", "/a/node", "/a/b/node"], ["/a/other"]),
        ("/a/**", ["/a/node", "/a/b/node"], ["/b/node"]),
    ],
)
def test_wildcards(pattern: str, fits: list[str], differs: list[str]) -> None:
    assert all(matches(pattern, name) for name in fits)
    assert not any(matches(pattern, name) for name in differs)
