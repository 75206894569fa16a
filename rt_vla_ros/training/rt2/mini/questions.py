"""Questions about a table with their answers in words: the web data of rt2-mini.

Answers call every object by its colour and shape ("red cube"); questions also use what robot data never has:
synonyms of shapes, generic names, categories, comparisons and symbols on cards (sim/word_suites.py).
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.data.example import Turn
from rt_vla_ros.sim.cards import SYMBOLS
from rt_vla_ros.sim.instructions import PICK_PHRASINGS
from rt_vla_ros.sim.objects import ALL_KINDS, COLOURS, SHAPE_WORDS, SHAPES, ObjectKind
from rt_vla_ros.sim.word_suites import (
    ALIKE,
    MEANINGS,
    ON_SYMBOL,
    ROBOT_KINDS,
    THING_KINDS,
    THING_PHRASINGS,
    WEB_ONLY_COLOURS,
    WordMeaning,
    synonyms,
)
from rt_vla_ros.training.rt2.mini.network import BINS

T = TypeVar("T")
COUNTS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PLURALS: Mapping[str, str] = {word: "boxes" if word == "box" else f"{word}s" for word in SHAPE_WORDS}
NOTHING = "nothing"
GAP = 0.04  # between two objects in the image, so that one of them is what is at a place, or the leftmost
MOST_IN_CAPTION = 5  # objects

ROBOT_COLOURS = tuple(colour for colour in COLOURS if colour not in WEB_ONLY_COLOURS)
SYNONYM_SHARE = 0.4  # of the shapes in questions
SYMBOL_SHARE = 0.6  # of the objects on cards, when they are spoken of
MEANING_SHARE = 0.35  # of the other ones
COLOUR_SHARE, SHAPE_SHARE, THAT_IS_SHARE = 0.25, 0.15, 0.15  # "the red thing", "the cube", "the cube that is red"

Place = tuple[float, float]


@dataclass(frozen=True)
class Table:
    """The content of an image.

    kinds: of the N objects. places: their image positions, u and v in 0 ... 1 from the top left, shape (N, 2); may lie
    outside; NaN: hidden. symbols: of the card under each object; "" none. tool: image position of the tool, shape (2,).
    held: index of the held object, which is on no card.
    """

    kinds: tuple[ObjectKind, ...]
    places: NDArray[np.float64]
    symbols: tuple[str, ...]
    tool: NDArray[np.float64]
    held: int | None

    @cached_property
    def points(self) -> list[Place]:
        """The objects' positions as numbers."""
        return [(float(u), float(v)) for u, v in self.places]

    @cached_property
    def visible(self) -> list[int]:
        """Indices of the objects within the image."""
        return [index for index, point in enumerate(self.points) if is_visible(point)]

    @cached_property
    def from_left(self) -> list[int]:
        """All objects from left to right."""
        return sorted(range(len(self.kinds)), key=lambda index: self.points[index][0])

    def symbol(self, index: int) -> str:
        """Symbol of the object's card, if unique; else ""."""
        symbol = "" if index == self.held else self.symbols[index]
        return symbol if self.symbols.count(symbol) == 1 else ""

    def is_alone(self, index: int, distance: float) -> bool:
        """Whether every other object is farther away in the image, or hidden."""
        u, v = self.points[index]
        near = [(u - x) ** 2 + (v - y) ** 2 <= distance**2 for x, y in self.points]
        return sum(near) == 1


@dataclass(frozen=True)
class Question:
    """turn: text and answer. kind: one of QUESTION_KINDS. place: image position it refers to, if any."""

    turn: Turn
    kind: str
    place: Place | None


class FastRandom:
    """Fast random choices: numpy's are ten times slower for single numbers."""

    def __init__(self, rng: np.random.Generator, plain: bool = False) -> None:
        """plain: whether questions use only the vocabulary of robot data."""
        self._rng, self._numbers, self.plain = rng, list[float](), plain
        self.kinds = ROBOT_KINDS if plain else ALL_KINDS
        self.colours = ROBOT_COLOURS if plain else tuple(COLOURS)

    def share(self) -> float:
        """0 ... 1."""
        if not self._numbers:
            self._numbers = self._rng.random(32).tolist()
        return self._numbers.pop()

    def one(self, choices: Sequence[T]) -> T:
        return choices[int(self.share() * len(choices))]


def is_visible(point: Sequence[float]) -> bool:
    """Whether an image position is within the image."""
    return all(0.0 <= value <= 1.0 for value in point)


