from __future__ import annotations

import numpy as np
import pytest
from support.rt1_golden import golden

from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.convert.action_codec import RT1ActionCodec
from rt_vla_ros.policies.rt1.convert.public_cards import public_card

RANGES = {"pm1": (-1.0, 1.0), "pm2": (-2.0, 2.0)}
NAMES = (
    "world_vector",
    "rotation_delta",
    "gripper_closedness_action",
    "base_displacement_vertical_rotation",
    "base_displacement_vector",
)


def part(data: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {key.removeprefix(prefix): value for key, value in data.items() if key.startswith(prefix)}


@pytest.mark.parametrize("limits", sorted(RANGES))
@pytest.mark.parametrize("vocab", [256, 512])
def test_tokens_are_those_of_the_jax_code(vocab: int, limits: str) -> None:
    data = golden("flax_small")
    codec = RT1ActionCodec(vocab, RANGES[limits], flavour="jax")
    tokens = codec.encode(part(data, "codec/action/"))
    np.testing.assert_array_equal(tokens, data[f"codec/tokens_{vocab}_{limits}"])


@pytest.mark.parametrize("vocab", [256, 512])
def test_values_are_those_of_the_jax_code(vocab: int) -> None:
    data = golden("flax_small")
    decoded = RT1ActionCodec(vocab, RANGES["pm2"], flavour="jax").decode(data[f"codec/tokens_{vocab}_pm2"])
    theirs = part(data, f"codec/detok_{vocab}_pm2/")
    assert decoded.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_array_equal(decoded[name], values, err_msg=name)


@pytest.mark.parametrize(("size", "vocab"), [("tf_small", 32), ("tf_full", 256)])
def test_actions_are_those_of_the_release(size: str, vocab: int) -> None:
    data = golden(size)
    decoded = RT1ActionCodec(vocab, flavour="tensorflow").decode(data["episode/action_tokens"])
    theirs = part(data, "episode/action/")
    assert decoded.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_array_equal(decoded[name], values, err_msg=name)


def test_a_token_beyond_the_modes() -> None:
    tokens = np.array([5] + [0] * 10)
    for rule, mode in (("first", [1, 0, 0]), ("last", [0, 0, 1]), ("none", [0, 0, 0])):
        assert (
            RT1ActionCodec(256, flavour="jax", invalid_terminate=rule).decode(tokens)["terminate_episode"].tolist()
            == mode
        )
    assert RT1ActionCodec(256, flavour="tensorflow").decode(tokens)["terminate_episode"].tolist() == [1, 0, 0]
    assert RT1ActionCodec(256, flavour="jax").decode(tokens)["terminate_episode"].tolist() == [0, 0, 1]
    with pytest.raises(ValueError, match="There is no flavour 'torch'; there are jax, tensorflow"):
        RT1ActionCodec(256, flavour="torch")
    with pytest.raises(ValueError, match="There is no rule 'second'"):
        RT1ActionCodec(256, flavour="jax", invalid_terminate="second")


@pytest.mark.parametrize(("preset", "vocab", "limits"), [("rt1", 256, "pm1"), ("rt1-x", 512, "pm2")])
def test_the_cards_tokenizer_says_the_same(preset: str, vocab: int, limits: str) -> None:
    data = golden("flax_small")
    tokens = data[f"codec/tokens_{vocab}_{limits}"]
    tokenizer = ActionTokenizer(public_card(RT1Config.preset(preset), preset))
    decoded = RT1ActionCodec(vocab, RANGES[limits], flavour="jax").decode(tokens)
    continuous = np.concatenate([decoded[name] for name in NAMES], axis=-1)
    np.testing.assert_allclose(tokenizer.decode(tokens)[:, 1:], continuous, atol=2e-6)
    np.testing.assert_array_equal(tokenizer.encode(tokenizer.decode(tokens)), tokens)


@pytest.mark.parametrize("tokens", [[0] * 10, [0] * 10 + [256], [-1] + [0] * 10])
def test_refuses_tokens_it_does_not_have(tokens: list[int]) -> None:
    with pytest.raises(ValueError, match="expected 11 tokens below 256"):
        RT1ActionCodec(256, flavour="tensorflow").decode(np.array(tokens))


def test_refuses_what_is_not_finite() -> None:
    action = RT1ActionCodec(256, flavour="tensorflow").decode(np.zeros(11, int))
    with pytest.raises(ValueError, match="world_vector must be finite"):
        RT1ActionCodec(256, flavour="tensorflow").encode({**action, "world_vector": np.array([np.nan, 0, 0])})
