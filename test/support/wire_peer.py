"""A second process on the wire: echoes, answers, and says what it sees. Commands come as lines, answers go out so."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from zenoh_ros.wire.messages import message_class, service_class
from zenoh_ros.wire.qos import DurabilityPolicy, QosProfile
from zenoh_ros.wire.session import Session

LATCHED = QosProfile(depth=2, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def main() -> None:
    """Runs until its input ends."""
    string, trigger = message_class("std_msgs/msg/String"), service_class("std_srvs/srv/Trigger")
    session = Session.open()
    node = session.create_node(sys.argv[1], "/peer")
    woken = threading.Event()
    heard = node.create_subscription("/in", string, QosProfile(depth=10), woken.set)
    echo = node.create_publisher("/out", string, QosProfile(depth=10))
    latched = node.create_publisher("/latched", string, LATCHED)
    service = node.create_service("/peer/trigger", trigger, on_data=woken.set)

    def serve() -> None:
        while not session.closed:
            woken.wait(1.0)
            woken.clear()
            for taken in iter(heard.take, None):
                echo.publish(string(data=f"echo {taken[0].data}"))
            for _, request in iter(service.take, None):
                request.reply(trigger.Response(success=True, message="done"))

    def nodes_at_least(count: str) -> None:
        session.graph.wait_for(lambda graph: len(graph.nodes()) >= int(count), 20)
        print("nodes", len(session.graph.nodes()))

    def nodes_exactly(count: str) -> None:
        session.graph.wait_for(lambda graph: len(graph.nodes()) == int(count), 20)
        print("nodes", len(session.graph.nodes()))

    commands: dict[str, Callable[[str], Any]] = {
        "latch": lambda text: latched.publish(string(data=text)),
        "malformed": lambda text: echo.publish_bytes(b"\x00\x01\x00\x00" + text.encode()),
        "at_least": nodes_at_least,
        "exactly": nodes_exactly,
    }
    threading.Thread(target=serve, daemon=True).start()
    print("ready", "router" if session.hosts_router else "peer")
    for line in sys.stdin:
        name, _, rest = line.strip().partition(" ")
        commands[name](rest)
    session.close()


if __name__ == "__main__":
    main()