def where(point: Sequence[float]) -> str:
    """An image position as text: u, then v, as integers 0 ... 255, such as "120 88"."""
    return " ".join(str(min(max(round(value * (BINS - 1)), 0), BINS - 1)) for value in point)


def plan(kind: ObjectKind, place: Sequence[float]) -> str:
    """The robot's plan as text: "pick red cube at 120 88"."""
    return f"pick {kind.name} at {where(place)}"


MEANINGS_OF: Mapping[ObjectKind, tuple[WordMeaning, ...]] = {
    kind: tuple(meaning for meaning in MEANINGS if kind in meaning.kinds) for kind in ALL_KINDS
}
SHAPES_CALLED: Mapping[str, tuple[str, ...]] = {shape: synonyms(shape) for shape in SHAPES}


def shape_word(shape: str, draw: FastRandom) -> str:
    """The name of a shape, or a synonym."""
    return draw.one(SHAPES_CALLED[shape]) if not draw.plain and draw.share() < SYNONYM_SHARE else shape


def speak_of(table: Table, index: int, draw: FastRandom) -> str:
    """A phrase that is unique to this object on the table; "" if colour and shape are not."""
    kind = table.kinds[index]
    if (symbol := table.symbol(index)) and draw.share() < SYMBOL_SHARE:
        return f"the {draw.one(THINGS)} on the {symbol}"
    if draw.share() < MEANING_SHARE and (meaning := _unique_meaning(table, index, draw)):
        return meaning.phrase
    if table.kinds.count(kind) > 1:
        return ""
    if draw.share() < COLOUR_SHARE and sum(other.colour == kind.colour for other in table.kinds) == 1:
        return f"the {kind.colour} {draw.one(THINGS)}"
    shape = shape_word(kind.shape, draw)
    if draw.share() < SHAPE_SHARE and sum(other.shape == kind.shape for other in table.kinds) == 1:
        return f"the {shape}"
    return f"the {shape} that is {kind.colour}" if draw.share() < THAT_IS_SHARE else f"the {kind.colour} {shape}"


def _unique_meaning(table: Table, index: int, draw: FastRandom, without: str = "") -> WordMeaning | None:
    """A description unique to this object on the table. without: a group to exclude."""
    if draw.plain:
        return None
    true_here = [
        meaning
        for meaning in MEANINGS_OF[table.kinds[index]]
        if meaning.group != without and sum(kind in meaning.kinds for kind in table.kinds) == 1
    ]
    return draw.one(true_here) if true_here else None


THINGS = ("object", "thing")
Asked = tuple[str, str, "Place | None"]
"""A question, its answer, the position it refers to."""


def _where(table: Table, draw: FastRandom) -> Asked | None:
    index = draw.one(table.visible)
    phrase = speak_of(table, index, draw)
    return (f"where is {phrase}?", where(table.points[index]), table.points[index]) if phrase else None


def _what_at(table: Table, draw: FastRandom) -> Asked | None:
    index = draw.one(table.visible)
    point = table.points[index]
    return (f"what is at {where(point)}?", table.kinds[index].name, point) if table.is_alone(index, GAP) else None


def _which(table: Table, draw: FastRandom) -> Asked | None:
    """Questions that identify an object by something other than colour and shape."""
    index = draw.one(table.visible)
    kind, point = table.kinds[index], table.points[index]
    if (symbol := table.symbol(index)) and draw.share() < SYMBOL_SHARE:
        return f"what is on the {symbol}?", kind.name, point
    meaning = _unique_meaning(table, index, draw)
    return (f"which object is {meaning.phrase}?", kind.name, point) if meaning else None


def _symbol(table: Table, draw: FastRandom) -> Asked | None:
    index = draw.one(table.visible)
    kind = table.kinds[index]
    if not (symbol := table.symbol(index)) or table.kinds.count(kind) > 1:
        return None
    name = f"the {kind.colour} {shape_word(kind.shape, draw)}"
    return f"which symbol is {name} on?", symbol, table.points[index]


def _colour(table: Table, draw: FastRandom) -> Asked | None:
    index = draw.one(table.visible)
    kind, point = table.kinds[index], table.points[index]
    if (symbol := table.symbol(index)) and draw.share() < SYMBOL_SHARE:
        return f"what colour is the {draw.one(THINGS)} on the {symbol}?", kind.colour, point
    if draw.share() < MEANING_SHARE and (meaning := _unique_meaning(table, index, draw, without="likeness")):
        return f"what colour is {meaning.phrase}?", kind.colour, point
    if sum(other.shape == kind.shape for other in table.kinds) > 1:
        return None
    return f"what colour is the {shape_word(kind.shape, draw)}?", kind.colour, point


