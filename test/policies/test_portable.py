"""A request that another process continues gets the same decisions as where it began."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from support.vlms import save_vlm

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import Policy, PortablePolicy
from rt_vla_ros.policies.rt2.checkpoint import open_policy

SENTENCES = ("pick up the red cube", "push the blue cube left")


def noise(policy: Policy, seed: int) -> Observation:
    rng = np.random.default_rng(seed)
    images = {c.name: rng.integers(0, 256, (c.height, c.width, 3), np.uint8) for c in policy.card.cameras}
    return Observation(images, seed * policy.card.decision_period)


def moved(policy: Policy, other: Policy, steps: int) -> None:
    """Decisions of one session, and of one that changes between two policies with every step."""
    stays = policy.another()  # type: ignore[attr-defined]
    movers = [policy.another(), other.another()]  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="no instruction yet"):
        stays.snapshot()
    for sentence in SENTENCES:
        stays.reset(sentence)
        movers[0].reset(sentence)
        snapshot = pickle.dumps(movers[0].snapshot())
        for step in range(steps):
            mover, seen = movers[step % 2], noise(policy, step)
            assert isinstance(mover, PortablePolicy)
            mover.restore(pickle.loads(snapshot))
            wanted, found = stays.act(seen), mover.act(seen)
            assert found.tokens == wanted.tokens
            assert found.steps[0].gripper == wanted.steps[0].gripper
            snapshot = pickle.dumps(mover.snapshot())


def test_a_request_moves_between_two_copies_of_an_rt1() -> None:
    moved(*(load_policy("rt1-mini", device="cpu") for _ in range(2)), steps=9)


def test_a_request_moves_between_two_copies_of_an_rt2(tmp_path: Path) -> None:
    saved = save_vlm(tmp_path, "smolvlm")
    moved(*(open_policy(resolve(saved), device=torch.device("cpu")) for _ in range(2)), steps=3)


def test_a_snapshot_is_not_changed_by_later_decisions() -> None:
    policy = load_policy("rt1-mini", device="cpu")
    assert isinstance(policy, PortablePolicy)
    policy.reset(SENTENCES[0])
    policy.act(noise(policy, 0))
    snapshot = policy.snapshot()
    first = policy.act(noise(policy, 1)).tokens
    for step in range(2, 5):
        policy.act(noise(policy, step))
    policy.restore(snapshot)
    assert policy.act(noise(policy, 1)).tokens == first
