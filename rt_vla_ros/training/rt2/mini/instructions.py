"""What the arm is told in robot data: by colour and shape, by less of them, or by a place in the image."""

from __future__ import annotations

from rt_vla_ros.sim.instructions import PICK_PHRASINGS, phrase
from rt_vla_ros.sim.word_suites import THING_PHRASINGS
from rt_vla_ros.training.rt2.mini.questions import GAP, THINGS, FastRandom, Table, is_visible, speak_of, where

NAMED = 0.6
"""Share of the instructions that say colour and shape; the others say less of them, or the place in the image: then
the arm goes where the model looks, whatever the words were."""


def instruction(table: Table, index: int, words: FastRandom) -> str:
    """To pick up one of the objects: by its colour and shape, by as much of them as tells it apart, or by its place."""
    if words.share() < NAMED or not is_visible(table.points[index]):
        return phrase(words.one(PICK_PHRASINGS), table.kinds[index])
    if words.share() < 0.5:
        thing = speak_of(table, index, words)
    else:
        alone = table.is_alone(index, GAP)
        thing = f"the {words.one(THINGS)} at {where(table.points[index])}" if alone else ""
    template = words.one(THING_PHRASINGS)
    return template.format(thing=thing) if thing else phrase(words.one(PICK_PHRASINGS), table.kinds[index])