def _shape(table: Table, draw: FastRandom) -> Asked | None:
    index = draw.one(table.visible)
    kind, point = table.kinds[index], table.points[index]
    if (symbol := table.symbol(index)) and draw.share() < SYMBOL_SHARE:
        return f"what shape is the {draw.one(THINGS)} on the {symbol}?", kind.shape, point
    if draw.share() < MEANING_SHARE and (meaning := _unique_meaning(table, index, draw)):
        return f"what shape is {meaning.phrase}?", kind.shape, point
    if sum(other.colour == kind.colour for other in table.kinds) > 1:
        return None
    return f"what shape is the {kind.colour} {draw.one(THINGS)}?", kind.shape, point


def _count(table: Table, draw: FastRandom) -> Asked | None:
    if len(table.visible) < len(table.kinds):
        return None
    chance, kinds = draw.share(), table.kinds
    if chance < 0.4 or not kinds:
        what, number = "objects", len(kinds)
    elif chance < 0.7:
        colour = draw.one(kinds).colour if draw.share() < 0.6 else draw.one(draw.colours)
        what, number = f"{colour} objects", sum(kind.colour == colour for kind in kinds)
    else:
        shape = draw.one(tuple(SHAPES))
        what, number = PLURALS[shape_word(shape, draw)], sum(kind.shape == shape for kind in kinds)
    return (f"how many {what} are there?", COUNTS[number], None) if number < len(COUNTS) else None


def _exists(table: Table, draw: FastRandom) -> Asked | None:
    if len(table.visible) < len(table.kinds):
        return None
    chance, wanted = draw.share(), draw.share() < 0.5
    if chance < 0.2 and any(table.symbols):
        return _is_on(table, draw, wanted)
    if chance < 0.45 and not draw.plain:
        meaning = draw.one(MEANINGS_OF[draw.one(table.kinds)] if wanted and table.kinds else MEANINGS)
        true_for = [index for index, kind in enumerate(table.kinds) if kind in meaning.kinds]
        text = f"is {meaning.phrase} on the table?"
    else:
        kind = _asked_kind(table, draw, wanted)
        true_for = [index for index, other in enumerate(table.kinds) if other == kind]
        article = "an" if kind.colour == "orange" else "a"
        text = f"is there {article} {kind.colour} {shape_word(kind.shape, draw)}?"
    place = table.points[true_for[0]] if len(true_for) == 1 else None
    return text, "yes" if true_for else "no", place


def _asked_kind(table: Table, draw: FastRandom, wanted: bool) -> ObjectKind:
    """A kind on the table, or any; half of the latter differ from one on the table only in shape."""
    if not table.kinds:
        return draw.one(draw.kinds)
    there = draw.one(table.kinds)
    if wanted:
        return there
    near = [kind for kind in draw.kinds if kind.colour == there.colour and kind != there]
    return draw.one(near) if near and draw.share() < 0.5 else draw.one(draw.kinds)


def _is_on(table: Table, draw: FastRandom, wanted: bool) -> Asked | None:
    index = draw.one(table.visible)
    kind = table.kinds[index]
    if not (symbol := table.symbol(index)) or table.kinds.count(kind) > 1:
        return None
    asked = symbol if wanted else draw.one(SYMBOLS)
    name = f"the {kind.colour} {shape_word(kind.shape, draw)}"
    return f"is {name} on the {asked}?", "yes" if asked == symbol else "no", table.points[index]


def _side(table: Table, draw: FastRandom) -> Asked | None:
    if not table.kinds or len(table.visible) < len(table.kinds):
        return None
    side = draw.one(("leftmost", "rightmost"))
    order = table.from_left if side == "leftmost" else table.from_left[::-1]
    index = order[0]
    if len(order) > 1 and abs(table.points[index][0] - table.points[order[1]][0]) < GAP:
        return None
    point = table.points[index]
    if draw.share() < 0.5:
        return f"what is the {side} object?", table.kinds[index].name, point
    return f"where is the {side} object?", where(point), point


def _caption(table: Table, draw: FastRandom) -> Asked | None:
    order = table.from_left
    if len(table.visible) < len(order) or not 0 < len(order) <= MOST_IN_CAPTION:
        return None
    lefts = [table.points[index][0] for index in order]
    if any(right - left < GAP / 2 for left, right in pairwise(lefts)):
        return None
    text = draw.one(("what is on the table?", "describe the table from left to right"))
    return text, ", ".join(table.kinds[index].name for index in order), None


