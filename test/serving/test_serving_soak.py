"""`rt-vla bench serve --soak`: robots that check each answer of a server, and that come and go."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fleet_policies import SharedCounting, counting
from support.policy_server import RunningServer

from rt_vla_ros.benchmarks.serving_soak import SoakRobot, expected_tokens, table
from rt_vla_ros.cli.main import main
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.remote.policy import RemotePolicy
from rt_vla_ros.policies.remote.settings import RemoteSettings

Serve = Callable[..., RunningServer]


def soak_robot(server: RunningServer, expected: list[list[int]], budget: float = 20.0) -> SoakRobot:
    policy = load_policy(server.address, remote=RemoteSettings(budget=budget))
    assert isinstance(policy, RemotePolicy)
    return SoakRobot(policy, 0, expected)


def test_an_answer_is_right_if_it_is_the_local_one(serve: Serve) -> None:
    server = serve({"counting": counting()})
    expected = expected_tokens(counting()())[0]
    robot = soak_robot(server, expected)
    for _ in range(len(expected) + 2):  # it begins again at the end
        robot.decide()
    assert (robot.answers.right, robot.answers.wrong) == (len(expected) + 2, 0)
    expected[2] = [*expected[2][:-1], expected[2][-1] + 1]
    robot.decide()
    assert (robot.answers.right, robot.answers.wrong) == (len(expected) + 2, 1)
    assert (robot.answers.late, robot.answers.lost, robot.answers.twice) == (0, 0, 0)


def test_late_answers_and_a_lost_server_are_counted_and_the_script_begins_again(serve: Serve) -> None:
    shared: list[SharedCounting] = []

    def share(policy: Policy) -> SharedCounting:
        shared.append(SharedCounting(policy))
        return shared[0]

    server = serve({"counting": counting()}, share=share)
    robot = soak_robot(server, expected_tokens(counting()())[0], budget=0.5)
    robot.decide()
    shared[0].gate.clear()
    robot.decide()
    shared[0].gate.set()
    assert robot.answers.late == 1
    for _ in range(50):
        robot.decide()
        if robot.answers.right > 2:
            break
    assert robot.answers.wrong == robot.answers.twice == 0
    server.close()
    robot.decide()
    assert robot.answers.lost == 1


@pytest.mark.parametrize("minutes", ["-1", "nan", "1e9"])
def test_a_soak_of_a_server_for_no_time_or_for_ever_is_refused(
    minutes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "serve", "--soak", minutes]) == 2
    assert "expected up to 1440 minutes" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.serial
def test_a_soak_does_not_compare_kinds_of_batches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "serve", "--soak", "1", "--whole-batches"]) == 2
    assert "--whole-batches does not apply to --soak" in capsys.readouterr().err


def test_a_soak_with_real_robots(tmp_path: Path) -> None:
    out = tmp_path / "soak.json"
    assert main(["bench", "serve", "--robots", "2", "--soak", "0.15", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found["robots"] >= 2
    assert (found["wrong"], found["twice"]) == (0, 0)
    assert found["memory"][0]["process"] == "server"
    assert table(found).count("\n") == 6
