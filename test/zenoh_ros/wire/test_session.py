"""Hosting, joining and losing the router."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import zenoh
from conftest import RosGraph, free_port
from support.processes import ROOT, Program

from wire.conftest import PATIENCE, Waiter
from zenoh_ros.wire.errors import WireError
from zenoh_ros.wire.messages import message_class
from zenoh_ros.wire.qos import QosProfile
from zenoh_ros.wire.session import Session

PEER = ROOT / "test" / "support" / "wire_peer.py"


def test_the_first_hosts_the_router_and_others_join(session: Session) -> None:
    other = Session.open()
    assert (session.hosts_router, other.hosts_router) == (True, False)
    node = other.create_node("second", "/ns")
    assert session.graph.wait_for(lambda graph: [n.full_name for n in graph.nodes()] == ["/ns/second"], PATIENCE)
    other.close()
    other.close()
    assert session.graph.wait_for(lambda graph: not graph.nodes(), PATIENCE)
    with pytest.raises(WireError, match="closed"):
        other.create_node("third")
    node.close()


def test_simultaneous_starts_make_one_graph(ros_graph: RosGraph) -> None:
    programs = [Program(PEER, f"peer_{index}") for index in range(4)]
    roles = [program.expect("ready") for program in programs]
    assert sorted(roles) == ["peer", "peer", "peer", "router"]
    assert {program.ask("at_least 4", "nodes") for program in programs} == {"4"}
    assert [program.close() for program in programs] == [0, 0, 0, 0]


def test_the_graph_outlives_its_router(ros_graph: RosGraph) -> None:
    with Program(PEER, "host") as host:
        assert host.expect("ready") == "router"
        with Program(PEER, "one") as one, Program(PEER, "two") as two:
            assert (one.expect("ready"), two.expect("ready")) == ("peer", "peer")
            assert one.ask("at_least 3", "nodes") == two.ask("at_least 3", "nodes") == "3"
            host.kill()
            assert one.ask("exactly 2", "nodes") == two.ask("exactly 2", "nodes") == "2"
            # Who starts next hosts the router again, and everybody finds everybody.
            with Program(PEER, "heir") as heir:
                assert heir.expect("ready") == "router"
                answers = [program.ask("at_least 3", "nodes") for program in (one, two, heir)]
                assert answers == ["3", "3", "3"]


def another_hosts_router(*endpoints: str) -> zenoh.Session:
    """127.0.0.2 stands for another host: its router is not ours to bind, and its peers cannot be reached directly."""
    settings = zenoh.Config()
    settings.insert_json5("mode", '"router"')
    settings.insert_json5("listen/endpoints", json.dumps(endpoints))
    settings.insert_json5("scouting/multicast/enabled", "false")
    return zenoh.open(settings)


def test_another_hosts_router_carries_what_its_peers_say(ros_graph: RosGraph, waiter: Waiter) -> None:
    string = message_class("std_msgs/msg/String")
    router = f"tcp/127.0.0.2:{ros_graph.port}"
    with another_hosts_router(router, ros_graph.router), Program(PEER, "there") as there:
        assert there.expect("ready") == "peer"
        here = Session.open(router=router)
        assert not here.hosts_router
        node = here.create_node("here")
        heard = node.create_subscription("/out", string, QosProfile(depth=10), waiter)
        sent = node.create_publisher("/in", string, QosProfile(depth=10))
        assert there.ask("at_least 2", "nodes") == "2"
        assert here.graph.wait_for(lambda _: (heard.publisher_count, sent.subscription_count) == (1, 1), PATIENCE)
        sent.publish(string(data="hello"))
        assert waiter.take(heard.take)[0].data == "echo hello"
        here.close()


def test_two_hosts_hear_each_other_through_the_router_of_a_third(ros_graph: RosGraph, waiter: Waiter) -> None:
    router = f"tcp/127.0.0.2:{ros_graph.port}"
    string = message_class("std_msgs/msg/String")
    with pytest.raises(WireError, match="cannot be bound or reached"):  # and not: bound
        Session.open(router=router, patience=0.5)
    with another_hosts_router(router) as third:
        one, two = Session.open(router=router), Session.open(router=router)
        for session in (one, two):
            assert not session.hosts_router
            assert (session.zenoh.info.routers_zid(), session.zenoh.info.peers_zid()) == ([third.info.zid()], [])
        sent = one.create_node("one").create_publisher("/x", string, QosProfile(depth=10))
        heard = two.create_node("two").create_subscription("/x", string, QosProfile(depth=10), waiter)
        assert one.graph.wait_for(lambda _: sent.subscription_count == 1, PATIENCE)
        assert two.graph.wait_for(lambda _: heard.publisher_count == 1, PATIENCE)
        sent.publish(string(data="hello"))
        assert waiter.take(heard.take)[0].data == "hello"
        one.close()
        two.close()
    with pytest.raises(WireError, match="cannot be bound or reached"):  # also where it was there before
        Session.open(router=router, patience=0.5)


def test_domains_do_not_hear_each_other(session: Session) -> None:
    stranger = Session.open(domain=session.domain + 1)
    stranger.create_node("stranger")
    assert stranger.graph.wait_for(lambda graph: len(graph.nodes()) == 1, PATIENCE)
    assert session.graph.nodes() == []
    stranger.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_port_taken_by_another_program_is_said(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        router = f"tcp/localhost:{server.getsockname()[1]}"
        code = (
            "import sys, socket, threading\n"
            "server = socket.socket(fileno=int(sys.argv[1]))\n"
            "def serve():\n"
            "    kept = []\n"
            "    while True:\n"
            "        client, _ = server.accept(); kept.append(client)\n"
            f"        if {answer!r}: client.sendall({answer!r}); client.close()\n"
            "serve()\n"
        )
        other = subprocess.Popen([sys.executable, "-c", code, str(server.fileno())], pass_fds=[server.fileno()])
        try:
            with pytest.raises(WireError, match=r"in use by a program that is not a Zenoh router.*RT_VLA_ROS_ROUTER"):
                Session.open(router=router, patience=1.0)
        finally:
            other.kill()
            other.wait()


@pytest.mark.parametrize("router", ["localhost:7447", "tcp/localhost", "tcp/localhost:port", "7447"])
def test_a_malformed_endpoint_is_said(router: str) -> None:
    with pytest.raises(WireError, match="expected protocol/host:port"):
        Session.open(router=router)


def test_a_protocol_that_there_is_not_is_said() -> None:
    with pytest.raises(WireError, match=r"'carrier/localhost:7447' cannot be used .*carrier protocol"):
        Session.open(router="carrier/localhost:7447")


@pytest.mark.parametrize("domain", ["minus one", "-1", "1.5"])
def test_a_malformed_domain_is_said(monkeypatch: pytest.MonkeyPatch, domain: str) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", domain)
    with pytest.raises(WireError, match="ROS_DOMAIN_ID"):
        Session.open(router=f"tcp/localhost:{free_port()}")


def test_an_interpreter_that_ends_without_closing_ends(ros_graph: RosGraph, tmp_path: Path) -> None:
    script = tmp_path / "forgetful.py"
    script.write_text(
        "from zenoh_ros.wire.session import Session\n"
        "session = Session.open(); node = session.create_node('forgetful')\n"
        "print('ready', flush=True); input()\n"
        "raise SystemExit(3)\n"
    )
    with Program(script) as program, Program(PEER, "witness") as witness:
        program.expect("ready")
        assert witness.ask("at_least 2", "nodes") == "2"
        program.tell("")
        assert program.close() == 3
