"""Text from elsewhere, made safe to print."""

from __future__ import annotations

import logging

import pytest

from zenoh_ros.wire.console import Console, Severity
from zenoh_ros.wire.keys import NodeKey, parse_token
from zenoh_ros.wire.printable import printable, without_addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/arm/policy_node", "/arm/policy_node"),
        ("pick the cube: übergroß, 赤い, 😀, no\u00a0break", "pick the cube: übergroß, 赤い, 😀, no\u00a0break"),
        ("", ""),
        ("a\n[FATAL] [1.0] [smoother_node]: all is lost", "a\\n[FATAL] [1.0] [smoother_node]: all is lost"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("a\rb\tc\x00\x7f\x85\x9b", "a\\rb\\tc\\x00\\x7f\\x85\\x9b"),
        ("\u202eesrever\u2066\u200f\u2028\u2029\ufeff", "\\u202eesrever\\u2066\\u200f\\u2028\\u2029\\ufeff"),
        ("\udc9b", "\\udc9b"),
    ],
)
def test_what_is_no_text_becomes_visible(text: str, expected: str) -> None:
    assert printable(text) == expected
    assert printable(printable(text)) == expected


def test_some_may_stay() -> None:
    assert printable("a\nb\r\x1b", keep="\n") == "a\nb\\r\\x1b"


def test_addresses_are_left_out() -> None:
    assert " at 0x" not in without_addresses(
        f"{object()!r} and {test_some_may_stay!r} and {logging.Formatter().format!r}"
    )
    assert without_addresses("register at 0x40, <b>") == "register at 0x40, <b>"
    assert without_addresses("image file <_io.BytesIO object at 0x7f12ab>") == "image file <_io.BytesIO object>"


@pytest.mark.parametrize("name", ["evil\x1b[31m", "evil\n[FATAL] [1.0] [smoother_node]: lost", "\u202elive"])
def test_names_of_the_graph_are_printable(name: str) -> None:
    key = NodeKey(domain=0, zid="ab", nid="1", namespace="/", name=name)
    known = parse_token(key.token())
    assert isinstance(known, NodeKey)
    assert known.name == printable(name)


def test_a_message_cannot_pass_for_another_line(capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[str] = []
    console = Console()
    console.add_sink("node", lambda record: heard.append(record.message))
    message = "from \x1b[31m<A object at 0x7f00>\n[FATAL] [1.0] [smoother_node]: lost"
    console.log(Severity.INFO, "node", message, "f", "file", 1)
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("from \\x1b[31m<A object>")
    assert second == "    [FATAL] [1.0] [smoother_node]: lost"
    assert heard == ["from \\x1b[31m<A object>\n[FATAL] [1.0] [smoother_node]: lost"]
