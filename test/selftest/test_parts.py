"""What the parts judge by: what they accept, and that what differs fails."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from rt_vla_ros.policies.rt1.fast import steps
from rt_vla_ros.policies.rt2.decoding import engine
from rt_vla_ros.selftest import rt1_parts, rt2_parts, training_parts
from rt_vla_ros.selftest.runner import FailedError, Machine

CPU = Machine(torch.device("cpu"))


def agreement(numbers: int, others: int, *apart: float, rounding: float = 0.0) -> dict[str, Any]:
    figures = {"actions": 8, "numbers": numbers, "other_actions": len(apart), "other_numbers": others, "steps": apart}
    return {**figures, "rounding": [rounding] * len(apart)}


def test_every_number_must_be_equal_in_float32() -> None:
    assert rt2_parts.judged(agreement(64, 0), torch.float32).sentence == "64 of 64 numbers equal generate's"
    with pytest.raises(FailedError, match=r"63 of 64 numbers .* expected all in float32"):
        rt2_parts.judged(agreement(64, 1, 0.5), torch.float32)


def test_half_precision_may_differ_where_two_tokens_nearly_tie() -> None:
    said = rt2_parts.judged(agreement(64, 9, 0.5, 3.0), torch.bfloat16).sentence
    assert said.startswith("55 of 64 numbers equal generate's, every difference starts with logits at most 3.0 steps")
    with pytest.raises(FailedError, match=r"at most 40\.0 steps"):
        rt2_parts.judged(agreement(64, 1, 40.0), torch.bfloat16)
    deep = rt2_parts.judged(agreement(64, 1, 13.0, rounding=14.0), torch.bfloat16).sentence
    assert deep.endswith("at most 13.0 steps of bfloat16 apart (rounding alone moves them by up to 14.0)")
    with pytest.raises(FailedError, match="15 steps at most"):
        rt2_parts.judged(agreement(64, 1, 16.0, rounding=15.0), torch.bfloat16)
    with pytest.raises(FailedError, match="32 steps at most"):
        rt2_parts.judged(agreement(64, 1, 40.0, rounding=900.0), torch.bfloat16)
    with pytest.raises(FailedError, match=r"at most 12\.0 steps"):  # another action's rounding excuses nothing
        rt2_parts.judged({**agreement(64, 2, 12.0, 0.5), "rounding": [0.0, 14.0]}, torch.bfloat16)
    with pytest.raises(FailedError, match="24 of 64 numbers"):
        rt2_parts.judged(agreement(64, 40, 0.5, 0.5), torch.bfloat16)


@pytest.mark.parametrize("family", ["paligemma", "openvla"])
def test_passes_of_fixed_shapes_are_compared_too(family: str) -> None:
    """As a GPU records them; here they run unrecorded."""
    found = rt2_parts.tokens(family, torch.float32, CPU, recorded=True)
    assert found.figures["other_numbers"] == 0


def test_an_engine_that_takes_the_second_best_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def second_best(logits: Tensor, masks: Tensor, *_: object) -> tuple[Tensor, Tensor]:
        columns = logits.masked_fill(~masks, -torch.inf).topk(2, dim=-1).indices[:, 1]
        return columns, torch.ones(len(columns))

    monkeypatch.setattr(engine, "choose", second_best)
    for dtype in (torch.float32, torch.bfloat16):
        with pytest.raises(FailedError):
            rt2_parts.tokens("openvla", dtype, CPU)


def test_what_is_not_recorded_fails_with_the_engines_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*_: object, **__: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(engine, "FixedShapes", cannot)
    with pytest.raises(FailedError, match=r"No CUDA graph was recorded\. .*not permitted when stream is capturing"):
        rt2_parts.tokens("qwen2_vl", torch.float32, CPU, recorded=True)


def test_the_fast_step_and_one_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rt1_parts, "NETWORKS", {"rt1": ("rt1", {}, 2)})
    assert rt1_parts.fast_step("bfloat16", CPU).figures["rt1_same_tokens"] > 0.6
    asked = []
    monkeypatch.setattr(steps, "graphed", lambda function, device: asked.append(device) or function)
    assert rt1_parts.fast_step("float32", CPU, recorded=True).figures["rt1_difference"] == 0
    assert asked == [CPU.device] * 2, "both halves of the one that shall be recorded, and of no other"
    monkeypatch.setattr(steps, "graphed", lambda function, device: lambda x: function(x) * 1.01)
    with pytest.raises(FailedError, match=r"expected 1e-04 and 60 % at least"):
        rt1_parts.fast_step("float32", CPU, recorded=True)


def test_wrong_arithmetic_and_a_wrong_policy_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rt1_parts, "ARITHMETIC_TOLERANCES", {torch.float32: 0.0})
    with pytest.raises(FailedError, match="A matrix product in float32 has a relative error of"):
        rt1_parts.arithmetic(CPU)
    monkeypatch.setattr(rt1_parts, "PROBABILITY_TOLERANCE", -1.0)
    with pytest.raises(FailedError, match="rt1-mini gives probabilities that differ"):
        rt1_parts.shipped_policy(CPU)


def test_images_that_the_device_makes_otherwise_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rt2_parts, "find_device_images", lambda *_: None)
    with pytest.raises(FailedError, match="paligemma: the device's result"):
        rt2_parts.device_images(CPU)


def test_weights_that_are_far_off_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rt2_parts, "LAYER_TOLERANCES", {"int4": 0.01})
    with pytest.raises(FailedError, match="A layer in int4 has an error of"):
        rt2_parts.quantized("int4", CPU)


@pytest.mark.slow
def test_two_processes_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the checkpoint loads" in training_parts.two_processes(CPU).sentence
    monkeypatch.setattr(training_parts, "PATIENCE", 0.1)
    with pytest.raises(FailedError, match="did not end within"):
        training_parts.two_processes(CPU)


def test_a_training_that_fails_says_why() -> None:
    with pytest.raises(FailedError, match=r"The training failed with status 2: .*no preset"):
        training_parts._finish(
            [sys.executable, "-m", "rt_vla_ros.cli", "train", "rt1", "--data", ".", "--out", "x", "--preset", "none"]
        )