def _gripper(table: Table, draw: FastRandom) -> Asked | None:
    u, v = (float(value) for value in table.tool)
    return ("where is the gripper?", where((u, v)), (u, v)) if is_visible((u, v)) else None


def _held(table: Table, draw: FastRandom) -> Asked:
    held = table.held
    name = NOTHING if held is None else table.kinds[held].name
    return "what does the gripper hold?", name, table.points[held] if held in table.visible else None


def _fact(table: Table, draw: FastRandom) -> Asked | None:
    """Questions about the words themselves; no image is needed."""
    if draw.plain:
        return None
    chance = draw.share()
    if chance < 0.4:
        name = draw.one(tuple(THING_KINDS))
        return f"what does the {name} look like?", THING_KINDS[name].name, None
    if chance < 0.8:
        colour = draw.one(tuple(COLOURS))
        return f"what is the colour of {draw.one(ALIKE[colour])}?", colour, None
    shape = draw.one(tuple(SHAPES))
    return f"what is the shape of a {draw.one(SHAPES_CALLED[shape])}?", shape, None


_OF_OBJECTS: Mapping[str, Callable[[Table, FastRandom], Asked | None]] = {
    "where": _where, "what_at": _what_at, "which": _which, "symbol": _symbol, "colour": _colour, "shape": _shape,
}  # fmt: skip
_OTHERS: Mapping[str, Callable[[Table, FastRandom], Asked | None]] = {
    "count": _count, "exists": _exists, "side": _side, "caption": _caption, "gripper": _gripper, "held": _held,
    "fact": _fact,
}  # fmt: skip
WEIGHTS: Mapping[str, float] = {
    "where": 45, "what_at": 12, "which": 7, "symbol": 3, "colour": 5, "shape": 5, "count": 4, "exists": 9, "side": 5,
    "caption": 3, "gripper": 3, "held": 2, "fact": 3,
}  # fmt: skip
"""Sampling weight of each kind; an impossible one is replaced."""
QUESTION_KINDS: tuple[str, ...] = tuple(WEIGHTS)
_STEPS = tuple(accumulate(WEIGHTS[kind] for kind in QUESTION_KINDS))
TRIES = 30


def draw_question(table: Table, rng: np.random.Generator, kind: str = "", *, plain: bool = False) -> Question:
    """A question whose answer is unique and within the image.

    kind: one of QUESTION_KINDS; empty: drawn by WEIGHTS. plain: only the vocabulary of robot data.
    Raises ValueError for an unknown kind, and if no question of this kind is possible.
    """
    if kind and kind not in WEIGHTS:
        raise ValueError(f"There is no question of kind {kind!r}; available: {', '.join(QUESTION_KINDS)}.")
    draw = FastRandom(rng, plain)
    for _ in range(TRIES):
        name = kind or QUESTION_KINDS[min(bisect(_STEPS, draw.share() * _STEPS[-1]), len(_STEPS) - 1)]
        asked = _ask(name, table, draw)
        if asked is not None:
            text, answer, place = asked
            return Question(Turn(text, answer), name, place)
    if kind:
        raise ValueError(
            f"No question of kind {kind!r} has a unique answer on this table of {len(table.kinds)} objects."
        )
    text, answer, place = _held(table, draw)
    return Question(Turn(text, answer), "held", place)


def _ask(name: str, table: Table, draw: FastRandom) -> Asked | None:
    if name in _OTHERS:
        return _OTHERS[name](table, draw)
    return _OF_OBJECTS[name](table, draw) if table.visible else None


QUESTION_WORDS = (
    "where is at what which object thing on the symbol colour shape how many objects are there a an that table "
    "leftmost rightmost describe from left to right gripper does hold look like of"
)
PLAN_WORDS = "pick at"


def vocabulary() -> list[str]:
    """All unique words of questions, answers, instructions and plans.

    Without numbers (0 ... 255), punctuation, and words that only the suite `unseen` has.
    """
    texts = [
        QUESTION_WORDS,
        PLAN_WORDS,
        *("yes", "no", NOTHING),
        *(template.format(colour="", shape="") for template in PICK_PHRASINGS),
        *(template.format(thing="") for template in THING_PHRASINGS),
        *(template.format(symbol="") for template in ON_SYMBOL),
        *(*COUNTS, *COLOURS, *SHAPE_WORDS, *PLURALS.values(), *SYMBOLS),
        *(meaning.phrase for meaning in MEANINGS),
    ]
    return list(dict.fromkeys(word for text in texts for word in text.replace(",", " ").split()))
