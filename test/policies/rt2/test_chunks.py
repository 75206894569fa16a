"""Several steps at once from one model: the tokens of `generate`, shifted drafts, first steps before the rest."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from support.vlms import random_image, rt2_card, save_vlm

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.image import card_images
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.policy import StreamingPolicy
from rt_vla_ros.policies.rt2.configuration import PLAN_PROMPT
from rt_vla_ros.policies.rt2.decoding.action_grammar import ActionGrammar
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import VocabularyError
from rt_vla_ros.policies.rt2.decoding.constrained_decoding import prefix_allowed_tokens
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts, load_rt2
from rt_vla_ros.policies.rt2.policy import RT2Policy

CPU = torch.device("cpu")
HORIZON, DIMENSIONS = 3, 7
BINS = {"qwen2_5_vl": 1001, "smolvlm": 512, "paligemma": 256}


@pytest.fixture(scope="module", params=BINS)
def parts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RT2Parts:
    """VLA-0's numbers, without a space before the first; VLA-0-Smol's, with one; the paper's."""
    family = request.param
    card = rt2_card(bins=BINS[family])
    card = dataclasses.replace(card, dimensions=card.dimensions[1:], horizon=HORIZON)
    directory: Path = tmp_path_factory.mktemp(family)
    save_vlm(directory, family, card=card, leading_space=family != "qwen2_5_vl")
    return load_rt2(resolve(directory), device=CPU)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> RT2Parts:
    card = dataclasses.replace(rt2_card(), horizon=HORIZON)
    directory = save_vlm(tmp_path_factory.mktemp("qwen"), "qwen2_vl", card=card)
    return load_rt2(resolve(directory), device=CPU)


def policy_of(parts: RT2Parts, *, later_guess: int | None = 8, speculate: bool = False) -> RT2Policy:
    """later_guess: how much is guessed behind the prompt's pass: 8 on a CPU, as much as there is on a GPU."""
    policy = RT2Policy(parts, speculate=speculate, pack=False)
    policy._engine._later_guess = later_guess
    policy.reset("pick up the red cube")
    return policy


def seen(seed: int, stamp: float = 0.0) -> Observation:
    return Observation({"front": random_image(seed)}, stamp)


def generated(policy: RT2Policy, observation: Observation) -> tuple[int, ...]:
    assert policy._prompt is not None
    inputs = policy._to_device(policy._prompt.inputs(card_images(observation.images, policy.card.cameras)))
    length = inputs["input_ids"].shape[1]
    output = policy.parts.model.generate(  # type: ignore[operator]
        **inputs,
        max_new_tokens=policy._grammar.longest,
        do_sample=False,
        prefix_allowed_tokens_fn=prefix_allowed_tokens(policy._grammar, length),
    )
    return tuple(output[0, length:].tolist())


def same(one: ActionChunk, other: ActionChunk) -> None:
    assert one.tokens == other.tokens
    assert [step.gripper for step in one.steps] == [step.gripper for step in other.steps]
    for a, b in zip(one.steps, other.steps, strict=True):
        np.testing.assert_array_equal([a.translation, a.rotation], [b.translation, b.rotation])
    assert one.confidence == pytest.approx(other.confidence, rel=1e-3)
    assert one.legal_probability == pytest.approx(other.legal_probability, rel=1e-3)


@pytest.mark.parametrize("later_guess", [8, None], ids=["few rows", "many rows"])
def test_tokens_are_those_of_generate_for_any_draft(parts: RT2Parts, later_guess: int | None) -> None:
    policy, rng = policy_of(parts, later_guess=later_guess), np.random.default_rng(0)
    grammar, bins = policy._grammar, BINS[parts.model.config.model_type]
    assert isinstance(grammar, ActionGrammar)
    plain = policy.decode(seen(0))
    assert plain.tokens == generated(policy, seen(0))[: len(plain.tokens)]
    right = grammar.decode(plain.tokens)
    assert len(right) == HORIZON * DIMENSIONS
    wrong = tuple(rng.integers(0, bins, len(right)).tolist())
    mixed = tuple(a if rng.random() < 0.5 else b for a, b in zip(right, wrong, strict=True))
    passes = {}
    for name, draft in {"right": right, "mixed": mixed, "half": right[:10] + wrong[10:]}.items():
        policy.previous = tuple(grammar.vocabulary.encode(draft))
        found = policy.decode(seen(0))
        assert found.tokens == plain.tokens, name
        assert found.log_legal == pytest.approx(plain.log_legal, rel=1e-3)
        passes[name] = found.passes
    assert passes["right"] == 1
    assert passes["half"] < plain.passes


