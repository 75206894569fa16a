"""Instructions of robot data: color and shape, one of them if unique, or a position in the image."""

from __future__ import annotations

from rt_vla_ros.sim.instructions import PICK_PHRASINGS, phrase
from rt_vla_ros.sim.word_suites import THING_PHRASINGS
from rt_vla_ros.training.rt2.mini.questions import GAP, THINGS, FastRandom, Table, is_visible, where

NAMED = 0.6
"""Share of the instructions that always name color and shape. With such instructions only, actions would depend on
these words, and other names would degrade them."""


def instruction(table: Table, index: int, words: FastRandom) -> str:
    """An instruction to pick up one of the objects, which differ in color or shape."""
    kind = table.kinds[index]
    if words.share() < NAMED or not (ways := _other_ways(table, index, words)):
        return phrase(words.one(PICK_PHRASINGS), kind)
    return words.one(THING_PHRASINGS).format(thing=words.one(ways))


def _other_ways(table: Table, index: int, words: FastRandom) -> list[str]:
    """Not with both color and shape; a position refers to this image."""
    kind, point, ways = table.kinds[index], table.points[index], list[str]()
    if sum(other.colour == kind.colour for other in table.kinds) == 1:
        ways.append(f"the {kind.colour} {words.one(THINGS)}")
    if sum(other.shape == kind.shape for other in table.kinds) == 1:
        ways.append(f"the {kind.shape}")
    if is_visible(point) and table.is_alone(index, GAP):
        ways.append(f"the {words.one(THINGS)} at {where(point)}")
    return ways
