"""Passes of fixed shapes over a preallocated cache: the same code that a GPU records, run without recording."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from support.other_vlms import NAMES, save_other
from support.vlms import random_image, save_openvla, save_vlm
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from rt_vla_ros.observations.image import card_images
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.recorded_call import RUNS_BEFORE, RecordedCall
from rt_vla_ros.policies.rt2.checkpoint import open_policy
from rt_vla_ros.policies.rt2.configuration import PLAN_PROMPT, question_prompt
from rt_vla_ros.policies.rt2.decoding import fixed_shapes
from rt_vla_ros.policies.rt2.decoding.action_grammar import ActionGrammar
from rt_vla_ros.policies.rt2.decoding.engine import CPU_GUESS
from rt_vla_ros.policies.rt2.decoding.fixed_shapes import BUCKET, FixedSession, FixedShapes, bucket
from rt_vla_ros.policies.rt2.decoding.session import DecodingSession
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts, load_rt2
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.policies.rt2.tiny.small_models import FAMILIES

CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=[*FAMILIES, "openvla"])
def parts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RT2Parts:
    directory: Path = tmp_path_factory.mktemp(request.param)
    saved = save_openvla(directory) if request.param == "openvla" else save_vlm(directory, request.param)
    return open_policy(resolve(saved), device=CPU).parts


def seen(parts: RT2Parts, seed: int) -> Observation:
    camera = parts.card.cameras[0]
    return Observation({camera.name: random_image(seed, camera.height, camera.width)}, 0.0)


def prompt(policy: RT2Policy, seed: int) -> Mapping[str, Tensor]:
    policy.reset("pick up the red cube")
    assert policy._prompt is not None
    return policy._to_device(policy._prompt.inputs(card_images(seen(policy.parts, seed).images, policy.card.cameras)))


@torch.inference_mode()
def test_hidden_states_equal_those_with_a_growing_cache(parts: RT2Parts) -> None:
    policy = RT2Policy(parts)
    model, longest = parts.model, policy._grammar.longest
    columns = policy._grammar.columns.tolist()
    shapes = FixedShapes(model, policy_tokens(policy), longest, record=False)
    for seed in range(2):
        inputs = prompt(policy, seed)
        for guess, forgotten in (((), 0), (columns[:1], 0), (columns[:5], 3), (columns[:5], 5)):
            growing, fixed = DecodingSession(model, inputs), FixedSession(model, inputs, shapes)
            rows = [session.prompt(guess, logits=False) for session in (growing, fixed)]
            torch.testing.assert_close(rows[1], rows[0], rtol=1e-4, atol=1e-4)
            for tokens in (columns[7:8], columns[3:9], columns[2:4]):
                for session in (growing, fixed):
                    session.forget(forgotten)
                rows = [session.more(tokens, logits=False) for session in (growing, fixed)]
                assert rows[1].shape == rows[0].shape
                torch.testing.assert_close(rows[1], rows[0], rtol=1e-4, atol=1e-4)
                forgotten = len(tokens) - 1
    assert len(shapes._calls) == 2  # a prompt and what follows: a GPU records two graphs, whatever was guessed


def policy_tokens(policy: RT2Policy) -> int:
    return int(prompt(policy, 0)["input_ids"].shape[1])


class NothingForTheHost(TorchDispatchMode):
    """Refuses what a CUDA graph cannot record: values read on the host, tensors made of Python's numbers."""

    HOST = ("_local_scalar_dense", "nonzero", "masked_select", "lift_fresh", "equal", "_unique2")

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.removeprefix("aten::")
        assert name not in self.HOST, name
        self.seen += 1
        return func(*args, **(kwargs or {}))


