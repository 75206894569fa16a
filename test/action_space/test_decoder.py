from __future__ import annotations

import numpy as np
import pytest
from support.rt1 import tiny_card

from rt_vla_ros.action_space.decoder import DECODINGS, ActionDecoder

BOTH = pytest.mark.parametrize("decoding", DECODINGS)


def certain(terminate: float = 0.0) -> np.ndarray:
    """All sure of bin 128, but for the mode."""
    p = np.zeros((6, 256))
    p[0, :2] = terminate, 1 - terminate
    p[1:, 128] = 1
    return p


@BOTH
def test_a_certain_distribution_has_confidence_one(decoding: str) -> None:
    action = ActionDecoder(tiny_card(), decoding).from_probabilities(certain())
    assert action.tokens == (1, 128, 128, 128, 128, 128)
    assert action.confidence == pytest.approx(1.0)
    np.testing.assert_allclose(action.steps[0].translation, -0.04 + 0.08 * 128 / 255)


def test_between_two_bins_argmax_takes_one_and_expected_value_the_middle() -> None:
    p = certain()
    p[1, 128], p[1, 28], p[1, 228] = 0.0, 0.49, 0.51
    assert ActionDecoder(tiny_card(), "argmax").from_probabilities(p).tokens[1] == 228
    assert ActionDecoder(tiny_card(), "expected_value").from_probabilities(p).tokens[1] == 130


@BOTH
@pytest.mark.parametrize(("probability", "terminate"), [(0.0, False), (0.5, False), (0.501, True), (1.0, True)])
def test_terminate_needs_more_than_half(decoding: str, probability: float, terminate: bool) -> None:
    action = ActionDecoder(tiny_card(), decoding).from_probabilities(certain(probability))
    assert action.terminate is terminate
    assert action.tokens[0] == (0 if terminate else 1)


@BOTH
def test_confidence_falls_with_doubt(decoding: str) -> None:
    decoder, p = ActionDecoder(tiny_card(), decoding), certain()
    spread = p.copy()
    spread[1:] = 1 / 256
    narrow = p.copy()
    narrow[1:, 120:137], narrow[1:, 128] = 0.05, 0.2
    doubtful = [decoder.from_probabilities(x).confidence for x in (p, narrow, spread)]
    assert doubtful[0] == pytest.approx(doubtful[1]) == pytest.approx(1.0)
    assert doubtful[2] < 0.15
    assert decoder.from_probabilities(certain(0.4)).confidence == pytest.approx(0.6 ** (1 / 6))


def test_refuses_what_is_not_finite() -> None:
    p = certain()
    p[2, 5] = np.nan
    with pytest.raises(ValueError, match="output is not finite"):
        ActionDecoder(tiny_card(), "argmax").from_probabilities(p)


def test_refuses_unknown_decodings() -> None:
    with pytest.raises(ValueError, match="Unknown decoding 'beam'; expected one of argmax, expected_value"):
        ActionDecoder(tiny_card(), "beam")
