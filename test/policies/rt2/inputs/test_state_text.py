"""The robot's state in words, as LeRobot's normalisation and VLA-0-Smol's bins make it of numbers."""

from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.policies.rt2.inputs.state_text import state_text

LOW, HIGH = np.array([-0.5, 0.0, -3.2]), np.array([0.2, 0.04, 3.6])


def counted(values: np.ndarray, bins: int) -> list[int]:
    """How many edges lie below each value, less one."""
    scaled = np.float32(2) * (values.astype(np.float32) - LOW.astype(np.float32))
    scaled = scaled / (HIGH.astype(np.float32) - LOW.astype(np.float32)) - np.float32(1)
    edges = np.array([-1 - 1e-6 + i * (2 + 2e-6) / bins for i in range(bins)], np.float32)
    return [int((edges < value).sum()) - 1 for value in scaled]


@pytest.mark.parametrize("bins", [2, 256, 512])
def test_the_gaps_that_values_lie_in(bins: int) -> None:
    for share in np.random.default_rng(0).uniform(0.001, 0.999, (200, 3)):
        values = LOW + share * (HIGH - LOW)
        assert state_text(values, LOW, HIGH, bins) == " ".join(map(str, counted(values, bins)))


def test_the_ends_and_beyond() -> None:
    span = HIGH - LOW
    assert state_text(LOW, LOW, HIGH, 512) == "0 0 0"
    assert state_text(HIGH, LOW, HIGH, 512) == "511 511 511"
    assert state_text(LOW - span / 10, LOW, HIGH, 512) == "-1 -1 -1"
    assert state_text(HIGH + span / 10, LOW, HIGH, 512) == "511 511 511"
    assert state_text([], [], [], 512) == ""


def test_a_constant_dimension_is_in_the_first_bin() -> None:
    """Its range is too small for float32: where it was in training is the first gap, as LeRobot has it."""
    low, high = [0.5, -3.0], [0.5 + 1e-8, -3.0 + 1e-8]
    assert state_text(low, low, high, 512) == "0 0"
    assert state_text([0.6, -3.1], low, high, 512) == "511 -1"
