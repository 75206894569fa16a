"""Robots that share an RT-2 get the tokens that each of them would get alone, whatever the others were told."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from support.other_vlms import NAMES, save_other
from support.vlms import random_image, save_openvla, save_vlm

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.rt2.checkpoint import open_policy
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.policies.rt2.shared import SharedRT2
from rt_vla_ros.policies.rt2.tiny.small_models import FAMILIES
from rt_vla_ros.policies.shared import OneByOne, SharedPolicy, share_policy

SENTENCES = ("pick up the red cube", "stop", "put the green ball into the bowl on the left side of the table")
ALONE = {
    "gemma3": "it has a sliding window",
    "idefics2": "it has a sliding window",
    "qwen3_5": "is no attention",
    "qwen3_vl": "deepstack_visual_embeds",
}
"""Families that cannot be batched here, and why."""


def policy_of(family: str, directory: Path) -> RT2Policy:
    if family == "openvla":
        saved = save_openvla(directory)
    else:
        saved = save_vlm(directory, family) if family in FAMILIES else save_other(directory, family)
    return open_policy(resolve(saved), device=torch.device("cpu"))


def seen(policy: SharedPolicy, seed: int, stamp: float) -> Observation:
    return Observation({c.name: random_image(seed, c.height, c.width) for c in policy.card.cameras}, stamp)


def compare(policy: RT2Policy, *, steps: int = 4, robots: int = 4) -> int:
    """Random batches beside sessions of the same model alone; returns how many actions were compared."""
    shared, rng, compared = share_policy(policy), np.random.default_rng(0), 0
    alone = OneByOne(policy, policy.another)
    assert isinstance(shared, SharedRT2)
    pairs: list[tuple[Policy, Policy]] = [(alone.session(), shared.session()) for _ in range(robots)]
    for step in range(steps):
        for number, pair in enumerate(pairs):
            if step == 0 or rng.random() < 0.2:
                sentence = SENTENCES[number % 3 if step == 0 else int(rng.integers(3))]
                for session in pair:
                    session.reset(sentence)
        batch = [pairs[i] for i in rng.permutation(robots)[: rng.integers(2, robots + 1)]]
        images = [seen(shared, int(rng.integers(4)), float(step)) for _ in batch]
        if step == 2:
            images[0] = Observation({}, float(step))
        found = shared.act([(session, image) for (_, session), image in zip(batch, images, strict=True)])
        for (session, _), image, one in zip(batch, images, found, strict=True):
            (wanted,) = alone.act([(session, image)])
            assert type(one) is type(wanted)
            if isinstance(one, ActionChunk) and isinstance(wanted, ActionChunk):
                assert one.tokens == wanted.tokens
                assert one.confidence == pytest.approx(wanted.confidence, abs=1e-3)
                assert one.legal_probability == pytest.approx(wanted.legal_probability, rel=1e-2, abs=1e-6)
                compared += 1
            else:
                assert str(one) == str(wanted)
    return compared


@pytest.mark.parametrize("family", [family for family in (*FAMILIES, "openvla", *NAMES) if family not in ALONE])
def test_every_robot_gets_the_tokens_it_would_get_alone(family: str, tmp_path: Path) -> None:
    assert compare(policy_of(family, tmp_path)) > 6


def test_the_trained_model_too() -> None:
    policy = load_policy("rt2-mini", device="cpu")
    assert isinstance(policy, RT2Policy)
    assert compare(policy, steps=3, robots=3) > 4


@pytest.mark.parametrize("family", ALONE)
def test_models_that_cannot_be_batched_run_one_by_one_and_are_logged(
    family: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    policy = policy_of(family, tmp_path)
    with caplog.at_level(logging.WARNING):
        shared = share_policy(policy)
    assert isinstance(shared, OneByOne)
    assert f"(model_type '{family}') decides for one robot at a time" in caplog.text
    assert ALONE[family] in caplog.text
    first, second = shared.session(), shared.session()
    first.reset(SENTENCES[0])
    assert isinstance(shared.act([(first, seen(shared, 0, 0.0))])[0], ActionChunk)
    assert isinstance(shared.act([(second, seen(shared, 0, 0.0))])[0], RuntimeError)


def test_a_streamed_chunk_of_one_robot_is_ended_by_the_next_robots_action(tmp_path: Path) -> None:
    """Both would be written into one cache."""
    shared = share_policy(policy_of("smolvlm", tmp_path))
    first, second = shared.session(), shared.session()
    assert isinstance(first, RT2Policy)
    for session in (first, second):
        session.reset(SENTENCES[0])
    left = first.outputs(seen(shared, 0, 0.0), early=1)
    next(left)
    begun = first._engine.writing
    assert begun is not None
    second.act(seen(shared, 0, 0.0))
    assert begun.gi_frame is None