def test_forced_tokens_cost_no_pass(qwen: RT2Parts) -> None:
    """With digits one by one: every pass writes a digit, or the space where a number could go on."""
    decoded = policy_of(qwen).decode(seen(0))
    text = qwen.processor.tokenizer.decode(list(decoded.tokens), skip_special_tokens=True)
    forced = sum(int(number) > 25 for number in text.split()[:-1])  # a third digit would be beyond 255, or is there
    assert decoded.passes < len(decoded.tokens) - forced // 2


@pytest.mark.parametrize(("steps", "shift"), [(0.0, 0), (1.0, 1), (2.2, 2), (50.0, 2), (-1.0, 0)])
def test_the_previous_chunk_is_shifted_by_the_executed_steps(qwen: RT2Parts, steps: float, shift: int) -> None:
    policy = policy_of(qwen, speculate=True)
    first = policy.act(seen(0, 10.0))
    drafts = list[tuple[int, ...]]()
    decode = policy._engine.decode
    policy._engine.decode = lambda *a, **k: drafts.append(k["previous"]) or decode(*a, **k)  # type: ignore[method-assign]
    second = policy.act(seen(1, 10.0 + steps * policy.card.period))
    expected = [*first.tokens[shift * 8 :], *first.tokens[-8:] * shift]
    assert list(policy._grammar.decode(drafts[0])) == expected
    assert second.tokens == policy_of(qwen).act(seen(1)).tokens


def test_the_same_image_again_costs_one_pass(qwen: RT2Parts) -> None:
    policy = policy_of(qwen, speculate=True)
    once = policy.act(seen(0, 5.0))
    again = policy.decode(seen(0, 5.0))
    assert again.passes == 1
    same(policy.act(seen(0, 5.0)), once)


@pytest.mark.parametrize("later_guess", [8, None], ids=["few rows", "many rows"])
def test_the_first_step_is_there_before_the_rest(parts: RT2Parts, later_guess: int | None) -> None:
    policy = policy_of(parts, later_guess=later_guess)
    assert isinstance(policy, StreamingPolicy)
    whole = policy.act(seen(0))
    chunks = list(policy.act_streaming(seen(0)))
    assert [len(chunk.steps) for chunk in chunks] == [1, HORIZON]
    same(chunks[1], whole)
    first = chunks[0]
    same(
        first,
        dataclasses.replace(
            whole,
            steps=whole.steps[:1],
            tokens=whole.tokens[:DIMENSIONS],
            confidence=first.confidence,
            legal_probability=first.legal_probability,
        ),
    )
    outputs = list(policy.outputs(seen(0), early=DIMENSIONS))
    assert [output.numbers for output in outputs] == [DIMENSIONS, HORIZON * DIMENSIONS]
    assert outputs[0].passes < outputs[1].passes / 2
    assert outputs[1].tokens[: len(outputs[0].tokens)] == outputs[0].tokens
    log_legal = [output.log_legal for output in outputs]
    assert log_legal[1] < log_legal[0] < 0
    assert log_legal[1] == pytest.approx(policy.decode(seen(0)).log_legal, rel=1e-3)


def test_a_right_draft_is_yielded_once(parts: RT2Parts) -> None:
    policy = policy_of(parts, speculate=True)
    whole = policy.act(seen(0))
    assert [len(chunk.steps) for chunk in policy.act_streaming(seen(0))] == [HORIZON]
    tokens = policy._grammar.vocabulary.encode((*whole.tokens[: 2 * DIMENSIONS], *(0,) * DIMENSIONS))  # type: ignore[union-attr]
    policy.previous = tuple(tokens)
    assert [len(chunk.steps) for chunk in policy.act_streaming(seen(0))] == [2, HORIZON]


def test_confidence_and_legal_probability_are_those_of_a_step(parts: RT2Parts) -> None:
    policy = policy_of(parts)
    decoded, chunk = policy.decode(seen(0)), policy.act(seen(0))
    logs = np.log(decoded.probabilities).sum()
    assert chunk.confidence == pytest.approx(np.exp(logs / (HORIZON * DIMENSIONS)))
    assert chunk.legal_probability == pytest.approx(np.exp(decoded.log_legal / HORIZON))
    assert 0 < chunk.legal_probability < 1e-3  # random weights


