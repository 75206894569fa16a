"""`rt-vla do` against a server in another process."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from support.goal_taker import goal_taker

from rt_vla_ros import ros
from rt_vla_ros.cli.main import main

ros.ensure()

from rt_vla_ros.cli.do import Errand  # noqa: E402
from zenoh_ros.commands import graph  # noqa: E402


@pytest.fixture(scope="module")
def taker() -> Iterator[Any]:
    with goal_taker("taker") as process:
        yield process


def done(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], str]:
    capfd.readouterr()
    code = main(["do", *arguments])
    captured = capfd.readouterr()
    return code, captured.out.splitlines(), captured.err


@pytest.mark.usefixtures("taker")
def test_an_instruction_is_carried_out(capfd: pytest.CaptureFixture[str]) -> None:
    code, lines, err = done(capfd, "lift", "the cube")
    assert (code, lines[-1], err) == (0, "Done after 2.0 s, 25.0 cm: lift the cube.", "")
    assert lines[0].endswith("s  step 3  12.5 cm  confidence 0.50  image 40 ms old  first this\\x1b[31m")


@pytest.mark.usefixtures("taker")
def test_it_says_what_the_policy_waits_for(capfd: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = done(capfd, "give", "way")
    assert code == 0
    told = [line for line in lines if "human" in line or "acting" in line]
    assert told == ["A human is in control.", "The policy is acting again."]


@pytest.mark.usefixtures("taker")
def test_it_says_that_the_policy_is_being_loaded_and_how_far_that_is(capfd: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = done(capfd, "load", "first")
    assert code == 0
    assert lines[0] == "The policy is being loaded."
    assert lines.count("The policy starts acting.") == 1
    assert any(line.endswith("s  step 0  The policy is being loaded: weights, 3 of 9.") for line in lines)


def test_a_node_that_does_not_answer_is_given_up_after_the_time_limit(capfd: pytest.CaptureFixture[str]) -> None:
    with goal_taker("taker"):
        code, lines, err = done(capfd, "hang", "--time-limit", "3")
    assert code == 2
    assert lines == [
        "No feedback from the policy node for 2 s: it is loading or hangs; Ctrl-C cancels.",
    ]
    assert (
        "/demo/taker/execute did not answer within 3 s; it may or may not have accepted the goal; stop the arm: " in err
    )


def test_a_policy_node_is_waited_for_as_long_as_the_time_limit(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, ros_graph: Any
) -> None:
    monkeypatch.setattr(graph, "PATIENCE", 0.3)
    code, lines, err = done(capfd, "lift", "--time-limit", "1.5")
    assert (code, lines) == (2, ["Waiting up to 1.5 s for a policy node; Ctrl-C to quit."])
    assert "no policy node on the graph" in err


@pytest.mark.usefixtures("taker")
def test_what_fails_or_is_refused_is_no_success_and_says_why(capfd: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = done(capfd, "fail", "--time-limit", "7.5", "--action", "demo/taker/execute")
    assert (code, lines[-1]) == (1, "Fault after 2.0 s, 25.0 cm: fail.")
    assert done(capfd, "refuse")[:2] == (1, ["Refused: not today."])


@pytest.mark.usefixtures("taker")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_cancels_and_waits_for_the_end(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "rt_vla_ros.cli", "do", "wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "step 3" in process.stdout.readline()
        process.send_signal(number)
        out = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + number
    lines = out.splitlines()
    assert "Canceling: the arm brakes." in lines[:-1]  # feedback sent before the end may follow
    assert lines[-1] == "Canceled after 2.0 s, 25.0 cm: wait."


@pytest.mark.usefixtures("taker")
def test_a_result_that_was_never_filled_in_is_no_success(capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = done(capfd, "crash")
    assert code == 2
    assert "/demo/taker/execute does not know the goal, or failed to return the result; stop the arm: " in err


@pytest.mark.usefixtures("taker")
def test_ctrl_c_before_the_goal_was_sent_sends_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with graph.graph_node() as node:
        errand = Errand(node, "/demo/taker/execute")
        monkeypatch.setattr(errand._client, "send_goal_async", None)
        assert errand.run(None, [signal.SIGINT]) == 130


def test_two_policy_nodes_are_not_chosen_between(capfd: pytest.CaptureFixture[str]) -> None:
    with goal_taker("left", "right"):
        code, _, err = done(capfd, "lift")
        assert code == 2
        assert (
            "2 policy nodes are running; choose one: --action /demo/left/execute or --action /demo/right/execute" in err
        )
        assert done(capfd, "lift", "--action", "/demo/left/execute")[0] == 0


def test_a_node_that_ends_is_noticed(capfd: pytest.CaptureFixture[str]) -> None:
    with goal_taker("taker"):
        code, _, err = done(capfd, "die")
    assert code == 2
    assert "/demo/taker/execute did not return a result: its node hangs or has exited; stop the arm: " in err


def test_without_a_policy_node_it_says_what_to_start(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, ros_graph: Any
) -> None:
    monkeypatch.setattr(graph, "PATIENCE", 0.3)
    code, _, err = done(capfd, "lift")
    assert code == 2
    assert "no policy node on the graph" in err
    code, _, err = done(capfd, "lift", "--action", "no/such")
    assert "no policy node offers the action '/no/such'. There are none." in err


@pytest.mark.parametrize("limit", ["0", "-1", "nan", "inf", "soon", "1e12"])
def test_a_limit_that_is_none_is_refused(capfd: pytest.CaptureFixture[str], limit: str) -> None:
    code, _, err = done(capfd, "lift", f"--time-limit={limit}")
    assert code == 2
    assert "--time-limit" in err
