"""Chunks of several steps: when the next decision is due, what becomes of a terminate, and the first steps early."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.chunks import HORIZON, ChunkPolicy, StreamingChunkPolicy, chunk_card, chunk_of

from rt_vla_ros.action_space.chunk import EndEffectorStep
from rt_vla_ros.action_space.decoder import DecodingError
from rt_vla_ros.action_space.ensemble import Ensemble
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.runtime.frame_buffer import Frame
from rt_vla_ros.runtime.policy_stepper import DueFrames, PolicyStepper, refuse_stream

MS = 1_000_000


def decode(policy: Policy, camera: str, message: str) -> NDArray[np.uint8]:
    return np.zeros((96, 96, 3), np.uint8)


def stepper(policy: Policy, *, stream: bool = False, min_confidence: float = 0.0) -> PolicyStepper[str]:
    return PolicyStepper(policy, decode, max_image_age=0.5, min_confidence=min_confidence, stream=stream)


def show(one: PolicyStepper[str], stamp_ms: int) -> DueFrames[str] | None:
    one.buffer.put("front", Frame("", stamp_ms * MS, 0))
    return one.take(stamp_ms * MS)


def due(one: PolicyStepper[str]) -> DueFrames[str]:
    frames = show(one, 1000)
    assert frames is not None
    return frames


def moves(steps: tuple[EndEffectorStep, ...]) -> list[int]:
    """Of every step [mm]; -1: it terminates."""
    return [-1 if step.terminate else round(1000 * float(step.translation[0])) for step in steps]


@pytest.mark.parametrize("execute_steps", range(1, HORIZON + 1))
def test_the_next_decision_is_due_when_so_many_steps_are_executed(execute_steps: int) -> None:
    one = stepper(ChunkPolicy(chunk_card(execute_steps=execute_steps)))
    assert show(one, 1000) is not None
    due_ms = 1000 + 200 * execute_steps
    assert show(one, due_ms - 11) is None
    assert show(one, due_ms - 10) is not None


@pytest.mark.parametrize("execute_steps", range(1, HORIZON + 1))
@pytest.mark.parametrize("end", range(HORIZON))
def test_a_terminate_counts_before_the_next_decision_only(execute_steps: int, end: int) -> None:
    one = stepper(ChunkPolicy(chunk_card(execute_steps=execute_steps), end=end))
    steps = one.decide(due(one)).chunk.steps
    before, after = [1, 2, 3, 4][:end], [1, 2, 3, 4][end + 1 :]
    ends = end < execute_steps
    assert moves(steps) == [*before, *([-1, *after] if ends else [0] * (HORIZON - end))]
    assert all(step.gripper_word == "kept" for step in steps[end:]) or ends


def test_of_an_unsure_chunk_every_step_is_still() -> None:
    one = stepper(ChunkPolicy(confidence=0.3), min_confidence=0.5)
    decision = one.decide(due(one))
    assert decision.unsure is not None
    assert moves(decision.chunk.steps) == [0] * HORIZON


def test_a_chunk_of_another_length_is_refused() -> None:
    policy = ChunkPolicy()
    policy.chunk = chunk_of(chunk_card(horizon=3))
    one = stepper(policy)
    with pytest.raises(DecodingError, match="it has 3 steps, but the action card's horizon is 4"):
        one.decide(due(one))


def test_the_first_steps_come_before_the_rest_where_that_is_asked_for() -> None:
    one = stepper(StreamingChunkPolicy(), stream=True)
    early, whole = one.decisions(due(one))
    assert [(moves(d.chunk.steps), d.whole) for d in (early, whole)] == [([1], False), ([1, 2, 3, 4], True)]
    one = stepper(StreamingChunkPolicy())
    assert [moves(d.chunk.steps) for d in one.decisions(due(one))] == [[1, 2, 3, 4]]


def test_unsure_first_steps_wait_for_the_rest() -> None:
    policy = StreamingChunkPolicy()
    policy.early_confidence = 0.3
    one = stepper(policy, stream=True, min_confidence=0.5)
    assert [moves(d.chunk.steps) for d in one.decisions(due(one))] == [[1, 2, 3, 4]]


def test_a_rest_that_is_unsure_is_still_behind_the_first_steps() -> None:
    one = stepper(StreamingChunkPolicy(confidence=0.3), stream=True, min_confidence=0.5)
    early, whole = one.decisions(due(one))
    assert (early.unsure, moves(early.chunk.steps)) == (None, [1])
    assert (whole.unsure is not None, moves(whole.chunk.steps)) == (True, [1, 0, 0, 0])


def test_first_steps_without_a_rest_are_refused() -> None:
    policy = StreamingChunkPolicy()
    one = stepper(policy, stream=True)
    policy.chunk = chunk_of(policy.card, steps=policy.chunk.steps[:2])
    frames = due(one)
    with pytest.raises(DecodingError, match=r"^The policy ended its chunk after 2 steps of 4\.$"):
        list(one.decisions(frames))


def test_why_a_chunk_is_not_streamed_is_said() -> None:
    assert refuse_stream(StreamingChunkPolicy()) is None
    assert "The policy 'chunks' decides all steps at once" in str(refuse_stream(ChunkPolicy()))
    combined = StreamingChunkPolicy(chunk_card(ensemble=Ensemble("mean", chunks=2)))
    assert "combines chunks by the rule 'mean'" in str(refuse_stream(combined))
    one = stepper(combined, stream=True)
    assert [d.whole for d in one.decisions(due(one))] == [True]