def test_an_abandoned_streamed_chunk_has_no_effect(qwen: RT2Parts) -> None:
    policy = policy_of(qwen, speculate=True)
    expected = [policy_of(qwen).act(seen(seed)) for seed in range(2)]
    left = policy.act_streaming(seen(0, 1.0))
    assert len(next(left).steps) == 1
    same(policy.act(seen(1, 2.0)), expected[1])
    assert list(left) == []
    left = policy.act_streaming(seen(0, 3.0))
    next(left)
    policy.reset("pick up the red cube")
    assert list(left) == []
    same(policy.act(seen(0, 3.0)), expected[0])


def test_a_question_is_answered_while_the_first_step_is_processed(qwen: RT2Parts) -> None:
    policy = policy_of(qwen)
    whole, answer = policy.act(seen(0)), policy.ask(seen(1).images, "what?", limit=4)
    chunks = policy.act_streaming(seen(0))
    assert len(next(chunks).steps) == 1
    assert policy.ask(seen(1).images, "what?", limit=4) == answer
    same(next(chunks), whole)


def test_passes_of_fixed_shapes_give_the_same(parts: RT2Parts) -> None:
    plain, fixed = RT2Policy(parts, pack=False), RT2Policy(parts, pack=False, fixed_shapes=True)
    for policy in (plain, fixed):
        policy.reset("pick up the red cube")
        policy._engine._later_guess = None
    assert fixed.recorded_prompt_lengths == 2
    for number, seed in enumerate((0, 0, 1)):
        observation = seen(seed, number * plain.card.period)
        for one, other in zip(plain.act_streaming(observation), fixed.act_streaming(observation), strict=True):
            same(one, other)


def test_a_plan_and_then_a_chunk(qwen: RT2Parts) -> None:
    planning = dataclasses.replace(qwen.config, prompt=PLAN_PROMPT, plan_tokens=5)
    policy = policy_of(dataclasses.replace(qwen, config=planning), speculate=True)
    expected = generated(policy, seen(0))
    found = policy.decode(seen(0))
    assert found.tokens == expected[: len(found.tokens)]
    assert policy.decode(seen(0)).passes == 1
    first, whole = policy_of(policy.parts).act_streaming(seen(0, 1.0))
    assert first.plan == whole.plan != ""
    assert [len(first.steps), len(whole.steps)] == [1, HORIZON]
    moved = policy.decode(seen(1, policy.card.period))
    assert moved.tokens == generated(policy, seen(1))[: len(moved.tokens)]


def test_a_horizon_beyond_the_context_is_refused(qwen: RT2Parts) -> None:
    long = dataclasses.replace(qwen, card=dataclasses.replace(qwen.card, horizon=100))
    with pytest.raises(
        VocabularyError,
        match=r"card's 100 steps of 8 numbers take up to \d+ tokens; .* context has 2048. Give the card the horizon",
    ):
        RT2Policy(long, pack=False)


@pytest.mark.parametrize("stamp", [float("nan"), float("inf")])
def test_an_invalid_stamp_is_refused(qwen: RT2Parts, stamp: float) -> None:
    policy = policy_of(qwen)
    with pytest.raises(ValueError, match=r"stamp is (nan|inf), expected a time in seconds"):
        policy.act(seen(0, stamp))


def test_a_reset_waits_for_the_pass_of_another_thread(qwen: RT2Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    policy, running, go = policy_of(qwen), threading.Event(), threading.Event()
    errors: list[Exception] = []

    def decode(*_: object, **__: object) -> Iterator[object]:
        running.set()
        go.wait(10)
        yield from ()

    def reset() -> None:
        try:
            policy.reset("pick up the red cube")
        except Exception as error:
            errors.append(error)

    monkeypatch.setattr(policy._engine, "decode", decode)
    threads = [threading.Thread(target=lambda: list(policy.outputs(seen(0)))), threading.Thread(target=reset)]
    threads[0].start()
    assert running.wait(10)
    threads[1].start()
    while threads[1].is_alive() and not policy._lock._waiting_high:
        threads[1].join(0.001)
    go.set()
    for thread in threads:
        thread.join(10)
    assert not errors
