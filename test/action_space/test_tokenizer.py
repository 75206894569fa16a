from __future__ import annotations

import numpy as np
import pytest
from support.cards import card, card_data

from rt_vla_ros.action_space.chunk import KEEP_GRIPPER, EndEffectorStep
from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.action_space.rotation import rotation_vector_from_rpy
from rt_vla_ros.action_space.tokenizer import ActionTokenizer

QUANTIZATIONS = pytest.mark.parametrize("quantization", ["round", "truncate"])
LOW = np.array([0, -0.5, -0.5, -0.5, -0.9, -0.9, -0.9, -1, -3])
HIGH = np.array([2, 1, 1, 1, 0.9, 0.9, 0.9, 1, 3])


def every_bin(bins: int) -> np.ndarray:
    tokens = np.repeat(np.arange(bins)[:, None], 9, axis=1)
    tokens[:, 0] = np.minimum(tokens[:, 0], 2)
    return tokens


@pytest.mark.parametrize("quantization", ["round", "truncate", "middles"])
@pytest.mark.parametrize("bins", [2, 256, 512, 1000])
def test_every_bin_survives_the_round_trip(quantization: str, bins: int) -> None:
    dimensions = card_data()["dimensions"]
    dimensions[0]["modes"] = dimensions[0]["modes"][:2]
    tokenizer = ActionTokenizer(card(quantization=quantization, bins=bins, dimensions=dimensions))
    tokens = np.minimum(every_bin(bins), [1, *[bins] * 8])
    np.testing.assert_array_equal(tokenizer.encode(tokenizer.decode(tokens)), tokens)


@pytest.mark.parametrize("bins", [3, 512])
def test_middles_are_those_of_equal_gaps(bins: int) -> None:
    """As torch.bucketize has it: a value on an edge is of the gap below it; the lowest is of the first."""
    tokenizer = ActionTokenizer(card(quantization="middles", bins=bins))
    edges = LOW[1] + np.arange(bins + 1) / bins * (HIGH[1] - LOW[1])
    values = np.repeat(((edges[:-1] + edges[1:]) / 2)[:, None], 9, axis=1)
    values[:, 0] = 0
    np.testing.assert_array_equal(tokenizer.encode(values)[:, 1], np.arange(bins))
    tokens = np.repeat(np.arange(bins)[:, None], 9, axis=1) * [0, *[1] * 8]
    np.testing.assert_allclose(tokenizer.decode(tokens)[:, 1], values[:, 1], rtol=0, atol=1e-12)
    on_edges = np.repeat(edges[:, None], 9, axis=1) * [0, *[1] * 8]
    np.testing.assert_array_equal(tokenizer.encode(on_edges)[:, 1], [0, *range(bins)])


@QUANTIZATIONS
def test_limits_are_the_first_and_the_last_bin(quantization: str) -> None:
    tokenizer = ActionTokenizer(card(quantization=quantization))
    low, high = tokenizer.encode([LOW, HIGH])
    assert low.tolist() == [0] * 9
    assert high.tolist() == [2, *[255] * 8]
    np.testing.assert_array_equal(tokenizer.decode(low), LOW)
    np.testing.assert_array_equal(tokenizer.decode(high), HIGH)


@QUANTIZATIONS
def test_values_beyond_the_limits_are_clipped(quantization: str) -> None:
    tokenizer = ActionTokenizer(card(quantization=quantization))
    assert tokenizer.encode(LOW - 7).tolist() == [0] * 9
    assert tokenizer.encode(HIGH + 7).tolist() == [2, *[255] * 8]


def test_rounding_errs_by_half_a_bin_and_truncating_by_one_downwards() -> None:
    values = np.random.default_rng(0).uniform(LOW, HIGH, (500, 9))
    values[:, 0] = 1
    width = (HIGH - LOW)[1:] / 255
    for quantization, below, above in (("round", -0.5, 0.5), ("truncate", -1.0, 0.0)):
        tokenizer = ActionTokenizer(card(quantization=quantization))
        error = ((tokenizer.decode(tokenizer.encode(values)) - values)[:, 1:]) / width
        assert error.min() >= below - 1e-4
        assert error.max() <= above + 1e-4
        assert error.max() - error.min() > 0.9


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_finite(bad: float) -> None:
    values = LOW.astype(float)
    values[4] = bad
    tokenizer = ActionTokenizer(card())
    with pytest.raises(ValueError, match="must be finite"):
        tokenizer.encode(values)
    with pytest.raises(ValueError, match="must be finite"):
        ActionDecoder(tokenizer.card).step(values)


