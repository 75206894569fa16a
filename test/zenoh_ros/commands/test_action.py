"""`rt-vla action` against a server in another process."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from support.goal_taker import goal_taker

from rt_vla_ros.cli.main import main

NAME, TYPE = "/demo/taker/execute", "rt_vla_ros/action/ExecuteInstruction"


@pytest.fixture(scope="module")
def taker() -> Iterator[Any]:
    with goal_taker("taker") as process:
        yield process


@pytest.fixture
def command(taker: Any, capfd: pytest.CaptureFixture[str]) -> Any:
    """Runs `rt-vla ARGUMENT...` in this process: (exit code, standard output, standard error)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(list(arguments))
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


def test_actions_are_listed_and_described(command: Any) -> None:
    assert command("action", "list") == (0, f"{NAME}\n", "")
    assert command("action", "list", "-t") == (0, f"{NAME} [{TYPE}]\n", "")
    assert command("action", "list", "-c") == (0, "1\n", "")
    assert command("action", "type", NAME) == (0, f"{TYPE}\n", "")
    expected = f"Action: {NAME}\nAction clients: 0\nAction servers: 1\n    /demo/taker [{TYPE}]\n"
    assert command("action", "info", "-t", NAME.lstrip("/")) == (0, expected, "")
    assert command("action", "info", "-c", NAME)[1] == f"Action: {NAME}\nAction clients: 0\nAction servers: 1\n"
    assert f"  Action Servers:\n    {NAME}: {TYPE}\n  Action Clients:\n" in command("node", "info", "/demo/taker")[1]


def test_a_goal_is_sent_and_its_result_printed(command: Any) -> None:
    goal = "{instruction: lift, time_limit: {sec: 9}}"
    code, out, err = command("action", "send_goal", "--feedback", NAME, TYPE, goal)
    assert (code, err) == (0, "")
    assert out.startswith(
        "Waiting for an action server to become available...\n"
        "Sending goal:\n     instruction: lift\ntime_limit:\n  sec: 9\n"
    )
    assert "\nGoal accepted with ID: " in out
    assert "\nFeedback:\n    step: 3\n" in out
    assert "\nResult:\n    outcome: 1\nsentence: lift.\n" in out
    assert out.endswith("\nGoal finished with status: SUCCEEDED\n")


def test_what_does_not_succeed_is_no_success(command: Any) -> None:
    code, out, _ = command("action", "send_goal", NAME, TYPE, "{instruction: fail}")
    assert (code, out.splitlines()[-1]) == (1, "Goal finished with status: ABORTED")
    assert "Feedback" not in out
    code, out, _ = command("action", "send_goal", NAME, TYPE, "{instruction: refuse}")
    assert (code, out.splitlines()[-1]) == (1, "Goal was rejected.")


def test_ctrl_c_cancels_the_goal(taker: Any) -> None:
    arguments = ["action", "send_goal", "-f", NAME, TYPE, "{instruction: wait}"]
    command = [sys.executable, "-m", "rt_vla_ros.cli", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("Feedback"):
            pass
        process.send_signal(signal.SIGINT)
        out = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert "Canceling goal...\n" in out  # feedback sent before the answer may follow
    assert out.endswith("\nGoal canceled.\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["send_goal", NAME, f"{TYPE}s"],
            f"no action type '{TYPE}s'",
        ),
        (["send_goal", NAME, TYPE, "{instructio: x}"], "ExecuteInstruction_Goal has no field 'instructio'"),
        (["send_goal", NAME, TYPE, "[1]"], "the values must be a YAML mapping"),
        (["send_goal", "--timeout", "0.3", "/nobody", TYPE], "no server of the action '/nobody' within 0.3 s"),
        (["info", "/demo/taker/execut"], f"Did you mean '{NAME}'?"),
        (["type", "/demo/taker/execut"], f"Did you mean '{NAME}'?"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    command: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    from zenoh_ros.commands import graph

    monkeypatch.setattr(graph, "PATIENCE", 1.5)
    code, _, err = command("action", *arguments)
    assert code == 2
    assert sentence in err
