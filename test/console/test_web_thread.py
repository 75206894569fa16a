"""Where the server cannot listen, it says so before anything starts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

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


def test_of_a_names_addresses_it_listens_on_that_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(host: str, port: int, **_: object) -> list[object]:
        kinds = (socket.AF_INET6, ("::1", port, 0, 0)), (socket.AF_INET, ("127.0.0.1", port))
        return [(family, socket.SOCK_STREAM, 0, "", address) for family, address in kinds]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    thread = WebThread(None, "localhost", 0)
    with thread._socket as listening:
        assert listening.getsockname()[0] == "127.0.0.1"