@pytest.mark.parametrize("token", [[3, *[0] * 8], [0, 256, *[0] * 7], [0, -1, *[0] * 7], [0] * 8])
def test_refuses_tokens_that_do_not_exist(token: list[int]) -> None:
    with pytest.raises(ValueError, match="expected 9 tokens below"):
        ActionTokenizer(card()).decode(token)


def test_legal_tokens_are_all_bins_or_one_per_mode() -> None:
    assert ActionTokenizer(card()).legal.sum(axis=1).tolist() == [3, *[256] * 8]


def test_expected_value_is_the_mean_over_bins_and_the_likeliest_mode() -> None:
    p = np.zeros((9, 256))
    p[0, [0, 1, 2]] = 0.4, 0.15, 0.45
    p[1:, 10], p[1:, 20] = 0.25, 0.75
    tokenizer = ActionTokenizer(card())
    value = tokenizer.decode_expected(p)
    assert value[0] == 2
    np.testing.assert_allclose(value[1:], (LOW + 17.5 / 255 * (HIGH - LOW))[1:])


@pytest.mark.parametrize("rotation", ["rotation_vector", "rpy"])
def test_actions_survive_the_round_trip(rotation: str) -> None:
    tokenizer = ActionTokenizer(card(rotation=rotation))
    action = EndEffectorStep(np.array([0.1, -0.2, 0.3]), np.array([0.3, -0.2, 0.5]), gripper=0.75)
    values = tokenizer.from_step(action)
    back = ActionDecoder(tokenizer.card).step(values)
    np.testing.assert_allclose(back.translation, action.translation)
    np.testing.assert_allclose(back.rotation, action.rotation, atol=1e-12)
    assert (back.gripper, back.terminate) == (0.75, False)
    assert values[7] == pytest.approx(-0.5), "this card's gripper is open at 1 and closed at -1"


def test_rpy_becomes_a_rotation_vector() -> None:
    action = ActionDecoder(card(rotation="rpy")).step([1, 0, 0, 0, 0.3, -0.2, 0.5, 1, 0])
    np.testing.assert_allclose(action.rotation, rotation_vector_from_rpy(np.array([0.3, -0.2, 0.5])))
    assert abs(action.rotation[0] - 0.3) > 0.01


@pytest.mark.parametrize(("mode", "terminate"), [(0, True), (1, False), (2, False)])
def test_terminate_is_one_of_the_modes(mode: int, terminate: bool) -> None:
    tokenizer = ActionTokenizer(card())
    action = ActionDecoder(tokenizer.card).step([mode, 0, 0, 0, 0, 0, 0, 1, 0])
    assert action.terminate is terminate
    assert tokenizer.from_step(action)[0] == (0 if terminate else 1)


@pytest.mark.parametrize("bins", [50, 250, 254, 256])
def test_the_token_of_a_mode_is_that_mode_with_any_number_of_bins(bins: int) -> None:
    decoder = ActionDecoder(card(bins=bins))
    ends = [decoder.from_tokens([mode, *[0] * 8], confidence=1.0).terminate for mode in range(3)]
    assert ends == [True, False, False]


def test_missing_dimensions_are_zero_and_the_gripper_is_unchanged() -> None:
    tokenizer = ActionTokenizer(card(dimensions=card_data()["dimensions"][1:3]))
    action = ActionDecoder(tokenizer.card).step([0.1, 0.2])
    np.testing.assert_allclose(action.translation, [0.1, 0.2, 0.0])
    np.testing.assert_array_equal(action.rotation, np.zeros(3))
    assert (action.gripper, action.terminate) == (KEEP_GRIPPER, False)
