"""The filter forgets no displacement and does not know the tick rate."""

from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.control.ema import DisplacementEma


@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_ticks_the_output_adds_up_to_the_input(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ema, executed, total, velocity = DisplacementEma(0.05, size=2), np.zeros(2), np.zeros(2), np.zeros(2)
    for k in range(400):
        tick = rng.uniform(0.001, 0.06)
        demanded = rng.normal(size=2) * (k < 100)
        total, executed = total + demanded, executed + velocity * tick
        ema.account(demanded, velocity * tick)
        velocity = ema.velocity(tick)
    np.testing.assert_allclose(executed, total, atol=1e-9)


def test_its_reset_forgets_what_is_owed() -> None:
    ema = DisplacementEma(0.05)
    ema.account(np.ones(6), np.zeros(6))
    assert ema.velocity(0.02).all()
    ema.reset()
    assert not ema.velocity(0.02).any()


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_a_time_constant_is_a_time(value: float) -> None:
    with pytest.raises(ValueError, match="expected 0 or more"):
        DisplacementEma(value)
