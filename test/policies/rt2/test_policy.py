"""A model of each family as a policy: legal actions, the tokens of transformers' own generate, answers."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.small_tokenizers import small_tokenizer
from support.vlms import random_image, rt2_card, save_vlm
from transformers import PreTrainedModel

from rt_vla_ros.observations.image import card_images
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.packed_linear import PackedLinear
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.rt2.configuration import PLAN_PROMPT, question_prompt
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import least_used
from rt_vla_ros.policies.rt2.decoding.constrained_decoding import prefix_allowed_tokens
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts, load_rt2
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.policies.rt2.tiny.small_models import FAMILIES

CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=FAMILIES)
def directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vlm(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def parts(directory: Path) -> RT2Parts:
    return load_rt2(resolve(directory), device=CPU)


@pytest.fixture(scope="module")
def stock(directory: Path) -> PreTrainedModel:
    """The model as transformers loads it, for `generate`; that of `parts` is packed by the policy."""
    return load_rt2(resolve(directory), device=CPU).model


def seen(seed: int) -> Observation:
    return Observation({"front": random_image(seed)}, float(seed))


def generated(policy: RT2Policy, observation: Observation, model: PreTrainedModel | None = None) -> tuple[int, ...]:
    """The same by transformers' own constrained greedy decoding."""
    assert policy._prompt is not None
    inputs = policy._to_device(policy._prompt.inputs(card_images(observation.images, policy.card.cameras)))
    length = inputs["input_ids"].shape[1]
    allowed = prefix_allowed_tokens(policy._grammar, length)
    output = (model or policy.parts.model).generate(  # type: ignore[operator]
        **inputs, max_new_tokens=policy._grammar.longest, do_sample=False, prefix_allowed_tokens_fn=allowed
    )
    return tuple(output[0, length:].tolist())


def test_tokens_are_those_of_generate_for_any_draft(parts: RT2Parts, stock: PreTrainedModel) -> None:
    policy = RT2Policy(parts, speculate=False)
    assert any(isinstance(module, PackedLinear) for module in parts.model.modules())
    assert not any(isinstance(module, PackedLinear) for module in stock.modules())
    policy.reset("pick up the red cube")
    vocabulary = policy._grammar.vocabulary  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    for seed in range(3):
        observation = seen(seed)
        expected = generated(policy, observation, stock)
        plain = policy.decode(observation)
        assert plain.tokens == expected[: len(plain.tokens)]
        bins = policy._grammar.decode(plain.tokens)
        other = (1 - bins[0], *rng.integers(0, 256, 7).tolist())
        drafts = {"accepted": bins, "rejected": other, "right, then wrong": bins[:4] + other[4:]}
        drafts["wrong, then right"] = other[:4] + bins[4:]
        passes = {}
        for name, draft in drafts.items():
            policy.previous = tuple(vocabulary.encode(draft))
            speculated = policy.decode(observation)
            assert speculated.tokens == plain.tokens, (name, seed)
            assert speculated.probabilities == pytest.approx(plain.probabilities, rel=1e-3)
            passes[name] = speculated.passes
        assert passes["accepted"] == 1
        assert passes["right, then wrong"] < plain.passes
        assert passes["wrong, then right"] <= plain.passes


def test_an_unchanged_action_costs_one_pass(parts: RT2Parts) -> None:
    policy = RT2Policy(parts)
    policy.reset("pick up the red cube")
    assert policy.decode(seen(1)).passes > 1
    assert policy.decode(seen(1)).passes == 1
    policy.reset("pick up the red cube")
    assert policy.decode(seen(1)).passes > 1  # a new request starts from nothing


def test_actions_depend_on_image_and_instruction(parts: RT2Parts) -> None:
    policy = RT2Policy(parts)
    assert isinstance(policy, Policy)
    actions: dict[tuple[str, int], tuple[int, ...]] = {}
    for instruction in ("pick up the red cube", "put it down"):
        policy.reset(instruction)
        for seed in range(3):
            action = policy.act(seen(seed))
            actions[instruction, seed] = action.tokens
            assert len(action.tokens) == 8
            assert 0 < action.confidence <= 1
            assert action.period == pytest.approx(1 / 3)
            assert action.plan == ""
            assert action.terminate == (action.tokens[0] == 1)
            assert action.steps[0].translation[0] == pytest.approx(-0.1 + action.tokens[1] / 255 * 0.2)
    assert len(set(actions.values())) > 1
    policy.reset("pick up the red cube")
    assert policy.act(seen(0)).tokens == actions["pick up the red cube", 0]


def test_confidence_is_the_mean_probability_of_the_numbers(parts: RT2Parts) -> None:
    policy = RT2Policy(parts)
    policy.reset("pick up the red cube")
    probabilities = policy.decode(seen(0)).probabilities
    policy.reset("pick up the red cube")
    expected = np.exp(np.log(probabilities).sum() / 8)
    assert policy.act(seen(0)).confidence == pytest.approx(expected)


def test_questions_are_answered_in_free_text(parts: RT2Parts) -> None:
    policy = RT2Policy(parts)
    answer = policy.ask(seen(0).images, "what do you see?", limit=12)
    inputs = policy._make_prompt(question_prompt(parts.config, "what do you see?")).inputs(
        list(seen(0).images.values())
    )
    length = inputs["input_ids"].shape[1]
    output = parts.model.generate(**inputs, max_new_tokens=12, do_sample=False)
    assert answer == parts.processor.tokenizer.decode(output[0, length:], skip_special_tokens=True).strip()


