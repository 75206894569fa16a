"""A port that is kept for somebody: nobody else gets it, and who it is for can listen there."""

from __future__ import annotations

import socket
import sys

import pytest

from rt_vla_ros.console.web_thread import WebThread
from rt_vla_ros.live.demo_run import page_port
from rt_vla_ros.live.held_port import BOTH, HeldPort


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.fixture
def port() -> int:
    """One that was free."""
    with HeldPort(0, BOTH) as held:
        return held.number


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is held elsewhere")
def test_nobody_but_the_console_gets_a_held_port() -> None:
    with HeldPort(0, BOTH) as held:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", held.number))
        web = WebThread(None, "localhost", held.number)
        assert web.port == held.number
        web.close()
    with socket.socket() as other:
        other.bind(("127.0.0.1", held.number))


@pytest.mark.parametrize("address", BOTH)
def test_the_page_takes_another_port_where_anybody_listens_at_either_address(port: int, address: str) -> None:
    if ":" in address and not has_ipv6():
        pytest.skip("no IPv6")
    with page_port(port) as free:
        assert free.number == port
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family), page_port(port) as other:
        assert other.number not in (0, port)
