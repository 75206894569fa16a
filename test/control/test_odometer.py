"""How far commands have led."""

from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.control.odometer import Odometer

SPEED = np.array([0.1, 0.0, -0.2])


def driven(until: float) -> Odometer:
    odometer = Odometer()
    for i in range(round(until / 0.1)):
        odometer.add(i * 0.1, (i + 1) * 0.1, SPEED)
    return odometer


@pytest.mark.parametrize(("start", "duration"), [(0.5, 0.0), (0.45, 0.05), (0.25, 0.25), (0.0, 0.5), (9.0, 0.0)])
def test_it_adds_up_what_was_commanded_since(start: float, duration: float) -> None:
    np.testing.assert_allclose(driven(0.5).since(start), SPEED * duration, atol=1e-12)


def test_it_remembers_a_second() -> None:
    np.testing.assert_allclose(driven(60.0).since(59.0), SPEED, atol=1e-9)


def test_after_a_reset_it_knows_nothing() -> None:
    odometer = driven(0.5)
    odometer.reset()
    assert not odometer.since(0.0).any()


def test_a_correction_counts_for_what_began_before_it() -> None:
    odometer = Odometer()
    odometer.add(0.0, 0.1, np.array([1.0, 0.0, 0.0]))
    odometer.correct(0.1, np.array([-0.04, 0.0, 0.0]))
    odometer.add(0.1, 0.2, np.array([1.0, 0.0, 0.0]))
    assert odometer.since(0.05)[0] == pytest.approx(0.05 - 0.04 + 0.1)
    assert odometer.since(0.1)[0] == pytest.approx(0.1)
