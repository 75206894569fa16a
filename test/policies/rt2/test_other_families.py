"""Families beyond those that RT-2 was made with: what transformers has natively needs nothing of its own here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.other_vlms import NAMES, save_other
from support.vlms import random_image

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.decoding.constrained_decoding import prefix_allowed_tokens
from rt_vla_ros.policies.rt2.decoding.session import DecodingSession
from rt_vla_ros.policies.rt2.policy import RT2Policy


def write_as_generate_does(directory: Path, instruction: str) -> RT2Policy:
    policy = load_policy(str(directory), device="cpu")
    assert isinstance(policy, RT2Policy)
    policy.reset(instruction)
    assert policy._prompt is not None
    for seed in range(3):  # without a draft, and with one that is right or wrong
        images = {"front": random_image(seed // 2)}
        decoded = policy.decode(Observation(images, 0.0))
        inputs = policy._to_device(policy._prompt.inputs(list(images.values())))
        length = inputs["input_ids"].shape[1]
        output = policy.parts.model.generate(
            **inputs,
            max_new_tokens=policy._grammar.longest,
            do_sample=False,
            prefix_allowed_tokens_fn=prefix_allowed_tokens(policy._grammar, length),
        )
        assert decoded.tokens == tuple(output[0, length:].tolist())[: len(decoded.tokens)]
    return policy


@pytest.mark.parametrize("family", NAMES)
def test_the_same_tokens_as_generate_and_answers(family: str, tmp_path: Path) -> None:
    policy = write_as_generate_does(save_other(tmp_path, family), "pick up the red cube")
    assert isinstance(policy.ask({"front": random_image(0)}, "what do you see?", limit=3), str)


def test_a_draft_longer_than_the_text_is_not_read_as_part_of_the_image(tmp_path: Path) -> None:
    save_other(tmp_path, "gemma3")
    RT2Config("integers", prompt="{instruction}").save(tmp_path)
    policy = write_as_generate_does(tmp_path, "go")
    assert policy._prompt is not None
    inputs, guess = policy._prompt.inputs([random_image(0)]), [*range(100, 130)]
    assert inputs["token_type_ids"][0, -len(guess) :].any()
    at_once, stepwise = (DecodingSession(policy.parts.model, inputs) for _ in range(2))
    rows = [stepwise.prompt((), logits=True)]
    for token in guess:
        stepwise.forget(0)
        rows.append(stepwise.more([token], logits=True))
    torch.testing.assert_close(at_once.prompt(guess, logits=True), torch.cat(rows), atol=1e-4, rtol=0)


def test_a_recurrent_state_is_not_rolled_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    policy = write_as_generate_does(save_other(tmp_path, "qwen3_5"), "go")
    images = {"front": random_image(0)}
    assert policy.decode(Observation(images, 0.0)).passes == len(policy.decode(Observation(images, 0.0)).tokens)
    assert "continues without speculation and fixed shapes: this model cannot roll back its cache" in caplog.text


def test_a_llava_without_a_patch_size_gets_it_from_the_model(tmp_path: Path) -> None:
    save_other(tmp_path, "llava")
    (tmp_path / "processor_config.json").write_text('{"processor_class": "LlavaProcessor"}')
    write_as_generate_does(tmp_path, "pick up the red cube")
