"""An arm holds still while its policy is not sure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.actions import one_step

from rt_vla_ros.action_space.chunk import KEEP_GRIPPER, ActionChunk
from rt_vla_ros.runtime.confidence_gate import HARDLY_LEGAL, ConfidenceGate, legal_doubt


def step(confidence: float, gripper: float = 0.3, *, terminate: bool = False) -> ActionChunk:
    return one_step(np.full(3, 0.01), np.full(3, 0.1), gripper, terminate, confidence, 0.2, (1, 2), "plan")


def test_sure_actions_pass_as_they_are() -> None:
    gate = ConfidenceGate(0.5)
    for action in (step(0.5), step(0.9), step(0.1, terminate=True)):
        assert gate.admit(action) == (action, None)


def test_an_unsure_action_becomes_standing_still_with_the_gripper_as_it_was() -> None:
    held, sentence = ConfidenceGate(0.5).admit(step(0.2, gripper=0.0))
    assert sentence is not None
    assert "confidence is below min_confidence (0.5)" in sentence
    assert held.plan == f"{sentence} plan"
    (still,) = held.steps
    assert not still.translation.any()
    assert not still.rotation.any()
    assert (still.gripper, held.confidence, held.period, held.terminate) == (KEEP_GRIPPER, 0.2, 0.2, False)


def test_without_a_threshold_everything_passes() -> None:
    action = step(0.0)
    assert ConfidenceGate(0.0).admit(action) == (action, None)


def test_what_a_model_would_hardly_write_becomes_standing_still() -> None:
    gate = ConfidenceGate(0.5, 0.3)
    for action in (step(0.9), replace(step(0.9), legal_probability=0.3)):
        assert gate.admit(action) == (action, None)
    doubtful = replace(step(0.9), legal_probability=0.0002)
    held, sentence = gate.admit(doubtful)
    assert sentence is not None
    assert "is below min_legal_probability (0.3): the arm holds still" in sentence
    assert (held.steps[0].gripper, held.confidence, held.legal_probability) == (KEEP_GRIPPER, 0.9, 0.0002)
    assert not held.steps[0].translation.any()
    assert gate.admit(replace(step(0.9, terminate=True), legal_probability=0.0002))[1] is None
    assert ConfidenceGate(0.5).admit(doubtful)[1] is None


@pytest.mark.parametrize("name", ["confidence", "legal_probability"])
def test_not_a_number_holds_still_at_any_threshold(name: str) -> None:
    broken = replace(step(0.9), **{name: np.nan})  # type: ignore[arg-type]
    assert ConfidenceGate(0.0, 0.0).admit(broken)[1] is not None


def test_a_model_that_hardly_writes_actions_is_doubted() -> None:
    assert legal_doubt(1.0) is legal_doubt(HARDLY_LEGAL) is None
    for value in (0.0002, 0.0, np.nan):
        doubt = legal_doubt(value)
        assert doubt is not None
        assert f"with a probability of only {value:.2g}" in doubt
