"""The policy node with a policy on a server: what the arm is told when that is gone, and when it is back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from support.fleet_policies import SharedCounting, counting
from support.node_bench import NodeBench
from support.policy_rig import PlayedPolicy, Rig
from support.policy_server import RunningServer

from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.runtime import policy_runner

CUBE = "pick up the red cube"
OK, ERROR = 0, 2
CARD = replace(PlayedPolicy.card, control_rate=5.0)


@pytest.fixture
def start() -> Iterator[Callable[..., RunningServer]]:
    """Starts servers of one model, which end with the test."""
    with ExitStack() as stack:

        def begin(
            port: int = 0, model: str = "a", share: Callable[[Policy], SharedCounting] = SharedCounting
        ) -> RunningServer:
            models = {"counting": model * 64}
            server = RunningServer({"counting": counting(CARD)}, share=share, models=models, port=port)
            stack.callback(server.close)
            return server

        yield begin


def remote_rig(make_bench: Callable[..., NodeBench], server: RunningServer) -> Rig:
    bench = make_bench("-p", f"policy:={server.address}")
    return Rig(bench, PlayedPolicy())


def show_until(rig: Rig, condition: Callable[[], bool]) -> None:
    for _ in range(100):
        if condition():
            return
        rig.show()
        rig.bench.until(lambda at=rig.stamp_ns: condition() or rig.now_ns() > at + 200_000_000)
    raise AssertionError("It did not come to that.")


def lost(make_bench: Callable[..., NodeBench], start: Callable[..., RunningServer]) -> tuple[RunningServer, Rig]:
    """A robot that acted, and was told to hold because its server has gone."""
    server = start()
    rig = remote_rig(make_bench, server)
    rig.say(CUBE)
    rig.until_action()
    assert rig.until_action().steps
    server.close()
    show_until(rig, lambda: not rig.actions[-1].steps)
    return server, rig


def test_a_server_that_is_lost_makes_the_arm_hold_and_the_same_model_goes_on(
    make_bench: Callable[..., NodeBench], start: Callable[..., RunningServer]
) -> None:
    server, rig = lost(make_bench, start)
    held = len(rig.actions)
    assert "policy server" in rig.actions[-1].plan
    rig.bench.until(lambda: rig.bench.diagnostics["/policy_node"][0] == ERROR)
    assert "policy server" in rig.bench.diagnostics["/policy_node"][1]
    for _ in range(3):
        rig.show()
    assert len(rig.actions) == held

    start(server.port, "b")  # another model moves nothing
    show_until(rig, lambda: "another model" in rig.bench.diagnostics["/policy_node"][1])
    assert len(rig.actions) == held


def test_the_same_model_that_is_back_moves_the_arm_by_a_fresh_image(
    make_bench: Callable[..., NodeBench], start: Callable[..., RunningServer]
) -> None:
    server, rig = lost(make_bench, start)
    gone = rig.now_ns()
    start(server.port)
    action = rig.until_action()
    stamp = action.header.stamp
    assert stamp.sec * 10**9 + stamp.nanosec > gone
    assert next(iter(action.tokens)) == 1  # a new history
    rig.bench.until_diagnostics("policy_node", OK, "Executing the instruction.")


def test_a_server_that_stays_away_ends_the_request_and_its_return_moves_nothing(
    make_bench: Callable[..., NodeBench], start: Callable[..., RunningServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_runner, "LONGEST_LOSS", 0.5)
    server = start()
    rig = remote_rig(make_bench, server)
    rig.say(CUBE)
    rig.until_action()
    server.close()
    show_until(rig, lambda: any(step.terminate for step in rig.actions[-1].steps))
    assert "could not decide for more than 0.5 s" in rig.actions[-1].plan
    rig.bench.until(lambda: "could not decide" in rig.bench.diagnostics["/policy_node"][1])
    count = len(rig.actions)
    start(server.port)
    for _ in range(5):
        rig.show()
        rig.bench.until(lambda at=rig.stamp_ns: rig.now_ns() > at + 200_000_000)
    assert len(rig.actions) == count
    monkeypatch.setattr(policy_runner, "LONGEST_LOSS", 10.0)
    rig.say("pick up the blue cube")
    assert rig.until_action().steps


def test_a_server_that_is_late_moves_nothing_and_the_request_goes_on(
    make_bench: Callable[..., NodeBench], start: Callable[..., RunningServer]
) -> None:
    shared: list[SharedCounting] = []

    def share(policy: Policy) -> SharedCounting:
        shared.append(SharedCounting(policy))
        return shared[0]

    rig = remote_rig(make_bench, start(share=share))
    rig.say(CUBE)
    rig.until_action()
    count = len(rig.actions)
    shared[0].gate.clear()
    rig.show()
    rig.bench.until(lambda: rig.bench.diagnostics["/policy_node"][0] == ERROR)
    assert (
        "in time" in rig.bench.diagnostics["/policy_node"][1]
        or "not answered" in rig.bench.diagnostics["/policy_node"][1]
    )
    assert len(rig.actions) == count
    shared[0].gate.set()
    assert rig.until_action().steps
