"""Cards: where they lie, that they can be told apart, and that they change nothing else."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rt_vla_ros.sim import PlacedObject, SceneLayout, make_scene
from rt_vla_ros.sim.cards import HALF_SIZE, SYMBOLS, Card, card_at
from rt_vla_ros.sim.objects import ObjectKind

CUBE = ObjectKind("red", "cube")


def on_cards(*symbols, yaw=0.0):
    places = [(0.42, -0.15), (0.40, 0.05), (0.57, -0.06), (0.55, 0.16)][: len(symbols)]
    objects = tuple(PlacedObject(CUBE, *place) for place in places)
    cards = tuple(card_at(symbol, *place, yaw) for symbol, place in zip(symbols, places, strict=True))
    return SceneLayout(objects, cards=cards)


def test_every_symbol_looks_different(sim):
    pictures = {}
    for symbol in SYMBOLS:
        sim.reset(on_cards(symbol))
        pictures[symbol] = sim.render("front").astype(np.int64)
    for one, other in itertools.combinations(SYMBOLS, 2):
        differ = np.abs(pictures[one] - pictures[other]).max(axis=2) > 60
        assert differ.sum() >= 15, (one, other)  # of about 150 pixels of a card


@pytest.mark.parametrize("yaw", [0.0, 0.3, -0.3, np.pi, 2.0])
def test_an_object_is_on_the_card_made_for_it(yaw):
    assert on_cards("star", "moon", "ring", yaw=yaw).symbols == ("star", "moon", "ring")
    card = card_at("heart", 0.5, 0.1, yaw)
    assert card.is_under(0.5, 0.1)
    axis = np.array([np.cos(yaw), np.sin(yaw)])
    for distance, inside in ((HALF_SIZE[0] - 1e-6, True), (HALF_SIZE[0] + 1e-6, False)):
        for direction in (axis, -axis, axis[::-1] * (-1, 1), axis[::-1] * (1, -1)):
            assert card.is_under(*(card.x, card.y) + distance * direction) is inside


def test_without_a_card_there_is_no_symbol():
    assert make_scene("pick-any", 0).layout.symbols == ("", "", "")
    assert SceneLayout(()).symbols == ()
    assert SceneLayout((PlacedObject(CUBE, 0.5, 0.2),), cards=(Card("star", 0.5, 0.0),)).symbols == ("",)
    assert not Card("star", 0.5, 0.0).is_under(float("nan"), 0.0)


def test_unknown_symbols_and_too_many_cards_are_refused(sim):
    with pytest.raises(ValueError, match="no card with a 'sun'; available: star, heart, ring, cross, triangle, moon"):
        Card("sun", 0.5, 0.0)
    cards = tuple(Card("star", 0.4, 0.02 * i) for i in range(10))
    with pytest.raises(ValueError, match="The layout has 10 cards, expected at most 9"):
        sim.reset(SceneLayout((), cards=cards))
    sim.reset(SceneLayout((), cards=cards[:9]))  # more cards than objects


def test_cards_touch_nothing_and_are_gone_after_the_next_reset(sim, drive):
    scene = make_scene("pick-any", 4)
    sim.reset(scene.layout)
    picture = sim.render("front")
    drive(sim, scene, steps=15)
    moved = sim.data.qpos.copy()
    placed = scene.layout.objects
    cards = tuple(card_at(symbol, item.x, item.y, 0.2) for symbol, item in zip(SYMBOLS, placed, strict=False))
    sim.reset(SceneLayout(placed, scene.layout.start, scene.layout.start_yaw, scene.layout.appearance, cards))
    assert not np.array_equal(sim.render("front"), picture)
    drive(sim, scene, steps=15)
    np.testing.assert_array_equal(sim.data.qpos, moved)
    sim.reset(scene.layout)
    np.testing.assert_array_equal(sim.render("front"), picture)
