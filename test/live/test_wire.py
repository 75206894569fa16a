"""The emulated link: cut, refused, slow and lossy."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from rt_vla_ros.live.wire import Wire


@pytest.fixture
def echo() -> Iterator[tuple[Wire, socket.socket]]:
    """A wire to a server that says again what it hears, and a socket at the other end."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with contextlib.suppress(OSError):
            there, _ = server.accept()
            while data := there.recv(100):
                there.sendall(data)

    threading.Thread(target=answer, daemon=True).start()
    wire = Wire(server.getsockname()[1])
    here = socket.create_connection(("127.0.0.1", wire.port), timeout=5.0)
    yield wire, here
    wire.close()
    here.close()
    server.close()


def test_what_is_sent_while_a_wire_is_cut_arrives_when_it_is_whole(echo: tuple[Wire, socket.socket]) -> None:
    wire, here = echo
    here.sendall(b"one")
    assert here.recv(100) == b"one"
    wire.cut()
    here.sendall(b"two")
    here.settimeout(0.2)
    with pytest.raises(TimeoutError):
        here.recv(100)
    wire.restore()
    here.settimeout(5.0)
    assert here.recv(100) == b"two"


def test_a_wire_that_refuses_closes_what_there_is_and_what_comes(echo: tuple[Wire, socket.socket]) -> None:
    wire, here = echo
    here.sendall(b"one")
    assert here.recv(100) == b"one"
    wire.refuse()
    assert here.recv(100) == b""
    with socket.create_connection(("127.0.0.1", wire.port), timeout=5.0) as again:
        assert again.recv(100) == b""


def echo_time(here: socket.socket, message: bytes) -> float:
    """From sending a message until it is back [s]."""
    begin, left = time.monotonic(), len(message)
    here.sendall(message)
    while left:
        left -= len(here.recv(65_536))
    return time.monotonic() - begin


def test_a_message_and_its_answer_take_a_round_trip(echo: tuple[Wire, socket.socket]) -> None:
    wire, here = echo
    wire.round_trip = 0.2
    assert echo_time(here, b"one") >= 0.2
    wire.round_trip = 0.0
    assert min(echo_time(here, b"two") for _ in range(5)) < 0.2


def test_a_lost_segment_is_sent_again_after_a_timeout(echo: tuple[Wire, socket.socket]) -> None:
    wire, here = echo
    wire.loss = 1.0
    assert echo_time(here, b"one") >= 0.4  # both directions


def test_a_lost_segment_that_others_follow_is_sent_again_after_a_round_trip() -> None:
    wire = Wire(9, seed=0)
    wire.round_trip, wire.loss = 0.1, 0.01
    late = [wire._resending(50 * 1448) for _ in range(300)]
    wire.close()
    assert {round(one, 3) for one in late} == {0.0, 0.1, 0.3}
    assert late.count(0.0) == pytest.approx(300 * 0.99**50, rel=0.2)
    assert sum(one > 0.2 for one in late) < 30  # one of the last three of fifty


def test_messages_arrive_whole_and_in_order_over_a_lossy_link(echo: tuple[Wire, socket.socket]) -> None:
    wire, here = echo
    wire.round_trip, wire.loss = 0.01, 0.3
    sent = bytes(range(256)) * 20
    here.sendall(sent)
    got = b""
    while len(got) < len(sent):
        got += here.recv(65_536)
    assert got == sent
