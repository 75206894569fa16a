"""A model that writes actions and answers at once, through the node: control waits for one pass of an answer."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rt_vla_ros.srv import Ask
from support.node_bench import NodeBench
from support.policy_rig import Rig

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.nodes import policy_node
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt2.decoding.priority_lock import PriorityLock

PASS = 0.02  # on top of what a pass takes: most of it [s]
ACTIONS = 10
GAP = 0.005  # in which a question that waits gets in, as on a busy machine [s]
DONE = "done"


class WatchedLock(PriorityLock):
    """Notes in `events` when control wants the model, and when an answer gives it back."""

    def __init__(self, events: list[str]) -> None:
        super().__init__()
        self._events = events

    @contextmanager
    def high(self) -> Iterator[None]:
        with self._changed:
            self._waiting_high += 1  # from here on no pass of an answer begins
            self._events.append("wanted")
        with super().high():
            with self._changed:
                self._waiting_high -= 1
            yield
        time.sleep(GAP)

    @contextmanager
    def low(self) -> Iterator[None]:
        with super().low():
            yield
            self._events.append("answer")


class SlowPolicy:
    """RT-2 with random weights, every pass of which takes its time."""

    def __init__(self) -> None:
        self._policy: Any = load_policy("rt2-untrained", device="cpu")
        self.name, self.card = self._policy.name, self._policy.card
        self.instructions: list[str] = []
        self.seen: list[Observation] = []
        self.events: list[str] = []
        self._policy._lock = WatchedLock(self.events)
        base = self._policy.parts.model.base_model
        self._forward, base.forward = base.forward, self._pass

    def _pass(self, *arguments: Any, **options: Any) -> Any:
        time.sleep(PASS)
        return self._forward(*arguments, **options)

    def reset(self, instruction: str) -> None:
        self._policy.reset(instruction)

    def act(self, observation: Observation) -> ActionChunk:
        chunk: ActionChunk = self._policy.act(observation)
        self.events.append(DONE)
        return chunk

    def ask(self, images: Mapping[str, NDArray[np.uint8]], question: str) -> str:
        return str(self._policy.ask(images, question))

    def waits(self) -> list[int]:
        """For how many passes of answers each action waited, between wanting the model and being done."""
        counts, events = list[int](), list(self.events)
        for done, each in itertools.groupby(events, lambda event: event == DONE):
            action = list(each)
            if not done and "wanted" in action:
                counts.append(action[action.index("wanted") :].count("answer"))
        return counts if events[-1:] == [DONE] else counts[:-1]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowPolicy:
    policy = SlowPolicy()
    monkeypatch.setattr(policy_node, "load_policy", lambda name, **_options: policy)
    return policy


def test_no_action_waits_for_more_than_one_pass_of_an_answer(
    bench: NodeBench, slow: SlowPolicy, record_property: Any
) -> None:
    rig = Rig(bench, slow)  # type: ignore[arg-type]
    rig.say("pick up the red cube")
    alone = [latency(rig.until_action()) for _ in range(ACTIONS)]
    client = bench.world.create_client(Ask, "policy_node/ask")
    bench.until(client.service_is_ready)
    asked, answers = list[bool](), list[Any]()

    def ask(before: Any = None) -> None:
        if before is not None:
            answers.append(before.result())
        if len(beside) < ACTIONS:
            asked.append(True)
            client.call_async(Ask.Request(question="what is on the table?")).add_done_callback(ask)

    slow.events.clear()
    beside = list[float]()
    ask()
    while len(beside) < ACTIONS:
        beside.append(latency(rig.until_action()))
    waited = slow.waits()
    bench.until(lambda: len(answers) == len(asked), "a question was not answered")
    assert all(answer.success for answer in answers)
    assert len(waited) >= ACTIONS - 1
    assert max(waited) == 1, waited  # some did wait, and none twice
    record_property("latency_ratio", float(np.median(beside) / np.median(alone)))


def latency(message: Any) -> float:
    """From an image's arrival to its action [s]."""
    return float(message.latency.sec + message.latency.nanosec / 1e9)
