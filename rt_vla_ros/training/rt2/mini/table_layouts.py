"""Random static tables: images with questions (web data), and frames labeled by the expert (robot data)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rt_vla_ros.sim.cards import SPACING, Card, card_at
from rt_vla_ros.sim.objects import ALL_KINDS, SHAPES, ObjectKind, PlacedObject, SceneLayout
from rt_vla_ros.sim.scenes import MAX_CARD_TURN, START_HIGH, START_LOW, draw_places, draw_symbols
from rt_vla_ros.sim.suites import TRAINING_APPEARANCE, AppearanceJitter, triple
from rt_vla_ros.sim.word_suites import ROBOT_KINDS

USUAL = 3  # objects, as most suites have
MOST, MOST_OF_ROBOT = 7, 9  # objects
MOST_ON_CARDS = 4  # objects on a table with cards, which need more space
CARD_TABLES, ON_CARD = 0.3, 0.85  # share of the web tables with cards; of the objects on them that stand on one
OTHER_LOOKS = 0.3  # share of the tables with other colors, light and camera poses, as suites for training have them

TOOL_LOW, TOOL_HIGH = (0.32, -0.26, 0.05), (0.68, 0.26, 0.34)  # anywhere [m]
ABOVE_TABLE = 0.021  # lowest tool [m]
ABOVE_OBJECT = 0.006  # of the tool over an object's center when it grasps [m]
FUNNEL_HEIGHT, NEAR_HEIGHT = 0.14, 0.03  # [m]
FUNNEL_WIDTH = (0.004, 0.3)  # standard deviation sideways [m], and its growth per m of height
MAX_YAW = 0.8  # [rad]


def random_table_layout(rng: np.random.Generator, web: bool) -> SceneLayout:
    """A snapshot of a table: the tool is in a suite's approach, anywhere, or in the funnel above an object.

    web: with all kinds and cards; else with the kinds of robot data, without cards.
    """
    cards = web and rng.random() < CARD_TABLES
    kinds = _web_kinds(rng, cards) if web else _robot_kinds(rng)
    places = draw_places(len(kinds), rng, SPACING) if cards else draw_places(len(kinds), rng)
    yaws = rng.uniform(-np.pi / 4, np.pi / 4, len(kinds))
    laid = zip(kinds, places, yaws, strict=True)
    objects = tuple(PlacedObject(kind, float(x), float(y), float(yaw)) for kind, (x, y), yaw in laid)
    start, yaw = _tool(objects, rng)
    looks = TRAINING_APPEARANCE if rng.random() < OTHER_LOOKS else AppearanceJitter()
    return SceneLayout(objects, start, yaw, looks.draw(rng), _cards_under(objects, rng) if cards else ())


def _web_kinds(rng: np.random.Generator, cards: bool) -> list[ObjectKind]:
    most = MOST_ON_CARDS if cards else MOST
    count = int(rng.integers(1, most + 1)) if rng.random() < 0.6 else USUAL
    return [ALL_KINDS[index] for index in rng.permutation(len(ALL_KINDS))[:count]]


def _robot_kinds(rng: np.random.Generator) -> list[ObjectKind]:
    """Three of any kind, three of different colors, or more."""
    kinds, chance = [ROBOT_KINDS[index] for index in rng.permutation(len(ROBOT_KINDS))], rng.random()
    if chance < 0.45:
        return kinds[:USUAL]
    if chance < 0.6:
        return list({kind.colour: kind for kind in kinds}.values())[:USUAL]
    return kinds[: int(rng.integers(USUAL, MOST_OF_ROBOT + 1))]


def _cards_under(objects: Sequence[PlacedObject], rng: np.random.Generator) -> tuple[Card, ...]:
    """Cards under most objects, at least under one."""
    on_card = rng.random(len(objects)) < ON_CARD
    on_card[int(rng.integers(len(objects)))] = True
    turns = rng.uniform(-MAX_CARD_TURN, MAX_CARD_TURN, len(objects))
    drawn = zip(draw_symbols(len(objects), rng), objects, turns, on_card, strict=True)
    return tuple(card_at(symbol, item.x, item.y, float(turn)) for symbol, item, turn, lies in drawn if lies)


def _tool(objects: Sequence[PlacedObject], rng: np.random.Generator) -> tuple[tuple[float, float, float], float]:
    """Position of the tool [m] and its yaw [rad]."""
    chance = rng.random()
    if chance < 0.3:
        return triple(rng.uniform(START_LOW, START_HIGH)), float(rng.uniform(-0.3, 0.3))
    if chance < 0.55:
        return triple(rng.uniform(TOOL_LOW, TOOL_HIGH)), float(rng.uniform(-MAX_YAW, MAX_YAW))
    below = objects[int(rng.integers(len(objects)))]
    height = rng.uniform(0.0, FUNNEL_HEIGHT if rng.random() < 0.7 else NEAR_HEIGHT)
    x, y = (below.x, below.y) + (FUNNEL_WIDTH[0] + FUNNEL_WIDTH[1] * height) * rng.normal(size=2)
    z = max(ABOVE_TABLE, SHAPES[below.kind.shape].half_height + ABOVE_OBJECT + height)
    if rng.random() < 0.5:
        return triple(np.array([x, y, z])), float(rng.uniform(-MAX_YAW, MAX_YAW))
    turned = below.yaw if SHAPES[below.kind.shape].symmetry else 0.0
    return triple(np.array([x, y, z])), float(turned + 0.1 * rng.normal())