def test_an_answer_holds_no_image_token(tmp_path: Path) -> None:
    parts = load_rt2(resolve(save_vlm(tmp_path, "paligemma")), device=CPU)
    policy = RT2Policy(parts)
    free = policy.ask(seen(0).images, "what do you see?", limit=12)
    first = parts.processor.tokenizer.encode(free, add_special_tokens=False)[0]
    parts.model.config.video_token_id = first  # as if what it says first held the place of a film
    assert policy.ask(seen(0).images, "what do you see?", limit=12) == ""


def test_at_any_temperature_actions_are_legal_and_repeatable(parts: RT2Parts) -> None:
    runs = []
    for _ in range(2):
        policy = RT2Policy(parts, temperature=2.0, seed=3)
        policy.reset("pick up the red cube")
        runs.append([policy.act(seen(0)).tokens for _ in range(6)])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) > 1


def test_plan_then_action(parts: RT2Parts) -> None:
    planning = dataclasses.replace(parts.config, prompt=PLAN_PROMPT, plan_tokens=5)
    policy = RT2Policy(dataclasses.replace(parts, config=planning))
    policy.reset("I want the red cube.")
    assert policy._prompt is not None
    assert "Instruction: I want the red cube. Plan:" in policy._prompt.text
    expected = generated(policy, seen(0))
    first = policy.decode(seen(0))
    assert first.tokens == expected[: len(first.tokens)]
    again = policy.decode(seen(0))
    assert (again.tokens, again.passes) == (first.tokens, 1)
    action = policy.act(seen(0))
    assert action.plan != ""
    assert len(action.tokens) == 8


def test_two_cameras(tmp_path: Path, parts: RT2Parts) -> None:
    policy = RT2Policy(dataclasses.replace(parts, card=rt2_card("front", "wrist")))
    policy.reset("pick up the red cube")
    images = {"front": random_image(0), "wrist": random_image(1)}
    observation = Observation(images, 0.0)
    decoded = policy.decode(observation)
    assert decoded.tokens == generated(policy, observation)[: len(decoded.tokens)]
    with pytest.raises(ValueError, match="needs an image of the camera 'wrist'; given: front"):
        policy.act(seen(0))


def test_chat_template(parts: RT2Parts) -> None:
    policy = RT2Policy(dataclasses.replace(parts, config=dataclasses.replace(parts.config, chat=True)))
    policy.reset("pick up the red cube")
    assert policy._prompt is not None
    assert policy._prompt.text.endswith("A: assistant:")
    assert len(policy.act(seen(0)).tokens) == 8


def test_overwritten_tokens(tmp_path: Path) -> None:
    save_vlm(tmp_path, "paligemma")
    tokens = least_used({}, small_tokenizer("byte_fallback_unigram", special=["<image>"], words=520))
    save_vlm(tmp_path, "paligemma", vocabulary="overwritten", tokens=tokens)
    policy = RT2Policy(load_rt2(resolve(tmp_path), device=CPU))
    policy.reset("pick up the red cube")
    decoded = policy.decode(seen(0))
    assert len(decoded.tokens) == 8
    assert decoded.tokens == generated(policy, seen(0))[:8]


def test_actions_have_priority_over_answers(parts: RT2Parts) -> None:
    """While an answer is written, an action waits for one pass at most."""
    policy = RT2Policy(parts)
    policy.reset("pick up the red cube")
    alone = policy.act(seen(0)).tokens
    policy.reset("pick up the red cube")
    order: list[str] = []
    real: Any = parts.model.base_model.forward
    between = threading.Event()
    acted: list[tuple[int, ...]] = []

    def act() -> None:
        acted.append(policy.act(seen(0)).tokens)
        order.append("acted")

    def watched(*args: Any, **kwargs: Any) -> Any:
        order.append(threading.current_thread().name)
        if order.count("asking") == 2 and not between.is_set():
            between.set()
            control.start()
            wait_until_waiting(policy)
        return real(*args, **kwargs)

    control = threading.Thread(target=act, name="control")
    asking = threading.Thread(target=lambda: policy.ask(seen(1).images, "what?", limit=8), name="asking")
    parts.model.base_model.forward = watched
    try:
        asking.start()
        asking.join(60)
        control.join(60)
    finally:
        parts.model.base_model.forward = real
    assert acted == [alone]  # the answer's positions and cache do not run into the action's
    assert order.index("control") - order.index("asking") == 2  # two passes of the answer were under way before
    last_control = len(order) - 1 - order[::-1].index("control")
    assert "asking" not in order[order.index("control") : last_control]


def wait_until_waiting(policy: RT2Policy) -> None:
    with policy._lock._changed:
        pass
    deadline = threading.Event()
    for _ in range(12_000):
        if policy._lock._waiting_high:
            return
        deadline.wait(0.005)
    raise AssertionError("control did not come to the model within a minute")


def test_use_before_reset_and_bad_images_are_refused(parts: RT2Parts) -> None:
    policy = RT2Policy(parts)
    with pytest.raises(RuntimeError, match="has no instruction yet"):
        policy.act(seen(0))
    with pytest.raises(ValueError, match="The instruction is empty"):
        policy.reset("  ")
    with pytest.raises(ValueError, match="The question is empty"):
        policy.ask(seen(0).images, "")
    policy.reset("pick up the red cube")
    with pytest.raises(ValueError, match="is 50x40, the policy expects 96x96"):
        policy.act(Observation({"front": random_image(0, 40, 50)}, 0.0))


def test_prompt_longer_than_the_context_is_refused(parts: RT2Parts) -> None:
    policy = RT2Policy(parts)
    with pytest.raises(ValueError, match=r"instruction is too long: .* take \d+ tokens.*context has 2048"):
        policy.reset("word " * 3000)
    with pytest.raises(ValueError, match="The question is too long"):
        policy.ask(seen(0).images, "word " * 3000)
