"""An arm holds still while its policy is not sure."""

from __future__ import annotations

import numpy as np

from rt_vla_ros.action_space.action import KEEP_GRIPPER, EndEffectorAction
from rt_vla_ros.runtime.confidence_gate import ConfidenceGate


def step(confidence: float, gripper: float = 0.3, *, terminate: bool = False) -> EndEffectorAction:
    return EndEffectorAction(np.full(3, 0.01), np.full(3, 0.1), gripper, terminate, confidence, 0.2, (1, 2), "plan")


def test_sure_actions_pass_as_they_are() -> None:
    gate = ConfidenceGate(0.5)
    for action in (step(0.5), step(0.9), step(0.1, terminate=True)):
        assert gate.admit(action) == (action, None)


def test_an_unsure_action_becomes_standing_still_with_the_gripper_as_it_was() -> None:
    held, sentence = ConfidenceGate(0.5).admit(step(0.2, gripper=0.0))
    assert sentence is not None
    assert "less sure than min_confidence (0.5)" in sentence
    assert held.plan == f"{sentence} plan"
    assert not held.translation.any()
    assert not held.rotation.any()
    assert (held.gripper, held.confidence, held.period, held.terminate) == (KEEP_GRIPPER, 0.2, 0.2, False)


def test_without_a_threshold_everything_passes() -> None:
    action = step(0.0)
    assert ConfidenceGate(0.0).admit(action) == (action, None)