def test_recorded_passes_do_not_read_values_on_the_host(parts: RT2Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    real, modes = FixedShapes._hidden, []

    def watched(self: FixedShapes, **tensors: Tensor) -> Tensor:
        with NothingForTheHost() as mode:
            found = real(self, **tensors)
        modes.append(mode.seen)
        return found

    monkeypatch.setattr(FixedShapes, "_hidden", watched)
    policy = RT2Policy(parts, fixed_shapes=True)
    policy.reset("pick up the red cube")
    assert len(modes) == 8  # a prompt and what follows, of two images, for two lengths
    policy.decode(seen(parts, 0))
    assert len(modes) > 8
    assert min(modes) > 10
    assert len(set(modes[8:])) <= 2  # the same operations each time, of a prompt and of what follows
    with pytest.raises(AssertionError, match="_local_scalar_dense"), NothingForTheHost():
        bool(torch.ones(1).sum() == 1)


def test_tokens_are_the_same_for_any_draft(parts: RT2Parts) -> None:
    plain, fixed = RT2Policy(parts, speculate=False), RT2Policy(parts, speculate=False, fixed_shapes=True)
    for policy in (plain, fixed):
        policy.reset("pick up the red cube")
    assert (plain.recorded_prompt_lengths, fixed.recorded_prompt_lengths) == (0, 2)
    grammar = plain._grammar
    assert isinstance(grammar, ActionGrammar)
    for seed in range(3):
        for policy in (plain, fixed):
            policy._engine._later_guess = (CPU_GUESS, None, 2)[seed]  # a GPU has None
        expected = plain.decode(seen(parts, seed))
        bins = grammar.decode(expected.tokens)
        other = [(number + count // 2) % count for number, count in zip(bins, grammar.counts, strict=True)]
        for draft in ((), bins, other, (*bins[:4], *other[4:]), (*other[:4], *bins[4:])):
            for policy in (plain, fixed):
                policy.previous = tuple(grammar.vocabulary.encode(draft)) if draft else ()
            growing, found = plain.decode(seen(parts, seed)), fixed.decode(seen(parts, seed))
            assert (found.tokens, found.passes) == (growing.tokens, growing.passes)
            assert found.probabilities == pytest.approx(growing.probabilities, rel=1e-3)


class RunsBefore(RecordedCall):
    """What a recording does to what it records, on a CPU: it runs it before the first call."""

    def __init__(self, function: Callable[..., Tensor], inputs: Mapping[str, Tensor], *, record: bool) -> None:
        super().__init__(function, inputs, record=False)
        for _ in range(RUNS_BEFORE):
            function(**self._buffers)


def test_a_pass_starts_at_the_right_length_after_recording(parts: RT2Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = RT2Policy(parts, speculate=False)
    monkeypatch.setattr(fixed_shapes, "RecordedCall", RunsBefore)
    recorded = RT2Policy(parts, speculate=False, fixed_shapes=True)
    for policy in (plain, recorded):
        policy.reset("pick up the red cube")
    assert recorded.recorded_prompt_lengths == 2
    for seed in range(2):
        assert recorded.decode(seen(parts, seed)).tokens == plain.decode(seen(parts, seed)).tokens


def test_whole_output_heads_give_the_same(parts: RT2Parts) -> None:
    """Where some rows of the head would not give the model's own logits."""
    plain, fixed = RT2Policy(parts), RT2Policy(parts, fixed_shapes=True)
    for policy in (plain, fixed):
        policy.reset("pick up the red cube")
        policy._engine._sliced = False
    for seed in range(2):
        expected, found = plain.decode(seen(parts, seed)), fixed.decode(seen(parts, seed))
        assert (found.tokens, found.passes) == (expected.tokens, expected.passes)


def test_sampling_and_questions_are_the_same(parts: RT2Parts) -> None:
    plain = RT2Policy(parts, temperature=2.0, seed=3)
    fixed = RT2Policy(parts, temperature=2.0, seed=3, fixed_shapes=True)
    for policy in (plain, fixed):
        policy.reset("pick up the red cube")
    for seed in range(3):
        assert fixed.decode(seen(parts, seed)).tokens == plain.decode(seen(parts, seed)).tokens
        images = seen(parts, seed).images
        assert fixed.ask(images, "what is it?", limit=6) == plain.ask(images, "what is it?", limit=6)


def test_one_recording_serves_all_prompts_of_a_bucket(parts: RT2Parts) -> None:
    policy = RT2Policy(parts, fixed_shapes=True)
    plain = RT2Policy(parts)
    lengths = set()
    for words in (1, 2, 3, 60, 61):
        for each in (policy, plain):
            each.reset("go " * words)
        lengths.add(bucket(policy.prompt_tokens, policy._grammar.longest))
        assert policy.decode(seen(parts, 0)).tokens == plain.decode(seen(parts, 0)).tokens
    assert 2 <= len(lengths) <= policy.recorded_prompt_lengths <= 3
    assert all(length % BUCKET == 0 for length in lengths)


def test_after_the_warm_up_nothing_is_recorded(parts: RT2Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an action nor a new instruction of usual length makes a robot wait."""
    policy = RT2Policy(parts, fixed_shapes=True)
    policy.reset("warm up")
    assert [len(shapes._calls) for shapes in policy._engine._shapes.values()] == [2, 2]
    monkeypatch.setattr(fixed_shapes, "RecordedCall", _not_now)
    for words in (2, 12, 25):
        policy.reset("go " * words)
        for seed in range(2):
            policy.decode(seen(parts, seed))


def _not_now(*_: object, **__: object) -> None:
    raise AssertionError("recorded while a robot waits")


def test_a_plan_longer_than_the_longest_draft(parts: RT2Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixed_shapes, "LONGEST_FIRST_GUESS", 9)
    monkeypatch.setattr(fixed_shapes, "LONGEST_GUESS", 9)
    monkeypatch.setattr(FixedSession, "longest_first_guess", 9)
    monkeypatch.setattr(FixedSession, "longest_guess", 9)
    planning = dataclasses.replace(parts, config=dataclasses.replace(parts.config, prompt=PLAN_PROMPT, plan_tokens=8))
    plain, fixed = RT2Policy(planning), RT2Policy(planning, fixed_shapes=True)
    for policy in (plain, fixed):
        policy.reset("pick up the red cube")
    for _ in range(2):
        expected, found = plain.decode(seen(parts, 0)), fixed.decode(seen(parts, 0))
        assert found.tokens == expected.tokens
    assert fixed.recorded_prompt_lengths == 2
    assert expected.passes == 1 < found.passes


def test_passes_that_differ_from_the_model_are_not_used(
    parts: RT2Parts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = RT2Policy(parts)
    expected.reset("pick up the red cube")
    monkeypatch.setattr(
        FixedShapes, "_causal", lambda self, rows: torch.ones(1, 1, rows, self.cache_length, dtype=torch.bool)
    )
    monkeypatch.setattr(FixedSession, "_filled", lambda self, tokens, length: [*tokens, *[5] * (length - len(tokens))])
    monkeypatch.setattr(FixedShapes, "set_length", lambda self, tokens: self._lengths.fill_(tokens + (tokens > 0)))
    policy = RT2Policy(parts, fixed_shapes=True)
    with caplog.at_level(logging.WARNING):
        policy.reset("pick up the red cube")
    assert "continues without fixed shapes: they differ from the model's own by" in caplog.text
    assert policy.recorded_prompt_lengths == 0
    assert policy.decode(seen(parts, 0)).tokens == expected.decode(seen(parts, 0)).tokens


DECLINED = {
    "gemma3": "it has a sliding window",
    "idefics2": "it has a sliding window",
    "qwen3_vl": "unknown inputs: visual_pos_masks",
    "qwen3_5": "without speculation and fixed shapes: this model cannot roll back its cache",
}


@pytest.mark.parametrize("family", NAMES)
def test_other_families_are_recorded_or_the_reason_is_logged(
    family: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened: Any = open_policy(resolve(save_other(tmp_path, family)), device=CPU)
    plain, fixed = RT2Policy(opened.parts), RT2Policy(opened.parts, fixed_shapes=True, device_images=True)
    with caplog.at_level(logging.WARNING):
        for policy in (plain, fixed):
            policy.reset("pick up the red cube")
    assert fixed.recorded_prompt_lengths == (0 if family in DECLINED else 2)
    assert DECLINED.get(family, "") in caplog.text
    for seed in range(3):  # without a draft, and with one that is right or wrong
        images = seen(opened.parts, seed // 2)
        assert fixed.decode(images).tokens == plain.decode(images).tokens


@pytest.mark.parametrize("what", ["sliding", "eager", "nameless"])
def test_models_without_support_run_as_before(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    parts = load_rt2(resolve(save_vlm(tmp_path, "paligemma")), device=CPU)
    text = parts.model.config.get_text_config()
    message = "it has a sliding window"
    if what == "sliding":
        text.sliding_window, text.layer_types = 16, ["sliding_attention"] * text.num_hidden_layers
    elif what == "eager":
        monkeypatch.setattr(text, "_attn_implementation_internal", "eager")
        message = "is not torch's scaled_dot_product_attention"
    else:
        monkeypatch.setattr(fixed_shapes, "language_model", _not_found)
        message = "its language model is not found"
    policy = RT2Policy(parts, fixed_shapes=True)
    with caplog.at_level(logging.WARNING):
        policy._engine.record(policy_inputs(policy), policy._grammar)
    assert message in caplog.text
    assert policy.recorded_prompt_lengths == 0


def _not_found(_model: object) -> None:
    raise fixed_shapes.FixedShapesError("its language model is not found")


def policy_inputs(policy: RT2Policy) -> dict[str, Tensor]:
    return policy._to_device(
        policy._make_prompt(question_prompt(policy.parts.config, "what?")).inputs([random_image(0)])
    )
