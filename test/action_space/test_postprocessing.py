from __future__ import annotations

import copy

import numpy as np
import pytest
from support.cards import card, card_data

from rt_vla_ros.action_space.card import ActionCard, ActionCardError
from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.action_space.postprocessing import make_postprocessing

ROLES = (
    "terminate",
    *(f"translation_{axis}" for axis in "xyz"),
    *(f"rotation_{axis}" for axis in "xyz"),
    "gripper",
    "unused",
)


def values(gripper: float = 0.0) -> np.ndarray:
    return np.array([1, 1.75, -0.875, 3.0, 0.7, -1.4, 0.0, gripper, 0.3])


def test_widowx_is_simplerenvs() -> None:
    processed = make_postprocessing("widowx", ROLES)(values(0.4))
    np.testing.assert_allclose(processed, [1, 0.05, -0.025, 0.05, 0.125, -0.25, 0, -1, 0.3], atol=1e-12)
    assert make_postprocessing("widowx", ROLES)(values(-0.4))[7] == 1
    assert make_postprocessing("widowx", ROLES)(values(0.0))[7] == -1, "2 * (-0 > 0) - 1"


def test_google_robot_keeps_its_gripper_where_nothing_changes() -> None:
    process = make_postprocessing("google_robot", ROLES)
    targets = [process(values(change))[7] for change in (0.0, 0.009, 0.5, -0.005, 1.0, 0.0, -0.5, -1.0)]
    np.testing.assert_allclose(targets, [-1, -1, 0, 0, 1, 1, 0, -1])
    np.testing.assert_array_equal(process(values())[:7], values()[:7])


def test_a_new_one_starts_with_an_open_gripper_and_a_copy_remembers_by_itself() -> None:
    process = make_postprocessing("google_robot", ROLES)
    assert process(values(0.5))[7] == 0
    other = copy.copy(process)
    assert other(values(0.5))[7] == 1
    assert process(values())[7] == 0
    assert make_postprocessing("google_robot", ROLES)(values())[7] == -1


@pytest.mark.parametrize(("value", "expected"), [(1.0, 1), (0.002, 1), (0.0, -1), (-0.4, -1), (-1.0, -1)])
def test_liberos_gripper_is_binary(value: float, expected: float) -> None:
    processed = make_postprocessing("libero", ROLES)(values(value))
    assert processed[7] == expected
    np.testing.assert_array_equal(np.delete(processed, 7), np.delete(values(), 7))


@pytest.mark.parametrize("name", ["google_robot", "widowx", "libero"])
def test_the_input_is_unchanged(name: str) -> None:
    given = values(0.5)
    result = make_postprocessing(name, ROLES)(given)
    np.testing.assert_array_equal(given, values(0.5))
    assert result is not given


def test_refuses_names_it_does_not_know() -> None:
    with pytest.raises(
        ValueError, match="Unknown postprocessing 'panda'; expected one of google_robot, widowx, libero"
    ):
        make_postprocessing("panda", ROLES)
    with pytest.raises(ActionCardError, match="postprocessing is 'panda'"):
        card(postprocessing="panda")


def test_cards_without_the_key_are_as_before() -> None:
    old = ActionCard.from_dict(card_data())
    assert (old.postprocessing, old.notes) == ("", ())
    assert ActionCard.from_dict(old.to_dict()) == old
    with pytest.raises(ActionCardError, match="notes must be a list of sentences"):
        card(notes="one")


def test_widowx_grippers_on_a_card() -> None:
    """After the inversion 1 is open: the card says so, and a closing network closes."""
    widowx = card(postprocessing="widowx", rotation="rpy", gripper_open=1.0, gripper_closed=-1.0)
    closing = np.array([1, 0, 0, 0, 0, 0, 0, 0.8, 0])
    assert ActionDecoder(widowx).step(closing).gripper == 1.0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"rotation": "rotation_vector"},
            "rotation is 'rotation_vector', but postprocessing 'widowx' returns 'rpy'",
        ),
        ({"gripper_open": -1.0, "gripper_closed": 1.0}, "gripper_open is -1.0, but postprocessing 'widowx' returns"),
        (
            {"dimensions": [d for d in card_data()["dimensions"] if d["role"] != "gripper"]},
            "needs a dimension with the role 'gripper'",
        ),
    ],
)
def test_a_card_that_contradicts_it_is_refused(changes: dict, sentence: str) -> None:
    fitting = {"postprocessing": "widowx", "rotation": "rpy", "gripper_open": 1.0, "gripper_closed": -1.0}
    card(**fitting)
    with pytest.raises(ActionCardError, match=sentence):
        card(**{**fitting, **changes})
