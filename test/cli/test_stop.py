"""`rt-vla stop`: every smoother, and the space bar goes on stopping, also after a press that nobody answered."""

from __future__ import annotations

import argparse
import contextlib
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from rt_vla_ros import ros

ros.ensure()

from rt_vla_ros.cli import stop  # noqa: E402
from zenoh_ros.commands.errors import CliError  # noqa: E402


def test_a_press_that_nobody_answers_does_not_end_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    presses: list[list[str]] = []

    def silent(_node: Any, names: list[str]) -> int:
        presses.append(names)
        raise CliError("/smoother_node did not say that it is stopped.")

    monkeypatch.setattr(stop, "rclpy", MagicMock())
    monkeypatch.setattr(stop, "found", lambda _node, _lacking: ["/smoother_node"])
    monkeypatch.setattr(stop, "smoothers", lambda _node: [])
    monkeypatch.setattr(stop, "stop_smoothers", silent)
    left = iter([" ", "x", " ", "q"])
    keys = SimpleNamespace(within=lambda _timeout: [next(left)])
    monkeypatch.setattr(stop, "raw_keys", lambda _what: contextlib.nullcontext(keys))
    monkeypatch.setattr(stop.sys, "stdin", SimpleNamespace(isatty=lambda: True))
    assert stop.run(argparse.Namespace(key=True)) == 0
    assert presses == [["/smoother_node"], ["/smoother_node"]]
    assert capsys.readouterr().err == "/smoother_node did not say that it is stopped.\n" * 2


def test_a_smoother_that_is_found_later_is_stopped_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found_so_far = iter([["/a/smoother_node"]])
    everybody = ["/a/smoother_node", "/b/smoother_node"]
    answer = SimpleNamespace(done=lambda: True, result=lambda: SimpleNamespace(message="stopped"))
    node = MagicMock()
    node.create_client.return_value.call_async.return_value = answer
    monkeypatch.setattr(stop, "rclpy", MagicMock())
    monkeypatch.setattr(stop, "LATER", 0.05)
    monkeypatch.setattr(stop, "smoothers", lambda _node: next(found_so_far, everybody))
    assert stop.stop_smoothers(node, ["/a/smoother_node"]) == 0
    assert capsys.readouterr().out == "/a/smoother_node: stopped\n/b/smoother_node: stopped\n"
