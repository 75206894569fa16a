"""The policy node with a policy that decides several steps at once: what is published, and when a request is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from std_srvs.srv import Trigger
from support.chunks import HORIZON, chunk_of
from support.node_bench import NodeBench
from support.policy_rig import PERIOD_NS, PlayedPolicy, Rig

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.nodes import policy_node
from rt_vla_ros.nodes.conversions import nanoseconds
from rt_vla_ros.observations.observation import Observation

OK, WARN, ERROR = 0, 1, 2
CUBE, BALL = "pick up the red cube", "pick up the blue ball"
DONE = "The policy reports that the instruction is done."


class PlayedChunkPolicy(PlayedPolicy):
    """Decides anew after two of four steps, and can tell the first one early."""

    card = replace(PlayedPolicy.card, horizon=HORIZON, execute_steps=2)

    def __init__(self) -> None:
        super().__init__()
        self.chunk = chunk_of(self.card)

    def act(self, observation: Observation) -> ActionChunk:
        super().act(observation)
        return self.chunk

    def act_streaming(self, observation: Observation) -> Iterator[ActionChunk]:
        yield replace(self.chunk, steps=self.chunk.steps[:1])
        yield self.act(observation)


@pytest.fixture
def policy(monkeypatch: pytest.MonkeyPatch) -> PlayedChunkPolicy:
    played = PlayedChunkPolicy()
    monkeypatch.setattr(policy_node, "load_policy", lambda name, **_options: played)
    return played


def lengths(actions: list[ChunkMsg]) -> list[int]:
    return [len(action.steps) for action in actions]


def test_all_steps_are_published_and_the_next_come_when_they_are_due(rig: Rig) -> None:
    rig.say(CUBE)
    first, second = rig.until_action(), rig.until_action()
    assert [step.translation.x for step in first.steps] == [0.001, 0.002, 0.003, 0.004]
    assert nanoseconds(first.period) == PERIOD_NS
    assert nanoseconds(second.header.stamp) - nanoseconds(first.header.stamp) >= 1.95 * PERIOD_NS
    rig.bench.until_diagnostics("policy_node", OK, "Executing the instruction.")


def test_what_was_decided_for_another_request_is_dropped_at_once(rig: Rig) -> None:
    rig.say(CUBE)
    rig.until_action()
    rig.say(BALL)
    rig.bench.until(lambda: len(rig.actions) == 2, "nothing is dropped")
    rig.until_action()
    assert rig.bench.call(Trigger, "policy_node/restart").success
    rig.until_action()
    rig.bench.until(lambda: len(rig.actions) >= 5)
    assert lengths(rig.actions)[:5] == [4, 0, 4, 0, 4]
    assert {rig.actions[i].plan for i in (1, 3)} == {"Another request has started."}
    assert not any(action.terminate for action in rig.actions)
    assert rig.policy.instructions == [CUBE, BALL, BALL]


def test_a_request_that_ends_in_the_middle_of_a_chunk_runs_until_then(
    bench: NodeBench, policy: PlayedChunkPolicy, capfd: pytest.CaptureFixture[str]
) -> None:
    policy.card = replace(policy.card, control_rate=2.0, execute_steps=4)
    policy.chunk = chunk_of(policy.card, end=2)
    rig = Rig(bench, policy)
    rig.say(CUBE)
    action = rig.until_action()
    assert [step.terminate for step in action.steps] == [False, False, True, False]
    end_ns = nanoseconds(action.header.stamp) + 2 * nanoseconds(action.period)
    said = ""
    while rig.now_ns() < end_ns:
        said = "".join(capfd.readouterr())
        assert DONE not in said or rig.now_ns() >= end_ns
        rig.say(CUBE)  # `ros2 topic pub` repeats it
        rig.show()
    rig.bench.until_diagnostics("policy_node", OK, "Waiting for an instruction.")
    assert DONE in said + "".join(capfd.readouterr())
    rig.say(CUBE)
    rig.show()
    rig.bench.spin_for(0.3)
    assert (lengths(rig.actions), len(policy.seen), policy.instructions) == ([4], 1, [CUBE])


def test_a_stop_while_the_last_steps_are_executed_stops(bench: NodeBench, policy: PlayedChunkPolicy) -> None:
    policy.card = replace(policy.card, control_rate=0.1, execute_steps=4)
    policy.chunk = chunk_of(policy.card, end=3)
    rig = Rig(bench, policy)
    rig.say(CUBE)
    rig.until_action()
    rig.say("")
    assert rig.until_stop().plan == "The instruction is empty: stop."


def test_a_chunk_of_another_length_ends_the_request(rig: Rig, policy: PlayedChunkPolicy) -> None:
    policy.chunk = replace(policy.chunk, steps=policy.chunk.steps[:3])
    rig.say(CUBE)
    rig.show()
    sentence = (
        "The request failed: The policy's chunk cannot be used: it has 3 steps, but the action card's horizon is 4."
    )
    assert rig.until_stop().plan == sentence
    assert lengths(rig.actions) == [1]
    rig.bench.until_diagnostics("policy_node", ERROR, sentence)


def test_the_first_step_is_published_before_the_others(
    make_bench: Callable[..., NodeBench], policy: PlayedChunkPolicy
) -> None:
    policy.card = replace(policy.card, control_rate=0.2)  # so that the first step's time is not over on a slow machine
    policy.chunk = chunk_of(policy.card)
    rig = Rig(make_bench("-p", "policy_node:stream:=true"), policy)
    policy.gate.clear()
    rig.say(CUBE)
    first = rig.until_action()
    assert lengths(rig.actions) == [1]
    policy.gate.set()
    rig.bench.until(lambda: len(rig.actions) == 2, "the others do not come")
    assert lengths(rig.actions) == [1, 4]
    assert rig.actions[1].header.stamp == first.header.stamp
    assert rig.actions[1].steps[0] == first.steps[0]


def test_that_a_policy_cannot_be_streamed_is_logged(
    make_bench: Callable[..., NodeBench], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(policy_node, "load_policy", lambda name, **_options: PlayedPolicy())
    Rig(make_bench("-p", "policy_node:stream:=true"), PlayedPolicy())
    assert "The policy 'constant' decides all steps at once: its chunks are not streamed." in capfd.readouterr().err
