"""What is on a picture: hidden objects and cards, objects that were moved or are held."""

from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.sim import PlacedObject, SceneLayout, ScriptedExpert, TabletopSim, make_scene
from rt_vla_ros.sim.cards import card_at
from rt_vla_ros.sim.objects import ObjectKind
from rt_vla_ros.sim.scripted_expert import PERIOD
from rt_vla_ros.training.rt2.mini.tables import seen_cards, table_of

BALL, CYLINDER = ObjectKind("red", "ball"), ObjectKind("blue", "cylinder")


@pytest.mark.parametrize("seed", range(5))
def test_places_are_where_the_objects_colours_are(sim: TabletopSim, seed: int) -> None:
    sim.reset(make_scene("pick-colours", seed).layout)
    table, picture = table_of(sim), sim.render("front").astype(int)
    for kind, (u, v) in zip(table.kinds, table.points, strict=True):
        r, g, b = picture[int(v * 96), int(u * 96)]
        brightest = {"red": r, "green": g, "blue": b}.get(kind.colour)
        assert brightest is None or brightest == max(r, g, b)
    assert table.held is None
    assert table.symbols == ("", "", "")


def test_an_empty_table(sim: TabletopSim) -> None:
    sim.reset(SceneLayout(()))
    table = table_of(sim)
    assert table.kinds == ()
    assert table.places.shape == (0, 2)
    assert table.visible == []


def test_what_the_arm_or_another_object_hides_is_not_seen(sim: TabletopSim) -> None:
    ball = PlacedObject(BALL, 0.40, 0.0)
    sim.reset(SceneLayout((ball,), start=(0.45, 0.2, 0.25)))
    assert table_of(sim).visible == [0]
    sim.reset(SceneLayout((ball,), start=(0.60, 0.0, 0.06)))  # the hand is between the camera and the ball
    assert table_of(sim).visible == []
    assert np.isnan(table_of(sim).places).all()
    behind = (PlacedObject(BALL, 0.45, 0.0), PlacedObject(CYLINDER, 0.49, 0.0))
    sim.reset(SceneLayout(behind, start=(0.45, 0.2, 0.25)))
    assert table_of(sim).visible == [1]


def test_cards_are_seen_as_far_as_nothing_hides_them(sim: TabletopSim) -> None:
    ball, *wall = PlacedObject(BALL, 0.45, 0.0), *(PlacedObject(CYLINDER, 0.52, y) for y in (-0.04, 0.0, 0.04))
    card = card_at("moon", ball.x, ball.y, 0.0)
    sim.reset(SceneLayout((ball,), start=(0.45, 0.2, 0.25), cards=(card,)))
    assert table_of(sim).symbols == ("moon",)
    sim.reset(SceneLayout((ball, *wall), start=(0.45, 0.2, 0.25), cards=(card,)))
    assert not seen_cards(sim)[0]
    assert table_of(sim).symbols == ("", "", "", "")
    assert table_of(sim).visible == [0, 1, 2, 3]


def test_every_card_of_the_suite_symbols_is_seen(sim: TabletopSim) -> None:
    for seed in range(1 << 40, (1 << 40) + 40):
        scene = make_scene("symbols", seed)
        sim.reset(scene.layout)
        assert table_of(sim).symbols == scene.layout.symbols


def test_a_lifted_object_is_held_and_on_no_card(sim: TabletopSim) -> None:
    scene = make_scene("symbols", 1 << 40)
    sim.reset(scene.layout)
    expert, target = ScriptedExpert(scene), scene.task.target
    for _ in range(60):
        step = expert.step(sim)
        if step.terminate:
            break
        sim.command(step.translation / PERIOD, step.rotation / PERIOD)
        sim.command_gripper(step.gripper)
        sim.step(PERIOD)
    table = table_of(sim)
    assert table.held == target
    assert table.symbols[target] == ""
    assert sum(map(bool, table.symbols)) >= 1
