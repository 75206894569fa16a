"""A wire to the router on another host, cut and back: over TLS, through a forwarder of this test."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from datetime import datetime, timezone
from pathlib import Path

import pytest
from conftest import RosGraph, free_port

from wire.conftest import Waiter
from zenoh_ros.security.key_folder import HostName, KeyFolder
from zenoh_ros.wire import router_watch
from zenoh_ros.wire.messages import message_class
from zenoh_ros.wire.qos import QosProfile
from zenoh_ros.wire.session import Session


class Wire:
    """Forwards connections to a port, as long as it is not cut."""

    def __init__(self, to_port: int) -> None:
        self.port, self._to_port = free_port(), to_port
        self._open: list[socket.socket] = []
        self.mend()

    def mend(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to_port))
                self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def test_a_cut_wire_is_said_and_what_was_there_before_works_again(
    ros_graph: RosGraph,
    tmp_path: Path,
    waiter: Waiter,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "zenoh_ros.wire")
    monkeypatch.setattr(router_watch, "_LOST_AFTER_S", 0.2)
    now = datetime.now(timezone.utc)
    keys = KeyFolder.create(tmp_path / "keys", now)
    robot = keys.add(HostName("robot"), router=None, days=365, at=None, now=now)
    gpu = keys.add(HostName("gpu"), router="localhost", days=365, at=None, now=now)
    monkeypatch.setenv("ZENOH_SESSION_CONFIG_URI", str(robot / "session.json5"))
    there = Session.serve(f"tls/127.0.0.1:{ros_graph.port}")
    wire = Wire(ros_graph.port)
    monkeypatch.setenv("ZENOH_SESSION_CONFIG_URI", str(gpu / "session.json5"))
    monkeypatch.setenv("ZENOH_CONFIG_OVERRIDE", 'mode="client"')
    here = Session.open(router=f"tls/localhost:{wire.port}")
    string = message_class("std_msgs/msg/String")
    heard = there.create_node("smoother").create_subscription("/action", string, QosProfile(depth=10), waiter)
    sender = here.create_node("policy").create_publisher("/action", string, QosProfile(depth=10))
    waiter.until(lambda: sender.subscription_count == 1)
    sender.publish(string(data="before"))
    assert waiter.take(heard.take)[0].data == "before"

    wire.cut()
    waiter.until(lambda: "Lost the connection to the graph, reconnecting: tls/localhost" in caplog.text)
    assert "cannot be bound or reached (" in caplog.text
    waiter.until(lambda: heard.publisher_count == 0)
    sender.publish(string(data="in between"))

    wire.mend()
    waiter.until(lambda: "is reconnected after" in caplog.text)
    waiter.until(lambda: heard.publisher_count == sender.subscription_count == 1)
    sender.publish(string(data="after"))
    assert waiter.take(heard.take)[0].data == "after"  # nothing that is old by now comes late
    here.close()
    there.close()
    wire.cut()


def test_why_it_does_not_come_back_is_said(
    ros_graph: RosGraph,
    tmp_path: Path,
    waiter: Waiter,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The router is started again with keys of another authority."""
    caplog.set_level(logging.WARNING, "zenoh_ros.wire")
    monkeypatch.setattr(router_watch, "_LOST_AFTER_S", 0.2)
    monkeypatch.setattr(router_watch, "_SAY_AGAIN_S", 0.5)
    now = datetime.now(timezone.utc)
    folders = [
        KeyFolder.create(tmp_path / name, now).add(HostName("robot"), router=None, days=9, at=None, now=now)
        for name in ("one", "two")
    ]
    monkeypatch.setenv("ZENOH_SESSION_CONFIG_URI", str(folders[0] / "session.json5"))
    router = Session.serve(f"tls/127.0.0.1:{ros_graph.port}")
    monkeypatch.setenv("ZENOH_CONFIG_OVERRIDE", 'mode="client"')
    here = Session.open(router=f"tls/localhost:{ros_graph.port}")
    router.close()
    monkeypatch.delenv("ZENOH_CONFIG_OVERRIDE")
    monkeypatch.setenv("ZENOH_SESSION_CONFIG_URI", str(folders[1] / "session.json5"))
    router = Session.serve(f"tls/127.0.0.1:{ros_graph.port}")
    waiter.until(lambda: "the TLS handshake failed: its certificate is from another authority" in caplog.text)
    assert "the certificate robot of this host expires on" in caplog.text  # in nine days
    here.close()
    router.close()
