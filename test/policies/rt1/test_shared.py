"""Robots that share an RT-1 get the tokens that each of them would get alone, whoever else is in the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.rt1 import picture, seen, tiny_card, tiny_policy
from support.rt1_checkpoints import TINY

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.benchmarks.rt1_networks import network
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.rt1.fast.steps import FoldedSteps
from rt_vla_ros.policies.rt1.policy import PlainSteps
from rt_vla_ros.policies.rt1.steps import steps_together
from rt_vla_ros.policies.shared import OneByOne, SharedPolicy, share_policy

SENTENCES = ("pick up the red cube", "push the blue block left", "stop")
SMALL: dict[str, Any] = {**TINY, "time_sequence_length": 3, "tokens_per_dimension": (3, 16, 16, 16)}
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "release": ("rt1", {"stored_normalisation": False}),
    "zero frames": ("rt1-x", {}),
    "earlier actions": ("rt1-x", {"action_embedding": "previous", "image_attends_past_actions": True}),
    "earlier actions, short": ("rt1", {"action_embedding": "previous", "stored_normalisation": False}),
    "cameras and state": ("rt1-x", {"num_cameras": 2, "state_size": 4, "horizon": 3}),
    "cameras and state, short": ("rt1", {"num_cameras": 2, "state_size": 4, "stored_normalisation": False}),
}


@pytest.mark.parametrize("kind", [PlainSteps, FoldedSteps])
@pytest.mark.parametrize("which", NETWORKS)
@torch.inference_mode()
def test_steps_in_any_batch_are_the_steps_alone(which: str, kind: type[PlainSteps]) -> None:
    """Windows of different lengths, sentences that change, robots that leave out a step."""
    preset, changes = NETWORKS[which]
    first = kind(network(preset, **{**SMALL, **changes}))
    config, rng = first.model.config, np.random.default_rng(0)
    alone, robots = ([first.another() for _ in range(4)] for _ in range(2))
    compared = 0
    for _ in range(12):
        images = torch.from_numpy(rng.integers(0, 256, (4, config.num_cameras, 3, 4, 3), np.uint8))
        images = images.repeat_interleave(16, 2).repeat_interleave(16, 3)
        states = torch.from_numpy(rng.uniform(-1, 1, (4, config.state_size)).astype(np.float32))
        state = states if config.state_size else None
        for one, other in zip(alone, robots, strict=True):
            if one._factors is None or rng.random() < 0.2:
                sentence = torch.from_numpy(rng.normal(size=(1, config.language_size)).astype(np.float32))
                one.begin(sentence)
                other.begin(sentence)
        batch = rng.permutation(4)[: rng.integers(1, 5)].tolist()
        found = steps_together([robots[i] for i in batch], images[batch], None if state is None else state[batch])
        for i, logits in zip(batch, found, strict=True):
            wanted = alone[i].step(images[i], None if state is None else state[i : i + 1])
            torch.testing.assert_close(logits, wanted, rtol=0, atol=1e-4)
            assert logits.argmax(-1).tolist() == wanted.argmax(-1).tolist()
            for one in (alone[i], robots[i]):
                one.chosen(wanted.argmax(-1))
            compared += 1
    assert compared > 20


def test_robots_that_come_and_go_get_the_same_results_as_alone() -> None:
    """The trained policy, whose actions are read off distributions; some robots send what is no observation."""
    policy = load_policy("rt1-mini", device="cpu")
    alone = share_policy(policy, batched=False)
    shared = share_policy(policy)
    assert isinstance(alone, OneByOne)
    rng, side = np.random.default_rng(1), policy.card.cameras[0].width
    robots: list[tuple[Policy, Policy]] = []
    failures = 0
    for step in range(12):
        if step < 6:
            robots.append((alone.session(), shared.session()))
        if step in (7, 9):
            del robots[int(rng.integers(len(robots)))]
        for number, pair in enumerate(robots):
            if number == len(robots) - 1 or rng.random() < 0.2:
                sentence = SENTENCES[int(rng.integers(3))]
                for session in pair:
                    session.reset(sentence)
        asking = [pair for pair in robots if rng.random() < 0.8]
        observations = [seen(int(rng.integers(99)), float(step), side) for _ in asking]
        if step % 3 == 2 and observations:
            observations[0] = Observation({}, float(step))
        requests = [(session, observation) for (_, session), observation in zip(asking, observations, strict=True)]
        for (one, _), observation, found in zip(asking, observations, shared.act(requests), strict=True):
            (wanted,) = alone.act([(one, observation)])
            assert type(found) is type(wanted)
            if isinstance(found, ActionChunk) and isinstance(wanted, ActionChunk):
                assert found.tokens == wanted.tokens
                assert found.confidence == pytest.approx(wanted.confidence, abs=1e-4)
            else:
                assert str(found) == str(wanted)
                failures += 1
    assert failures


def test_a_shared_policy_is_one() -> None:
    shared = share_policy(tiny_policy())
    assert isinstance(shared, SharedPolicy)
    assert isinstance(shared.session(), Policy)
    assert (shared.name, shared.card) == ("tiny", tiny_card())


def test_sessions_have_their_own_instruction_and_reset() -> None:
    shared = share_policy(tiny_policy())
    first, second = shared.session(), shared.session()
    first.reset(SENTENCES[0])
    (one, other) = shared.act([(first, seen(0)), (second, seen(0))])
    assert isinstance(one, ActionChunk)
    assert isinstance(other, RuntimeError)
    second.reset(SENTENCES[1])
    again = [shared.act([(session, seen(0))])[0] for session in (first, second)]
    assert all(isinstance(chunk, ActionChunk) for chunk in again)


@pytest.mark.parametrize("wrong", ["twice", "foreign", "too many"])
def test_an_invalid_batch_is_refused_without_a_step_of_any_robot(wrong: str) -> None:
    shared, foreign = share_policy(tiny_policy()), tiny_policy()
    session = shared.session()
    for policy in (session, foreign):
        policy.reset(SENTENCES[0])
    good = (session, seen(0, 5.0))
    requests = {
        "twice": [good, good],
        "foreign": [good, (foreign, seen(0))],
        "too many": [good] * (shared.max_batch_size + 1),
    }[wrong]
    sentence = {"twice": "two requests of one session", "foreign": "another policy", "too many": "at a time"}[wrong]
    with pytest.raises(ValueError, match=sentence):
        shared.act(requests)
    session.act(seen(0, 1.0))  # an image older than one that was taken would be refused


def test_no_robot_is_asked() -> None:
    assert share_policy(tiny_policy()).act([]) == []


def test_an_error_of_a_batch_is_reported_to_every_robot() -> None:
    shared = share_policy(tiny_policy())
    sessions = [shared.session() for _ in range(2)]
    for session in sessions:
        session.reset(SENTENCES[0])
    positions = sessions[0].network.transformer.positions  # type: ignore[attr-defined]
    positions.data = positions.data[:2]
    bad = Observation({"front": picture(0, 16)}, 0.0)
    third = shared.session()
    third.reset(SENTENCES[0])
    found = shared.act([(sessions[0], seen(0)), (sessions[1], seen(1)), (third, bad)])
    assert [type(one) for one in found] == [RuntimeError, RuntimeError, ValueError]
