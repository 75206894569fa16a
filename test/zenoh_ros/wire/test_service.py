"""Requests and responses."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from support.processes import ROOT, Program

from wire.conftest import PATIENCE, Waiter
from zenoh_ros.wire.errors import WireError
from zenoh_ros.wire.messages import service_class
from zenoh_ros.wire.session import Session

PEER = ROOT / "test" / "support" / "wire_peer.py"
Trigger: Any = service_class("std_srvs/srv/Trigger")
SetBool: Any = service_class("std_srvs/srv/SetBool")


def test_a_request_waits_for_its_service(session: Session, waiter: Waiter) -> None:
    client = session.create_node("caller").create_client("/peer/trigger", Trigger, on_data=waiter)
    first = client.send(Trigger.Request())
    assert not client.service_is_ready
    with Program(PEER, "server") as peer:
        peer.expect("ready")
        response, sequence = waiter.take(client.take)
        assert (sequence, response) == (first, Trigger.Response(success=True, message="done"))
        assert client.service_is_ready
        second = client.send(Trigger.Request())
        assert waiter.take(client.take)[1] == second != first
        peer.kill()
        assert session.graph.wait_for(lambda _: not client.service_is_ready, PATIENCE)


def test_every_response_goes_to_its_request(session: Session, waiter: Waiter) -> None:
    node = session.create_node("both")
    service = node.create_service("/set", SetBool, on_data=waiter)
    client = node.create_client("/set", SetBool, on_data=waiter)
    asked = {client.send(SetBool.Request(data=value)): value for value in (True, False, True)}
    waiter.until(lambda: service.pending == 3)
    taken = [service.take() for _ in range(3)]
    for request, handle in reversed(taken):
        handle.reply(SetBool.Response(success=request.data))
    answered = dict(reversed(waiter.take(client.take)) for _ in asked)
    assert {sequence: response.success for sequence, response in answered.items()} == asked
    with pytest.raises(WireError, match="already answered"):
        taken[0][1].reply(SetBool.Response())


def test_a_forgotten_request_gets_no_response(session: Session, waiter: Waiter) -> None:
    node = session.create_node("both")
    client = node.create_client("/set", SetBool, on_data=waiter)
    client.forget(client.send(SetBool.Request(data=False)))
    service = node.create_service("/set", SetBool, on_data=waiter)
    kept = client.send(SetBool.Request(data=True))
    request, handle = waiter.take(service.take)
    assert request.data is True
    handle.reply(SetBool.Response())
    assert waiter.take(client.take)[1] == kept
    assert service.take() is None


def test_malformed_requests_are_counted_and_survived(
    session: Session, waiter: Waiter, caplog: pytest.LogCaptureFixture
) -> None:
    service = session.create_node("careful").create_service("/set", SetBool, on_data=waiter)
    for attachment in (None, bytes(33), b"\x00" * 16 + b"\x10" + bytes(16)):
        session.zenoh.get(service.key.data_key(), payload=b"\x00\x01\x00\x00", attachment=attachment)
    waiter.until(lambda: service.pending == 3)
    with caplog.at_level(logging.WARNING, "zenoh_ros.wire"):
        assert service.take() is None
    assert service.malformed == 3
    assert len(caplog.records) == 1


def test_wrong_classes_and_closed_clients_are_refused(session: Session) -> None:
    client = session.create_node("a").create_client("/set", SetBool)
    with pytest.raises(TypeError, match="expected std_srvs/srv/SetBool_Request, got Trigger_Request"):
        client.send(Trigger.Request())
    client.close()
    with pytest.raises(WireError, match="closed"):
        client.send(SetBool.Request())
