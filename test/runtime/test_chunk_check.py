"""A chunk that is not what the action card says moves nothing, and the sentence says why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.chunks import chunk_card, chunk_of

from rt_vla_ros.action_space.chunk import EndEffectorStep
from rt_vla_ros.action_space.decoder import DecodingError
from rt_vla_ros.action_space.ensemble import Ensemble
from rt_vla_ros.runtime.chunk_check import check_chunk

CARD = chunk_card()
STEPS = chunk_of(CARD).steps


def with_step(number: int, **changes: Any) -> dict[str, Any]:
    return {"steps": (*STEPS[:number], replace(STEPS[number], **changes), *STEPS[number + 1 :])}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"steps": ()}, "it has 0 steps, but the action card's horizon is 4"),
        ({"steps": STEPS[:3]}, "it has 3 steps, but the action card's horizon is 4"),
        ({"steps": STEPS * 2}, "it has 8 steps, but the action card's horizon is 4"),
        ({"period": 0.1}, "its period is 0.1 s, but the action card's is 0.2 s"),
        ({"period": np.nan}, "its period is nan s, but the action card's is 0.2 s"),
        ({"frame_id": "tool0"}, "its frame is 'tool0', but the action card's is 'panda_link0'"),
        ({"ensemble": Ensemble("mean", chunks=2)}, "but the action card's is Ensemble(rule='newest'"),
        ({"tokens": (1, 2, 3)}, "it has 3 tokens for 4 steps, expected the same number for each step"),
        ({"steps": (*STEPS[:3], None)}, "step 3 is None, expected an EndEffectorStep"),
        (with_step(3, translation=np.array([0, np.nan, 0])), "the translation of step 3 is"),
        (with_step(1, rotation=np.array([0, 0, -np.inf])), "the rotation of step 1 is"),
        (with_step(0, rotation=np.zeros(2)), "expected three finite numbers"),
        (with_step(2, gripper=np.nan), "the gripper of step 2 is nan, expected a finite number"),
        (with_step(2, base=np.array([0, np.inf, 0])), "the base of step 2 is [ 0. inf  0.], expected three finite"),
        (with_step(1, base=np.zeros(2)), "the base of step 1 is [0. 0.], expected three finite numbers"),
        (with_step(3, base=np.array([0, 0, 0.1])), "step 3 moves a base, but the action card has no dimension for it"),
    ],
)
def test_what_is_not_as_the_card_says_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DecodingError, match=r"^The policy's chunk cannot be used: ") as refusal:
        check_chunk(chunk_of(CARD, **changes), CARD)
    assert sentence in str(refusal.value)


def test_what_is_as_the_card_says_is_taken() -> None:
    check_chunk(chunk_of(CARD, tokens=tuple(range(8))), CARD)
    single = chunk_card(horizon=1)
    check_chunk(chunk_of(single, steps=(EndEffectorStep.still(terminate=True),)), single)


@pytest.mark.parametrize(("count", "taken"), [(0, False), (1, True), (3, True), (4, True), (5, False)])
def test_of_a_chunk_that_is_not_whole_yet_the_first_steps_are_enough(count: int, taken: bool) -> None:
    chunk = chunk_of(CARD, steps=(STEPS * 2)[:count])
    if taken:
        check_chunk(chunk, CARD, whole=False)
    else:
        with pytest.raises(DecodingError):
            check_chunk(chunk, CARD, whole=False)
