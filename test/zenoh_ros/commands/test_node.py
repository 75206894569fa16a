"""`rt-vla node` against a node in another process."""

from __future__ import annotations

from typing import Any

import pytest


def test_nodes_are_listed_without_the_command_itself(command: Any) -> None:
    assert command("node", "list") == (0, "/demo/talker\n", "")
    assert command("node", "list", "-a")[1] == "/demo/talker\n"
    assert command("node", "list", "-c")[1] == "1\n"


def test_a_node_is_described(command: Any) -> None:
    code, out, _ = command("node", "info", "/demo/talker")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "/demo/talker"
    titles = [
        lines.index(f"  {title}:") for title in ("Subscribers", "Publishers", "Service Servers", "Service Clients")
    ]
    assert titles == sorted(titles)
    assert titles[0] < lines.index("    /demo/instruction: std_msgs/msg/String") < titles[1]
    assert titles[1] < lines.index("    /demo/chatter: std_msgs/msg/String") < titles[2]
    assert titles[2] < lines.index("    /demo/talker/switch: std_srvs/srv/SetBool") < titles[3]


@pytest.mark.usefixtures("hasty")
def test_a_missing_node_is_said(command: Any) -> None:
    code, _, err = command("node", "info", "/demo/taker")
    assert code == 2
    assert err == "rt-vla node: no node '/demo/taker' on the graph. Did you mean '/demo/talker'?\n"
