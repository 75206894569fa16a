"""Words that occur only in web data: object kinds, synonyms of shapes, things, descriptions, symbols on cards.

Robot data has none of them: its tables contain ROBOT_KINDS without cards, and its instructions use colors and shapes in
the phrasings of PICK_PHRASINGS (those of rt2-mini sometimes only one of both, or a position in the image). Questions
about images have all of them. The suites `synonyms`, `reasoning` and `symbols` then test whether words transfer to the
arm. All of this was fixed before any policy was evaluated on them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rt_vla_ros.sim.cards import SYMBOLS
from rt_vla_ros.sim.objects import ALL_KINDS, SHAPE_WORDS, SHAPES, ObjectKind

WEB_ONLY_COLOURS: tuple[str, ...] = ("purple",)
WEB_ONLY_KINDS: tuple[ObjectKind, ...] = (
    *(kind for kind in ALL_KINDS if kind.colour in WEB_ONLY_COLOURS),
    ObjectKind("yellow", "ball"),
    ObjectKind("green", "cylinder"),
)
"""Kinds that occur only in images with questions. The suite `unseen` names three of them."""
ROBOT_KINDS: tuple[ObjectKind, ...] = tuple(kind for kind in ALL_KINDS if kind not in WEB_ONLY_KINDS)
"""All kinds on the tables of robot data."""


def synonyms(shape: str) -> tuple[str, ...]:
    """Synonyms of a shape, which do not occur in robot data."""
    return tuple(name for name, meant in SHAPE_WORDS.items() if meant == shape != name)


@dataclass(frozen=True)
class WordMeaning:
    """A description of objects without their colors and shapes.

    group: "thing" (a name), "category", or "likeness" (a color, by something that has it). phrase: as in "the apple".
    kinds: all kinds that match. cores: word sequences, of which one identifies it in a sentence.
    """

    group: str
    phrase: str
    kinds: tuple[ObjectKind, ...]
    cores: tuple[str, ...]


THING_KINDS: dict[str, ObjectKind] = {
    "apple": ObjectKind("red", "ball"),
    "tangerine": ObjectKind("orange", "ball"),
    "pea": ObjectKind("green", "ball"),
    "blueberry": ObjectKind("blue", "ball"),
    "plum": ObjectKind("purple", "ball"),
    "sausage": ObjectKind("red", "cylinder"),
    "carrot": ObjectKind("orange", "cylinder"),
    "banana": ObjectKind("yellow", "cylinder"),
    "bottle": ObjectKind("blue", "cylinder"),
    "brick": ObjectKind("red", "cube"),
    "cheese": ObjectKind("yellow", "cube"),
    "ice": ObjectKind("cyan", "cube"),
}
"""The things that objects of some kinds represent."""
FRUIT = ("apple", "tangerine", "blueberry", "plum", "banana")
VEGETABLES = ("pea", "carrot")
FOOD = (*FRUIT, *VEGETABLES, "sausage", "cheese")
ALIKE: dict[str, tuple[str, ...]] = {
    "red": ("fire", "a tomato"),
    "orange": ("a pumpkin", "a fox"),
    "yellow": ("the sun", "corn"),
    "green": ("grass", "a frog"),
    "cyan": ("a swimming pool",),
    "blue": ("the deep sea", "jeans"),
    "purple": ("lavender", "an eggplant"),
}
"""Things with a typical color."""


def _kinds(things: Iterable[str]) -> tuple[ObjectKind, ...]:
    return tuple(THING_KINDS[thing] for thing in things)


def _of_shapes(*shapes: str) -> tuple[ObjectKind, ...]:
    return tuple(kind for kind in ALL_KINDS if kind.shape in shapes)


def _of_colour(colour: str) -> tuple[ObjectKind, ...]:
    return tuple(kind for kind in ALL_KINDS if kind.colour == colour)


THINGS: tuple[WordMeaning, ...] = tuple(
    WordMeaning("thing", f"the {name}", (kind,), (name,)) for name, kind in THING_KINDS.items()
)
CATEGORIES: tuple[WordMeaning, ...] = tuple(
    WordMeaning("category", phrase, kinds, tuple(cores))
    for phrase, kinds, *cores in (
        ("the fruit", _kinds(FRUIT), "fruit"),
        ("the vegetable", _kinds(VEGETABLES), "vegetable"),
        ("something to eat", _kinds(FOOD), "to eat", "can eat", "edible"),
        ("something to drink from", _kinds(["bottle"]), "to drink", "can drink"),
        ("something cold", _kinds(["ice"]), "something cold", "cold thing", "cold object", "cold one"),
        ("something with corners", _of_shapes("cube"), "with corners", "has corners"),
        ("something that rolls in every direction", _of_shapes("ball"), "rolls in every", "rolls everywhere"),
        ("something that rolls in one direction", _of_shapes("cylinder"), "rolls in one"),
        ("something to stack", _of_shapes("cube", "cylinder"), "to stack", "can stack"),
    )
)
LIKENESSES: tuple[WordMeaning, ...] = tuple(
    WordMeaning("likeness", f"the thing that has the colour of {what}", _of_colour(colour), (f"colour of {what}",))
    for colour, all_alike in ALIKE.items()
    for what in all_alike
)
MEANINGS: tuple[WordMeaning, ...] = (*THINGS, *CATEGORIES, *LIKENESSES)

THING_PHRASINGS: tuple[str, ...] = (
    "pick up {thing}",
    "pick {thing} up",
    "lift {thing}",
    "lift up {thing}",
    "grab {thing}",
    "take {thing}",
    "please pick up {thing}",
    "get {thing}",
    "grasp {thing} and lift it",
)
"""The phrasings of PICK_PHRASINGS that fit any description of an object."""
ON_SYMBOL: tuple[str, ...] = ("the object on the {symbol}", "the thing on the {symbol}", "what is on the {symbol}")


def on_symbols() -> list[str]:
    """All descriptions of an object by the card under it."""
    return [template.format(symbol=symbol) for template in ON_SYMBOL for symbol in SYMBOLS]


WEB_ONLY_WORDS: frozenset[str] = frozenset(
    (
        *WEB_ONLY_COLOURS,
        *(name for shape in SHAPES for name in synonyms(shape)),
        *THING_KINDS,
        *(what.split()[-1] for all_alike in ALIKE.values() for what in all_alike),
        *("fruit", "vegetable", "eat", "drink", "cold", "corners", "rolls", "stack"),
    )
)
"""Words that do not occur in robot data, besides the symbols."""


def said_meanings(sentence: str) -> tuple[list[WordMeaning], str]:
    """The meanings in a sentence of lower-case words, and the sentence without their words."""
    said, rest = list[WordMeaning](), f" {sentence} "
    for meaning in MEANINGS:
        if core := next((core for core in meaning.cores if f" {core} " in rest), ""):
            said.append(meaning)
            rest = rest.replace(f" {core} ", " ")
    return said, rest.strip()
