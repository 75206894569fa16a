"""What the arm is told in robot data: colour and shape, one of them where that is enough, or a place in the image."""

from __future__ import annotations

from rt_vla_ros.sim.instructions import PICK_PHRASINGS, phrase
from rt_vla_ros.sim.word_suites import THING_PHRASINGS
from rt_vla_ros.training.rt2.mini.questions import GAP, THINGS, FastRandom, Table, is_visible, where

NAMED = 0.6
"""Share of the instructions that say colour and shape whatever else is true. With nothing but such sentences the
actions come to depend on these words, and other words for what the model looks at spoil them."""


def instruction(table: Table, index: int, words: FastRandom) -> str:
    """To pick up one of the objects, which differ in colour or shape."""
    kind = table.kinds[index]
    if words.share() < NAMED or not (ways := _other_ways(table, index, words)):
        return phrase(words.one(PICK_PHRASINGS), kind)
    return words.one(THING_PHRASINGS).format(thing=words.one(ways))


def _other_ways(table: Table, index: int, words: FastRandom) -> list[str]:
    """Without both of colour and shape; the place is that of the object on this very image."""
    kind, point, ways = table.kinds[index], table.points[index], list[str]()
    if sum(other.colour == kind.colour for other in table.kinds) == 1:
        ways.append(f"the {kind.colour} {words.one(THINGS)}")
    if sum(other.shape == kind.shape for other in table.kinds) == 1:
        ways.append(f"the {kind.shape}")
    if is_visible(point) and table.is_alone(index, GAP):
        ways.append(f"the {words.one(THINGS)} at {where(point)}")
    return ways
