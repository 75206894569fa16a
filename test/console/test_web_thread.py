"""Where the server cannot listen, it says so before anything starts."""

from __future__ import annotations

import socket
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from starlette.applications import Starlette

from rt_vla_ros.console.web_thread import WebThread


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"cannot listen on '127.0.0.1', port {port} .*'port'"):
            WebThread(None, "127.0.0.1", port)


def test_an_address_that_is_not_this_machines_is_named() -> None:
    with pytest.raises(ValueError, match=r"cannot listen on '192\.0\.2\.1'"):
        WebThread(None, "192.0.2.1", 0)


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    for path in (bad, tmp_path / "none.pem"):
        with pytest.raises(ValueError, match=r"The certificate '.*pem' with the key '' cannot be used: "):
            WebThread(None, "127.0.0.1", 0, str(path))


def resolved(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """As a file of hosts says."""

    def given(_host: str, _port: object, **_: object) -> list[object]:
        families = [socket.AF_INET6 if ":" in one else socket.AF_INET for one in addresses]
        return [(family, socket.SOCK_STREAM, 0, "", (one, 0)) for family, one in zip(families, addresses, strict=True)]

    monkeypatch.setattr(socket, "getaddrinfo", given)


def test_it_listens_at_all_addresses_of_a_name_on_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved(monkeypatch, "127.0.0.2", "127.0.0.1")
    thread = WebThread(None, "localhost", 0)
    names = [one.getsockname() for one in thread._sockets]
    assert sorted(names) == [("127.0.0.1", thread.port), ("127.0.0.2", thread.port)]
    thread.close()


def test_a_port_that_is_taken_at_one_address_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved(monkeypatch, "127.0.0.1", "127.0.0.2")
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match="is the port in use"):
            WebThread(None, "localhost", port)
        with socket.create_server(("127.0.0.1", port)):
            pass  # and nothing was left behind at the other one


def test_an_address_that_this_machine_lacks_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved(monkeypatch, "2001:db8::1", "127.0.0.1")
    thread = WebThread(None, "lab", 0)
    assert [one.getsockname()[0] for one in thread._sockets] == ["127.0.0.1"]
    thread.close()


def test_what_is_called_localhost_and_is_elsewhere_is_not_listened_at(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved(monkeypatch, "0.0.0.0", "127.0.0.1")
    thread = WebThread(None, "localhost", 0)
    assert [one.getsockname()[0] for one in thread._sockets] == ["127.0.0.1"]
    thread.close()
    resolved(monkeypatch, "0.0.0.0")
    with pytest.raises(ValueError, match="it is not a loopback address"):
        WebThread(None, "localhost", 0)


def test_an_answer_does_not_wait_for_the_acknowledgement_of_a_pong() -> None:
    """With Nagle's algorithm on, every answer after one is up to 40 ms late."""
    thread = WebThread(Starlette(), "127.0.0.1", 0)
    thread.start()
    try:
        with closing(HTTPConnection("127.0.0.1", thread.port, timeout=10)) as robot:
            robot.request("GET", "/")
            assert robot.getresponse().status == 404
            (protocol,) = thread._server.server_state.connections
            accepted = protocol.transport.get_extra_info("socket")  # type: ignore[union-attr]
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    finally:
        thread.close()
