"""Dimensions that move a mobile base: what a card may say of them, and what their tokens become."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.cards import card, card_data

from rt_vla_ros.action_space.card import ActionCard, ActionCardError, kind_of_motion
from rt_vla_ros.action_space.chunk import KEEP_GRIPPER, EndEffectorStep
from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.action_space.plausibility import ImplausibleActionsError, check_recorded
from rt_vla_ros.action_space.rt1_actions import rt1_card
from rt_vla_ros.action_space.tokenizer import ActionTokenizer

TERMINATE, ARM, BASE = 0, 1, 2
BASE_DIMENSIONS = [
    {"name": "wheels_turn", "role": "base_yaw", "low": -0.6, "high": 0.6, "unit": "rad"},
    {"name": "wheels_x", "role": "base_x", "low": -0.3, "high": 0.3, "unit": "m"},
    {"name": "wheels_y", "role": "base_y", "low": -0.3, "high": 0.3, "unit": "m"},
]


def mobile_data(modes: tuple[str, ...] = ("terminate", "arm", "move_base"), **changes: Any) -> dict[str, Any]:
    data = card_data(**changes)
    data["dimensions"] = [*data["dimensions"][:-1], *BASE_DIMENSIONS]
    data["dimensions"][0]["modes"] = list(modes)
    return data


def mobile_card(modes: tuple[str, ...] = ("terminate", "arm", "move_base"), **changes: Any) -> ActionCard:
    return ActionCard.from_dict(mobile_data(modes, **changes))


def values_of(mode: int, base: tuple[float, float, float] = (0.1, 0.2, -0.1)) -> np.ndarray:
    """Of an arm that moves and closes its gripper, and a base that turns, goes forward and sideways, in this order."""
    return np.array([mode, 0.1, 0.2, 0.3, 0.1, -0.1, 0.2, -1.0, *base])


def test_a_card_with_a_base_goes_to_json_and_back() -> None:
    mobile = mobile_card()
    assert ActionCard.from_dict(mobile.to_dict()) == mobile
    assert (mobile.moves_base, mobile.base_mode) == (True, BASE)
    assert (card().moves_base, card().base_mode) == (False, None)
    assert [kind_of_motion(one.role) for one in mobile.dimensions[-3:]] == ["base_rotation", *["base_translation"] * 2]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"unit": "rad"}, "'wheels_x' has the unit 'rad', the role base_x is in 'm'"),
        ({"role": "base_y"}, "the role 'base_y' is used by two dimensions"),
        ({"role": "base_z"}, "has the role 'base_z', expected one of terminate, .*base_x, base_y, base_yaw, unused"),
        ({"low": -30.0}, r"90 m/s at control_rate 3 Hz; no base is as fast\. Give displacements"),
        ({"low": float("nan")}, "expected a finite low below high"),
    ],
)
def test_an_invalid_base_is_refused(change: dict[str, Any], sentence: str) -> None:
    data = mobile_data()
    data["dimensions"][-2] = {**data["dimensions"][-2], **change}
    with pytest.raises(ActionCardError, match=sentence):
        ActionCard.from_dict(data)


def test_one_of_three_modes_must_be_the_bases() -> None:
    with pytest.raises(ActionCardError, match=r"'end' has the modes \['terminate', 'arm', 'base'\].* 'move_base'"):
        mobile_card(("terminate", "arm", "base"))


def test_chunks_are_not_averaged_if_a_mode_moves_arm_or_base() -> None:
    ensemble = {"rule": "mean", "weight": 0, "chunks": 3}
    with pytest.raises(
        ActionCardError, match="ensemble combines 3 chunks: the mean of one in the mode 'move_base' and"
    ):
        mobile_card(horizon=4, ensemble=ensemble)
    assert mobile_card(("terminate", "arm"), horizon=4, ensemble=ensemble).moves_base


def test_motion_is_not_compensated_if_a_mode_moves_arm_or_base() -> None:
    ensemble = {"rule": "compensated", "weight": 0, "chunks": 1}
    with pytest.raises(ActionCardError, match=r"rule 'compensated', which corrects .*the base would move in another"):
        mobile_card(horizon=4, ensemble=ensemble)
    assert mobile_card(("terminate", "arm"), horizon=4, ensemble=ensemble).moves_base


def test_in_the_mode_of_the_arm_only_the_arm_moves() -> None:
    step = ActionDecoder(mobile_card()).step(values_of(ARM))
    assert not step.base.any()
    np.testing.assert_array_equal(step.translation, [0.1, 0.2, 0.3])
    assert (step.gripper, step.terminate) == (1.0, False)


def test_in_the_mode_of_the_base_only_the_base_moves() -> None:
    step = ActionDecoder(mobile_card()).step(values_of(BASE))
    np.testing.assert_array_equal(step.base, [0.2, -0.1, 0.1])
    assert not step.translation.any()
    assert not step.rotation.any()
    assert (step.gripper, step.terminate) == (KEEP_GRIPPER, False)


def test_a_terminate_moves_no_base() -> None:
    step = ActionDecoder(mobile_card()).step(values_of(TERMINATE))
    assert (step.terminate, step.base.any()) == (True, False)


def test_in_the_mode_of_a_base_that_is_unused_nothing_moves() -> None:
    google = rt1_card("google", mobile_card().cameras[0])
    assert (google.moves_base, google.base_mode) == (False, BASE)
    roles = [one.role for one in google.dimensions]
    values = np.full(len(roles), 0.2)
    values[roles.index("terminate")] = BASE
    decoder = ActionDecoder(google)
    step = decoder.step(values)
    assert not np.any([step.translation, step.rotation, step.base])
    assert (step.gripper, step.terminate) == (KEEP_GRIPPER, False)
    values[roles.index("terminate")] = ARM
    assert decoder.step(values).translation.all()
    assert ActionTokenizer(card()).from_step(EndEffectorStep(np.zeros(3), np.zeros(3), 0.0, base=np.ones(3))).any()


def test_without_its_own_mode_a_base_moves_with_the_arm() -> None:
    step = ActionDecoder(mobile_card(("terminate", "arm"))).step(values_of(ARM))
    np.testing.assert_array_equal(step.base, [0.2, -0.1, 0.1])
    np.testing.assert_array_equal(step.translation, [0.1, 0.2, 0.3])


@pytest.mark.parametrize("quantization", ["round", "truncate", "centers", "middles"])
@pytest.mark.parametrize("bins", [255, 256])
def test_the_bin_nearest_to_zero_does_not_move_the_base(quantization: str, bins: int) -> None:
    mobile = mobile_card(quantization=quantization, bins=bins)
    decoder = ActionDecoder(mobile)
    still, least = (decoder.tokenizer.encode(values_of(BASE, (v, v, v))) for v in (0.0, 1.6 * 0.6 / (bins - 1)))
    assert not decoder.step(decoder.tokenizer.decode(still)).base.any()
    assert decoder.step(decoder.tokenizer.decode(least)).base[0] > 0


def test_expected_values_near_nothing_leave_it_where_it_is_too() -> None:
    decoder = ActionDecoder(mobile_card(), "expected_value")
    tokens = decoder.tokenizer.encode(values_of(BASE, (0.0, 0.2, 0.0)))
    probabilities = np.zeros((len(tokens), 256))
    probabilities[np.arange(len(tokens)), tokens] = 0.7  # of 0.0 that is the bin above it
    probabilities[np.arange(len(tokens)), np.maximum(tokens - 1, 0)] = 0.3
    probabilities[0] = np.arange(256) == BASE
    (step,) = decoder.from_probabilities(probabilities).steps
    assert step.base[0] == pytest.approx(0.2, abs=0.003)
    assert (step.base[1], step.base[2]) == (0, 0)


@pytest.mark.parametrize("mode", [ARM, BASE])
def test_a_step_becomes_the_values_that_it_came_from(mode: int) -> None:
    mobile = mobile_card()
    decoder, step = ActionDecoder(mobile), ActionDecoder(mobile).step(values_of(mode))
    again = decoder.step(ActionTokenizer(mobile).from_step(step))
    np.testing.assert_array_equal(again.base, step.base)
    np.testing.assert_array_equal(again.translation, step.translation)
    assert again.gripper == step.gripper


def test_a_step_without_motion_is_in_the_arms_mode() -> None:
    tokenizer = ActionTokenizer(mobile_card(("move_base", "terminate", "arm")))
    assert tokenizer.from_step(EndEffectorStep(np.zeros(3), np.zeros(3), 0.0))[0] == 2
    assert tokenizer.from_step(EndEffectorStep(np.zeros(3), np.zeros(3), 0.0, terminate=True))[0] == 1
    assert tokenizer.from_step(EndEffectorStep(np.zeros(3), np.zeros(3), base=np.array([0.1, 0, 0])))[0] == 0


def test_a_step_that_no_mode_can_do_is_refused() -> None:
    both = EndEffectorStep(np.array([0.1, 0, 0]), np.zeros(3), 0.0, base=np.array([0.1, 0, 0]))
    with pytest.raises(ValueError, match="A step moves both arm and base"):
        ActionTokenizer(mobile_card()).from_step(both)
    assert ActionTokenizer(mobile_card(("terminate", "arm"))).from_step(both)[-2] == 0.1


def test_the_gripper_of_the_google_robot_is_where_it_was_once_the_base_has_moved() -> None:
    front = card_data()["cameras"][0]
    mobile = rt1_card("google", ActionCard.from_dict(card_data(cameras=[front])).cameras[0], base=True)
    decoder = ActionDecoder(mobile)
    roles = [one.role for one in mobile.dimensions]

    def act(mode: str, **values: float) -> EndEffectorStep:
        row = np.zeros(len(roles))
        row[roles.index("terminate")] = mobile.dimensions[roles.index("terminate")].modes.index(mode)
        for role, value in values.items():
            row[roles.index(role)] = value
        return decoder.step(row)

    assert act("move", gripper=1.0).gripper == 1.0
    driven = act("move_base", base_x=0.2, base_y=-0.1, base_yaw=0.3, gripper=-1.0, translation_x=0.5)
    np.testing.assert_array_equal(driven.base, [0.2, -0.1, 0.3])
    assert (driven.gripper, driven.translation.any()) == (KEEP_GRIPPER, False)
    assert act("move").gripper == 1.0
    assert not act("move", base_x=0.2).base.any()


def test_recorded_motion_of_a_base_is_judged_like_that_of_an_arm() -> None:
    data = mobile_data(control_rate=9.0)
    data["dimensions"][-2] |= {"low": -0.5, "high": 0.5}
    rows = np.tile(values_of(BASE), (20, 1))
    rows[:, 1:7] = 0.0
    rows[::2, 7] = 1.0
    rows[:, 9] = 0.4
    with pytest.raises(ImplausibleActionsError, match=r"'wheels_x' goes up to 0.4 m.*3.6 m/s: no base is as fast"):
        check_recorded(ActionCard.from_dict(data), rows)
    rows[:, 9] = 0.2
    mobile = mobile_card()
    check_recorded(mobile, rows)
    rows[:, 9] = 200.0
    with pytest.raises(ImplausibleActionsError, match=r"'wheels_x'.*they look like millimeters\b"):
        check_recorded(mobile, rows)
