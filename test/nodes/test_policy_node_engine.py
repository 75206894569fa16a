"""The policy node with a model in an engine: what the arm is told when that is gone, back, or writes no action."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from rt_vla_ros.srv import Ask
from support.node_bench import NodeBench
from support.played_engine import PlayedEngine, completion, engine_folder
from support.policy_rig import PlayedPolicy, Rig
from support.vlms import rt2_card

CUBE = "pick up the red cube"
GOOD = completion("0 128 91 241 5 101 127 255")
OK, ERROR = 0, 2


@pytest.fixture
def play() -> Iterator[Callable[..., PlayedEngine]]:
    """Starts engines, which end with the test."""
    with ExitStack() as stack:

        def start(reply: Callable[..., Any] = lambda *_: GOOD, port: int = 0) -> PlayedEngine:
            engine = PlayedEngine(reply, port=port)
            stack.callback(engine.close)
            return engine

        yield start


def engine_rig(make_bench: Callable[..., NodeBench], engine: PlayedEngine, place: Path) -> Rig:
    folder = engine_folder(place / "far", rt2_card(), engine)
    rig = Rig(make_bench("-p", f"policy:={folder}"), PlayedPolicy())
    rig.say(CUBE)
    assert rig.until_action().steps
    return rig


def show_until(rig: Rig, condition: Callable[[], bool]) -> None:
    for _ in range(100):
        if condition():
            return
        rig.show()
        rig.bench.until(lambda at=rig.stamp_ns: condition() or rig.now_ns() > at + 200_000_000)
    raise AssertionError("It did not come to that.")


def test_an_engine_that_is_lost_makes_the_arm_hold_until_it_is_back(
    make_bench: Callable[..., NodeBench], play: Callable[..., PlayedEngine], tmp_path: Path
) -> None:
    engine = play()
    rig = engine_rig(make_bench, engine, tmp_path)
    engine.close()
    show_until(rig, lambda: not rig.actions[-1].steps)
    assert "cannot be reached" in rig.actions[-1].plan
    rig.bench.until(lambda: rig.bench.diagnostics["/policy_node"][0] == ERROR)
    held, gone = len(rig.actions), rig.now_ns()
    for _ in range(3):
        rig.show()
    assert len(rig.actions) == held
    play(port=engine.port)
    stamp = rig.until_action().header.stamp
    assert stamp.sec * 10**9 + stamp.nanosec > gone
    rig.bench.until_diagnostics("policy_node", OK, "Executing the instruction.")


def test_an_answer_that_is_no_action_ends_the_request(
    make_bench: Callable[..., NodeBench], play: Callable[..., PlayedEngine], tmp_path: Path
) -> None:
    engine = play()
    rig = engine_rig(make_bench, engine, tmp_path)
    engine.reply = lambda *_: completion("0 128 91 300 5 101 127 255")
    show_until(rig, lambda: any(step.terminate for step in rig.actions[-1].steps))
    assert "'0 128 91 300 5 101 127 255' is not an action: its number 4 is 300" in rig.actions[-1].plan
    engine.reply, count = (lambda *_: GOOD), len(rig.actions)
    for _ in range(3):
        rig.show()
    assert len(rig.actions) == count
    rig.say("pick up the blue cube")
    assert rig.until_action().steps


def test_a_question_is_answered_by_the_engine(
    make_bench: Callable[..., NodeBench], play: Callable[..., PlayedEngine], tmp_path: Path
) -> None:
    engine = play()
    rig = engine_rig(make_bench, engine, tmp_path)
    engine.reply = lambda asked, _: completion(" a red cube") if "what" in asked.prompt[:12] else GOOD
    client = rig.bench.world.create_client(Ask, "policy_node/ask")
    rig.show()
    future = client.call_async(Ask.Request(question="what is there?"))
    rig.bench.until(future.done)
    assert future.result().answer == "a red cube"
