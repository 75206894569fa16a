"""Random tables: what robot data may have is all that they have, and web tables have everything."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rt_vla_ros.sim.cards import SPACING, SYMBOLS
from rt_vla_ros.sim.objects import ALL_KINDS, SceneLayout
from rt_vla_ros.sim.scenes import MINIMUM_DISTANCE
from rt_vla_ros.sim.word_suites import ROBOT_KINDS
from rt_vla_ros.training.rt2.mini.table_layouts import random_table_layout


def layouts(web: bool, count: int = 1500) -> list[SceneLayout]:
    rng = np.random.default_rng(1)
    return [random_table_layout(rng, web) for _ in range(count)]


def test_the_same_generator_lays_the_same_tables() -> None:
    assert layouts(True, 20) == layouts(True, 20)
    assert layouts(False, 20) == layouts(False, 20)


def test_robot_tables_have_robot_kinds_and_no_cards() -> None:
    drawn = layouts(web=False)
    assert {item.kind for layout in drawn for item in layout.objects} == set(ROBOT_KINDS)
    assert {len(layout.objects) for layout in drawn} == set(range(3, 10))
    assert not any(layout.cards for layout in drawn)
    assert len({layout.appearance.pattern for layout in drawn}) > 1


def test_web_tables_have_everything() -> None:
    drawn = layouts(web=True)
    assert {item.kind for layout in drawn for item in layout.objects} == set(ALL_KINDS)
    assert {len(layout.objects) for layout in drawn} == {1, 2, 3, 4, 5, 6, 7}
    with_cards = [layout for layout in drawn if layout.cards]
    assert 0.25 < len(with_cards) / len(drawn) < 0.35
    assert {symbol for layout in with_cards for symbol in layout.symbols} == {*SYMBOLS, ""}
    assert all(sum(map(bool, layout.symbols)) == len(layout.cards) for layout in with_cards)
    assert all(len({card.symbol for card in layout.cards}) == len(layout.cards) for layout in with_cards)
    assert len({layout.appearance.pattern for layout in drawn}) > 1


@pytest.mark.parametrize("web", [False, True])
def test_objects_are_apart_and_the_tool_is_above_the_table(web: bool) -> None:
    heights = []
    for layout in layouts(web, 500):
        spacing = SPACING if layout.cards else MINIMUM_DISTANCE
        for one, other in itertools.combinations(layout.objects, 2):
            assert np.hypot(one.x - other.x, one.y - other.y) >= spacing
            assert one.kind != other.kind
        heights.append(layout.start[2])
    assert min(heights) >= 0.021
    assert min(heights) < 0.04 < 0.3 < max(heights)
