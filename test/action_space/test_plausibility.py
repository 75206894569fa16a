"""Recorded actions that cannot be what their card says, told by their numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard, ActionCardError, ActionDimension, CameraSpec
from rt_vla_ros.action_space.plausibility import (
    ImplausibleActionsError,
    check_recorded,
    check_recorded_state,
    check_speed,
    measure_use,
    table,
)
from rt_vla_ros.action_space.state import StateDimension

CARD = ActionCard(
    name="test",
    dimensions=(
        ActionDimension("mode", "terminate", 0.0, 0.0, "mode", ("terminate", "move")),
        *(ActionDimension(axis, f"translation_{axis}", -0.1, 0.1, "m") for axis in "xyz"),
        *(ActionDimension(f"r{axis}", f"rotation_{axis}", -0.5, 0.5, "rad") for axis in "xyz"),
        ActionDimension("gripper", "gripper", 0.0, 1.0, "1"),
    ),
    bins=256,
    quantization="round",
    frame="base",
    frame_id="base_link",
    rotation="rpy",
    gripper_open=0.0,
    gripper_closed=1.0,
    control_rate=10.0,
    cameras=(CameraSpec("front", 64, 64, "stretch", 0.0),),
)
COUNT = 400


def recorded(**columns: Any) -> NDArray[np.float64]:
    """Plausible actions, some columns replaced."""
    rng = np.random.default_rng(0)
    values = rng.uniform(-0.05, 0.05, (COUNT, 8))
    values[:, 0], values[:, 7] = 1, rng.integers(0, 2, COUNT)
    for name, column in columns.items():
        values[:, [d.name for d in CARD.dimensions].index(name)] = column
    return values


def wave(amplitude: float, middle: float = 0.0) -> NDArray[np.float64]:
    return np.asarray(middle + amplitude * np.sin(np.linspace(0, 20, COUNT)))


def test_plausible_actions_are_reported_per_dimension() -> None:
    values = recorded(x=np.r_[np.full(8, 0.2), np.zeros(COUNT - 8)])
    use = check_recorded(CARD, values)[1]
    assert (use.dimension.name, use.clipped, use.low) == ("x", 8 / COUNT, 0.0)
    assert "| `x` | -0.1 to 0.1 m | 0 to 0.2 | 2.0% |" in table(measure_use(CARD, values))


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"x": wave(80.0)}, r"'x' .*they look like millimeters, or joint angles in degrees"),
        ({"rz": wave(45.0)}, r"'rz' .*they look like degrees"),
        ({"y": wave(0.05, 0.5)}, r"100.0% of 'y' .*they look like absolute poses instead of displacements"),
        ({"z": wave(1.0)}, r"'z' .*they look like values in a controller's own scale, -1 to 1"),
        ({"x": wave(80.0), "ry": wave(200.0)}, r"'x' .*'ry' "),
        ({"gripper": wave(1.0)}, r"'gripper' \(0 to 1; most are -0.999 to 0.999\)"),
        ({"mode": np.linspace(0, 1, COUNT)}, r"of 'mode', which must be one of 0 terminate, 1 move"),
        ({"mode": np.full(COUNT, 2.0)}, r"100.0% of 'mode'"),
        ({"x": np.r_[np.full(21, 0.2), np.zeros(COUNT - 21)]}, r"5.2% of 'x'"),
    ],
)
def test_values_outside_the_range_are_refused_with_what_they_look_like(
    columns: dict[str, NDArray[np.float64]], sentence: str
) -> None:
    with pytest.raises(ImplausibleActionsError, match=sentence):
        check_recorded(CARD, recorded(**columns))


def test_a_twentieth_outside_and_half_a_bin_beyond_are_allowed() -> None:
    check_recorded(CARD, recorded(x=np.r_[np.full(20, 0.2), np.zeros(COUNT - 20)]))
    check_recorded(CARD, recorded(x=np.full(COUNT, 0.1 + 0.49 * 0.2 / 255)))


@pytest.mark.parametrize("rate", [10.0, 100.0])
def test_a_speed_that_no_arm_has_is_refused_though_the_range_covers_it(rate: float) -> None:
    wide = ActionDimension("x", "translation_x", -0.9, 0.9, "m")
    card = replace(CARD, dimensions=(CARD.dimensions[0], wide, *CARD.dimensions[2:]), control_rate=10.0)
    with pytest.raises(ImplausibleActionsError, match=r"'x' goes up to 0.9.* m per action.*m/s: no arm is as fast"):
        check_recorded(card, recorded(x=wave(0.9)))
    with pytest.raises(ImplausibleActionsError, match=r"rad/s: no arm is as fast.*degrees"):
        check_speed({CARD.dimensions[4]: 30.0}, rate)


@pytest.mark.parametrize(
    ("low", "high", "rate", "speed"), [(-47.3, 47.3, 10.0, "473 m/s"), (-0.6, 0.6, 20.0, "12 m/s")]
)
def test_a_card_whose_range_no_arm_can_follow_is_refused(low: float, high: float, rate: float, speed: str) -> None:
    far = ActionDimension("x", "translation_x", low, high, "m")
    with pytest.raises(ActionCardError, match=f"{speed} at control_rate {rate:g} Hz; no arm is as fast"):
        replace(CARD, dimensions=(CARD.dimensions[0], far, *CARD.dimensions[2:]), control_rate=rate)


@pytest.mark.parametrize(
    ("told", "ends", "fine"),
    [
        ((0, 1), (0.0, 1.0), True),
        ((0, 1), (1.0, 0.0), True),
        ((-1, 1), (-1.0, 1.0), True),
        ((0, 1), (-1.0, 1.0), False),
        ((0, 0.08), (0.0, 1.0), False),
        ((0, 1), (0.0, 255.0), False),
        ((0, 0.63), (0.0, 1.0), True),
        (tuple(np.linspace(0, 0.08, 9)), (0.0, 1.0), False),
        (tuple(np.linspace(0, 0.015, 9)), (0.0, 1.0), True),
        (tuple(np.linspace(0, 0.8, 9)), (0.0, 1.0), True),
        ((1, 1), (-1.0, 1.0), True),
        ((0, 0.5, 1), (-1.0, 1.0), True),
    ],
)
def test_gripper_commands_must_be_on_the_scale_of_the_card(
    told: tuple[float, ...], ends: tuple[float, float], fine: bool
) -> None:
    gripper = ActionDimension("gripper", "gripper", min(ends), max(ends), "1")
    card = replace(CARD, dimensions=(*CARD.dimensions[:-1], gripper), gripper_open=ends[0], gripper_closed=ends[1])
    values = recorded(gripper=np.resize(np.array(told, np.float64), COUNT))
    if fine:
        check_recorded(card, values)
    else:
        with pytest.raises(ImplausibleActionsError, match=r"only commanded to .* but the card says that it is open at"):
            check_recorded(card, values)


@pytest.mark.parametrize("amplitude", [0.0, 0.00005])
def test_an_arm_that_never_leaves_the_bin_of_standstill_is_refused(amplitude: float) -> None:
    still = recorded(**dict.fromkeys(("x", "y", "z", "rx", "ry", "rz"), wave(amplitude)))
    with pytest.raises(ImplausibleActionsError, match=r"are all in the bin of 0: 'x' \(-0.1 to 0.1 m\) up to"):
        check_recorded(CARD, still)
    still[:, 3] = wave(0.05)
    check_recorded(CARD, still)


def test_modes_in_another_order_are_noticed() -> None:
    with pytest.raises(ImplausibleActionsError, match=r"98% of the recorded actions are 'terminate'"):
        check_recorded(CARD, recorded(mode=np.r_[np.ones(8), np.zeros(COUNT - 8)]))


def test_an_unused_dimension_may_hold_anything() -> None:
    unused = ActionDimension("base", "unused", -1.0, 1.0, "m")
    card = replace(CARD, dimensions=(CARD.dimensions[0], unused, *CARD.dimensions[2:]))
    assert check_recorded(card, recorded(x=wave(80.0)))[1].clipped > 0.9


def test_recorded_states_lie_within_the_cards_ranges() -> None:
    hand = StateDimension("hand", "1", 0.0, 1.0, "gripper")
    card = replace(CARD, state=(StateDimension("elbow", "rad", -2.0, 2.0, "joint:elbow"), hand))
    inside = np.stack([np.linspace(-2.0, 2.0, 200), np.linspace(0.0, 1.0, 200)], axis=1)
    check_recorded_state(card, inside.astype(np.float32).astype(np.float64))
    few = inside.copy()
    few[:10] = 9.0  # a twentieth
    check_recorded_state(card, few)
    degrees = np.degrees(inside) * [1, np.radians(1)]
    with pytest.raises(
        ImplausibleActionsError,
        match=r"Of 200 recorded states, these are outside the card's range: 98\.0% of 'elbow' \(-2 to 2 rad; most are "
        r"-112 to 112\): they look like degrees\. At most 5%",
    ):
        check_recorded_state(card, degrees)
    with pytest.raises(ImplausibleActionsError, match=r"of 'hand' \(0 to 1; most are 2\.01 to 2\.99\)\. At most"):
        check_recorded_state(card, inside + np.array([0, 2]))
