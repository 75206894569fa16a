"""`rt-vla service` against a node in another process."""

from __future__ import annotations

from typing import Any

import pytest


def test_services_are_listed(command: Any) -> None:
    code, out, _ = command("service", "list")
    assert code == 0
    assert {"/demo/talker/switch", "/demo/talker/get_parameters"} <= set(out.split())
    assert "/demo/talker/switch [std_srvs/srv/SetBool]" in command("service", "list", "-t")[1].splitlines()
    assert command("service", "list", "-c")[1].strip() == str(len(out.split()))


def test_a_type_is_said(command: Any) -> None:
    assert command("service", "type", "/demo/talker/switch") == (0, "std_srvs/srv/SetBool\n", "")


def test_a_service_is_called(command: Any) -> None:
    code, out, _ = command("service", "call", "/demo/talker/switch", "std_srvs/srv/SetBool", "{data: true}")
    assert code == 0
    assert "requester: making request: std_srvs.srv.SetBool_Request(data=True)" in out
    assert "response:\nstd_srvs.srv.SetBool_Response(success=True, message='now on')" in out
    assert "now off" in command("service", "call", "demo/talker/switch", "std_srvs/SetBool")[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["call", "/demo/talker/switch", "std_srvs/srv/SetBol"], "Did you mean 'std_srvs/srv/SetBool'?"),
        (["call", "/demo/talker/switch", "std_srvs/srv/SetBool", "{data: 1.5}"], "field 'data' is a boolean, got 1.5"),
        (
            ["call", "--timeout", "0.5", "/demo/switch", "std_srvs/srv/SetBool"],
            "no service '/demo/switch' within 0.5 s",
        ),
        (["type", "/demo/talker/swich"], "Did you mean '/demo/talker/switch'?"),
    ],
)
@pytest.mark.usefixtures("hasty")
def test_what_cannot_be_done_is_said_in_a_sentence(command: Any, arguments: list[str], sentence: str) -> None:
    code, _, err = command("service", *arguments)
    assert code == 2
    assert sentence in err


@pytest.mark.usefixtures("hasty")
def test_a_service_is_described(command: Any) -> None:
    expected = "Type: std_srvs/srv/SetBool\nClients count: 0\nServices count: 1\n"
    assert command("service", "info", "demo/talker/switch") == (0, expected, "")
    assert "Did you mean '/demo/talker/switch'?" in command("service", "info", "/demo/talker/swich")[2]
