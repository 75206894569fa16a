"""How likely a model, left free, is to write an action: against its own softmax over all tokens."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from support.certain_vlm import say
from support.other_vlms import save_other
from support.vlms import random_image, save_openvla, save_vlm

from rt_vla_ros.action_space.decoder import DecodingError
from rt_vla_ros.observations.image import card_images
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.rt2.checkpoint import open_policy
from rt_vla_ros.policies.rt2.configuration import PLAN_PROMPT
from rt_vla_ros.policies.rt2.decoding import engine
from rt_vla_ros.policies.rt2.decoding.engine import Decoded
from rt_vla_ros.policies.rt2.decoding.session import DecodingSession
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts
from rt_vla_ros.policies.rt2.policy import RT2Policy

CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=["paligemma", "qwen2_vl", "openvla"])
def parts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RT2Parts:
    directory: Path = tmp_path_factory.mktemp(request.param)
    saved = save_openvla(directory) if request.param == "openvla" else save_vlm(directory, request.param)
    return open_policy(resolve(saved), device=CPU).parts


def seen(parts: RT2Parts, seed: int) -> Observation:
    camera = parts.card.cameras[0]
    return Observation({camera.name: random_image(seed, camera.height, camera.width)}, 0.0)


@torch.inference_mode()
def by_hand(policy: RT2Policy, observation: Observation, decoded: Decoded) -> float:
    """The product over the action's tokens, from the model's own logits, one token a pass."""
    assert policy._prompt is not None
    session = DecodingSession(
        policy.parts.model,
        policy._to_device(policy._prompt.inputs(card_images(observation.images, policy.card.cameras))),
    )
    grammar, tokens, masses = policy._grammar, decoded.tokens, []
    state, row = grammar.start, session.prompt((), logits=True)
    for token in tokens:
        legal = torch.from_numpy(grammar.columns[grammar.mask(state)])
        masses.append(float(row[-1].double().softmax(-1)[legal].sum()))
        state = grammar.advance(state, token)
        session.forget(0)
        row = session.more([token], logits=True)
    return math.prod(masses[-grammar.action_length(tokens) :])


def test_it_is_the_probability_of_all_legal_tokens_over_the_action(
    parts: RT2Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CPU_HEAD_ROWS", 100)  # so that a small head has several parts
    plain, fixed = RT2Policy(parts, pack=False), RT2Policy(parts, pack=False, fixed_shapes=True)
    for policy in (plain, fixed):
        policy.reset("pick up the red cube")
        for seed, sliced in ((0, True), (0, True), (1, True), (2, False)):  # without a guess, with a right, a wrong one
            policy._engine._sliced = sliced
            decoded = policy.decode(seen(parts, seed))
            assert decoded.legal_probability == pytest.approx(by_hand(policy, seen(parts, seed), decoded), rel=1e-3)
            assert 0 < decoded.legal_probability < 1e-6  # random weights
    again = plain.act(seen(parts, 0))
    assert again.legal_probability == pytest.approx(plain.decode(seen(parts, 0)).legal_probability, rel=1e-3)


def test_a_plan_is_not_counted(parts: RT2Parts) -> None:
    config = dataclasses.replace(parts.config, prompt=PLAN_PROMPT, plan_tokens=5)
    policy = RT2Policy(dataclasses.replace(parts, config=config), pack=False)
    policy.reset("pick up the red cube")
    decoded = policy.decode(seen(parts, 0))
    assert decoded.legal_probability == pytest.approx(by_hand(policy, seen(parts, 0), decoded), rel=1e-3)


def test_it_is_tiny_after_a_wrong_prompt_even_for_a_confident_action(tmp_path: Path) -> None:
    parts = open_policy(resolve(save_other(tmp_path, "gemma3")), device=CPU).parts
    tokenizer = parts.processor.tokenizer
    numbers = [tokenizer.convert_tokens_to_ids(f"▁{number}") for number in (0, 3, 6, 9, 15, 18, 21, 12)]
    say(parts, [*numbers, tokenizer.eos_token_id])
    actions = {}
    for prompt in (parts.config.prompt, "{instruction} please"):
        policy = RT2Policy(dataclasses.replace(parts, config=dataclasses.replace(parts.config, prompt=prompt)))
        policy.reset("pick up the red cube")
        actions[prompt] = policy.act(seen(parts, 0))
    right, wrong = actions.values()
    assert right.tokens == (0, 3, 6, 9, 15, 18, 21, 12)
    assert right.confidence > 0.9
    assert right.legal_probability > 0.99
    assert wrong.confidence > 0.5
    assert 0 < wrong.legal_probability < 0.01


def test_damaged_weights_raise_an_error(tmp_path: Path) -> None:
    policy = RT2Policy(open_policy(resolve(save_vlm(tmp_path, "qwen2_vl")), device=CPU).parts)
    policy.reset("pick up the red cube")
    policy._engine._head.weight.data.fill_(torch.nan)
    policy._engine._kept.clear()
    with pytest.raises(DecodingError, match="output is not finite; its weights or its input are damaged"):
        policy.act(seen(policy.parts, 0))
