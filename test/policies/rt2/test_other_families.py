"""Families beyond those that RT-2 was made with: what transformers has natively needs nothing of its own here."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.other_vlms import NAMES, save_other
from support.vlms import random_image

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt2.decoding.constrained_decoding import prefix_allowed_tokens
from rt_vla_ros.policies.rt2.policy import RT2Policy


@pytest.mark.parametrize("family", NAMES)
def test_the_same_tokens_as_generate_and_answers(family: str, tmp_path: Path) -> None:
    policy = load_policy(str(save_other(tmp_path, family)), device="cpu")
    assert isinstance(policy, RT2Policy)
    policy.reset("pick up the red cube")
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
    assert isinstance(policy.ask(images, "what do you see?", limit=3), str)
