from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rt_vla_ros.action_space.card import ActionCard, ActionCardError
from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.action_space.rt1_actions import JAX_ORDER, ROBOTS
from rt_vla_ros.policies.rt1.checkpoint import check_card
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.convert.public_cards import ORDERS, action_order, public_card

PUBLIC = ("rt1", "rt1-multirobot", "rt1-jax", "rt1-x")


@pytest.mark.parametrize("robot", ROBOTS)
@pytest.mark.parametrize("preset", PUBLIC)
def test_cards_fit_their_networks(preset: str, robot: str, tmp_path: Path) -> None:
    config = RT1Config.preset(preset)
    card = public_card(config, preset, robot=robot)
    check_card(card, config, tmp_path)
    card.save(tmp_path)
    assert ActionCard.load(tmp_path) == card
    assert card.dimensions[0].modes == ("terminate", "move", "move_base")
    assert card.dimensions[1].high == (2.0 if preset == "rt1-x" else 1.0)
    assert [d.role for d in card.dimensions].count("unused") == 3
    assert (card.rotation, card.postprocessing) == ("rpy" if robot == "widowx" else "rotation_vector", robot)
    assert (card.cameras[0].width, card.cameras[0].height, card.cameras[0].crop) == (320, 256, "pad")


def test_the_google_robots_base_has_roles_where_that_is_asked_for(tmp_path: Path) -> None:
    config = RT1Config.preset("rt1-x")
    card = public_card(config, "x", base=True)
    check_card(card, config, tmp_path)
    named = {one.name: one.role for one in card.dimensions if one.name.startswith("base_")}
    assert named == {
        "base_displacement_vertical_rotation": "base_yaw",
        "base_displacement_vector_x": "base_x",
        "base_displacement_vector_y": "base_y",
    }
    assert card.base_mode == 2
    assert any(note.startswith("Not verified: that base_displacement_vector is in meters") for note in card.notes)
    assert [(one.low, one.high) for one in card.dimensions] == [
        (one.low, one.high) for one in public_card(config, "x").dimensions
    ]
    with pytest.raises(ActionCardError, match="The robot widowx has no mobile base; google_robot has one"):
        public_card(config, "x", robot="widowx", base=True)


def test_a_range_other_than_the_networks_is_refused(tmp_path: Path) -> None:
    card = public_card(RT1Config.preset("rt1-x", vocab_size=256), "x")
    with pytest.raises(
        ActionCardError, match=r"world_vector_x from -2.0 to 2.0, .* world_vector_range is \[-1.0, 1.0\]"
    ):
        check_card(card, RT1Config.preset("rt1-jax"), tmp_path)
    check_card(card, RT1Config.preset("rt1-jax", world_vector_range=None), tmp_path)


def test_unverified_facts_are_marked() -> None:
    config = RT1Config.preset("rt1")
    marked = public_card(config, "x", order=ORDERS["base-vector-first"], verified=False)
    assert any("order of the action's tokens" in note for note in marked.notes)
    assert [d.name for d in marked.dimensions][-3:] == [
        "base_displacement_vector_x",
        "base_displacement_vector_y",
        "base_displacement_vertical_rotation",
    ]
    assert not any("order of the action's tokens" in note for note in public_card(config, "x").notes)
    assert marked.notes[0].startswith("Ranges and modes: ")
    assert public_card(config, "x").notes[0].startswith("Ranges, order and modes: ")


def test_an_order_may_be_written_out() -> None:
    assert action_order("jax") == JAX_ORDER
    assert action_order(", ".join(reversed(JAX_ORDER))) == JAX_ORDER[::-1]
    for wrong in ("alphabetical", "", ",".join(JAX_ORDER[:5])):
        with pytest.raises(ActionCardError, match="expected one of jax, base-vector-first, or all of"):
            action_order(wrong)


def test_refuses_unknown_robots_and_networks_without_a_range() -> None:
    with pytest.raises(ActionCardError, match="Unknown robot 'panda'; expected one of google_robot, widowx"):
        public_card(RT1Config.preset("rt1"), "x", robot="panda")
    with pytest.raises(ActionCardError, match="no world_vector_range"):
        public_card(RT1Config.preset("rt1-mini"), "x")


@pytest.mark.parametrize(("robot", "value", "closed"), [("google_robot", 1.0, 1.0), ("google_robot", -1.0, 0.0)])
def test_grippers_close_at_plus_one(robot: str, value: float, closed: float) -> None:
    card = public_card(RT1Config.preset("rt1-x"), "x", robot=robot)
    values = np.zeros(11)
    values[7] = value
    assert ActionDecoder(card).step(values).gripper == closed
