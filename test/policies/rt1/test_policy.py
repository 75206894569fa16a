from __future__ import annotations

import numpy as np
import pytest
import torch
from support.rt1 import picture, seen, tiny_card, tiny_model, tiny_policy

from rt_vla_ros.language.encoder import InstructionError
from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.observations.history import window
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.rt1.policy import RT1Policy

SENTENCE = "pick up the red cube"


def test_is_a_policy() -> None:
    assert isinstance(tiny_policy(), Policy)


def test_cached_tokens_give_the_same_result_as_the_whole_window() -> None:
    """Through the start, where the window is short, and beyond it, where it rolls."""
    policy = tiny_policy()
    policy.reset(SENTENCE)
    words = torch.from_numpy(HashedWords(64).encode(SENTENCE))[None]
    for step in range(6):
        probabilities = policy.probabilities(seen(step))
        images = np.stack([picture(i) for i in window(step, 3)])
        with torch.inference_mode():
            logits = policy.network(torch.from_numpy(images)[None], words).logits[0, -1]
        expected = logits.masked_fill(~policy.network.legal, -1e4).softmax(-1)
        np.testing.assert_allclose(probabilities, expected.numpy(), atol=1e-6)


def test_one_image_a_step_goes_through_the_trunk() -> None:
    policy, sizes = tiny_policy(), []
    policy.network.trunk.register_forward_pre_hook(lambda _, inputs: sizes.append(inputs[0].shape[0]))
    policy.reset(SENTENCE)
    for step in range(5):
        policy.act(seen(step))
    assert sizes == [1] * 5


def test_reset_forgets_the_history() -> None:
    policy = tiny_policy()
    policy.reset(SENTENCE)
    first = policy.act(seen(0))
    policy.act(seen(1))
    policy.reset(SENTENCE)
    again = policy.act(seen(0))
    np.testing.assert_array_equal(first.steps[0].translation, again.steps[0].translation)
    assert first.confidence == again.confidence


def test_actions_stay_within_the_card() -> None:
    policy = tiny_policy()
    policy.reset(SENTENCE)
    for step in range(5):
        action = policy.act(seen(step))
        assert (np.abs(action.steps[0].translation) <= 0.04).all()
        assert action.steps[0].rotation[:2].tolist() == [0, 0]
        assert abs(action.steps[0].rotation[2]) <= 0.35
        assert 0 <= action.steps[0].gripper <= 1
        assert 0 < action.confidence <= 1
        assert action.period == 0.2
        assert len(action.tokens) == 6
        assert action.tokens[0] in (0, 1)


def test_illegal_tokens_have_no_probability() -> None:
    policy = tiny_policy()
    policy.reset(SENTENCE)
    p = policy.probabilities(seen(0))
    assert (p[0, 2:] == 0).all()
    np.testing.assert_allclose(p.sum(-1), 1, atol=1e-5)


def test_decoding_can_be_chosen() -> None:
    model = tiny_model()
    for decoding in ("argmax", "expected_value"):
        policy = RT1Policy(model, tiny_card(), decoding=decoding)
        policy.reset(SENTENCE)
        p, action = policy.probabilities(seen(0)), None
        policy.reset(SENTENCE)
        action = policy.act(seen(0))
        expected = p[1].argmax() if decoding == "argmax" else round(float(p[1] @ np.arange(256)))
        assert action.tokens[1] == expected


def test_needs_an_instruction_first() -> None:
    with pytest.raises(RuntimeError, match="no instruction yet"):
        tiny_policy().act(seen(0))


@pytest.mark.parametrize("instruction", ["", "🦾🦾", "x" * 10_000, "very " * 100 + "red cube"])
def test_refuses_instructions_it_cannot_use(instruction: str) -> None:
    with pytest.raises(InstructionError):
        tiny_policy().reset(instruction)


def test_a_refused_instruction_keeps_the_old_one() -> None:
    policy = tiny_policy()
    policy.reset(SENTENCE)
    with pytest.raises(InstructionError):
        policy.reset("")
    policy.act(seen(0))


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        ({}, "needs an image of the camera 'front'; given: none"),
        ({"wrist": picture(0)}, "given: wrist"),
        ({"front": picture(0, 48)}, "is 48x48, the policy expects 32x32"),
        ({"front": picture(0).astype(float)}, "type float64, expected uint8"),
        ({"front": picture(0)[..., :1]}, r"shape \(32, 32, 1\)"),
        ({"front": picture(0)[..., 0]}, r"shape \(32, 32\)"),
        (
            {"front": picture(0).transpose(2, 0, 1)},
            r"shape \(3, 32, 32\), expected \(height, width, 3\) in the order R",
        ),
    ],
)
def test_refuses_images_that_the_card_does_not_allow(images: dict, sentence: str) -> None:
    policy = tiny_policy()
    policy.reset(SENTENCE)
    with pytest.raises(ValueError, match=sentence):
        policy.act(Observation(images, 0.0))


def test_a_network_of_sentence_vectors_needs_an_encoder() -> None:
    model = tiny_model(language="embedding")
    with pytest.raises(ValueError, match="takes sentence embeddings of 8 numbers and has no encoder"):
        RT1Policy(model, tiny_card())

    class Vectors:
        def encode(self, instruction: str) -> np.ndarray:
            return np.full(8, len(instruction), np.float32)

    policy = RT1Policy(model, tiny_card(), encoder=Vectors())
    policy.reset(SENTENCE)
    assert policy.act(seen(0)).tokens
