"""OpenVLA's bins: edges, and the middle of the gap between two of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from support.vlms import rt2_card

from rt_vla_ros.action_space.tokenizer import ActionTokenizer

CARD = dataclasses.replace(rt2_card(), quantization="centers")


def test_values_are_digitized_and_decoded_as_openvla_does() -> None:
    tokenizer = ActionTokenizer(CARD)
    edges = np.linspace(-1.0, 1.0, 256)
    centers = (edges[:-1] + edges[1:]) / 2
    rng = np.random.default_rng(0)
    normalized = np.concatenate([rng.uniform(-1.2, 1.2, 500), [-1.0, 1.0, 0.0]])
    low, high = CARD.dimensions[1].low, CARD.dimensions[1].high
    values = np.zeros((len(normalized), 8))
    values[:, 1] = low + (normalized + 1) / 2 * (high - low)
    tokens = tokenizer.encode(values)
    expected = np.digitize(np.clip(normalized, -1, 1), edges) - 1
    np.testing.assert_array_equal(tokens[:, 1], expected)
    decoded = tokenizer.decode(tokens)[:, 1]
    np.testing.assert_allclose(decoded, low + (centers[np.clip(expected, 0, 254)] + 1) / 2 * (high - low), atol=1e-12)
    assert tokens[:, 0].tolist() == [0] * len(normalized)


def test_every_interval_survives_the_round_trip_and_the_last_bin_is_the_last_interval() -> None:
    tokenizer = ActionTokenizer(CARD)
    tokens = np.tile(np.arange(256)[:, None], 8)
    tokens[:, 0] %= 2
    back = tokenizer.encode(tokenizer.decode(tokens))
    np.testing.assert_array_equal(back[:-1], tokens[:-1])
    assert back[-1].tolist() == [1] + [254] * 7


def test_the_mean_over_the_bins_is_taken_between_the_middles() -> None:
    probabilities = np.zeros((8, 256))
    probabilities[:, [0, 1]] = 0.5
    mean = ActionTokenizer(CARD).decode_expected(probabilities)
    assert mean[1] == pytest.approx(-0.1 + 0.2 * 1.0 / 255)
