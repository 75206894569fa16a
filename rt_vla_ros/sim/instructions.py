"""Instructions about objects: the suites' templates, and parsing of a user's sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rt_vla_ros.sim.cards import SYMBOLS
from rt_vla_ros.sim.objects import ALL_KINDS, COLOURS, SHAPE_WORDS, SHAPES, ObjectKind
from rt_vla_ros.sim.word_suites import said_meanings

PICK_PHRASINGS: tuple[str, ...] = (
    "pick up the {colour} {shape}",
    "pick the {colour} {shape} up",
    "pick up the {shape} that is {colour}",
    "lift the {colour} {shape}",
    "lift up the {colour} {shape}",
    "grab the {colour} {shape}",
    "take the {colour} {shape}",
    "please pick up the {colour} {shape}",
    "get the {colour} {shape}",
    "grasp the {colour} {shape} and lift it",
)
UNSEEN_PICK_PHRASINGS: tuple[str, ...] = (
    "raise the {colour} {shape}",
    "could you hold up the {colour} {shape}",
    "I want the {colour} {shape} in the air",
    "hoist the {shape}, the {colour} one",
)
"""Never used in training: the templates of the suite `unseen`."""

OTHER_COLOURS = frozenset(
    (
        *("white", "black", "grey", "gray", "pink", "brown", "magenta", "violet", "turquoise", "teal", "lime"),
        *("gold", "golden", "silver", "beige", "maroon", "navy", "olive"),
    )
)
"""Colors that no object has: refused, because "the pink cube" would otherwise match any cube."""


def phrase(template: str, kind: ObjectKind) -> str:
    """Fills a phrasing with the name of an object."""
    return template.format(colour=kind.colour, shape=kind.shape)


def matches(instruction: str, choices: Sequence[ObjectKind]) -> list[ObjectKind]:
    """The `choices` to which a sentence can refer, by color, shape or description (word_suites).

    Raises ValueError, with the known colors and shapes, for a sentence with none of them, with several colors or
    shapes, or with a description that matches no object.
    """
    meanings, rest = said_meanings(" ".join(spoken(instruction)))
    words = rest.split()
    colours = {word for word in words if word in COLOURS or word in OTHER_COLOURS}
    shapes = {SHAPE_WORDS[word] for word in words if word in SHAPE_WORDS}

    def fits(kind: ObjectKind) -> bool:
        named = (not colours or kind.colour in colours) and (not shapes or kind.shape in shapes)
        return named and all(kind in meaning.kinds for meaning in meanings)

    unknown = colours & OTHER_COLOURS
    if unknown:
        problem = f"asks for {', '.join(sorted(unknown))}, which no object has"
    elif len(colours) > 1 or len(shapes) > 1:
        problem = f"names more than one: {', '.join(sorted(colours | shapes))}"
    elif not colours and not shapes and not meanings:
        on_card = " but a card, and only the suite symbols has cards" if said_symbols(instruction) else ""
        problem = f"names no object{on_card}"
    elif not any(map(fits, ALL_KINDS)):
        problem = "describes no object on the table"
    else:
        return [kind for kind in choices if fits(kind)]
    raise ValueError(f"The instruction {shorten(instruction)!r} {problem}. {vocabulary()}")


def said_symbols(instruction: str) -> list[str]:
    """The card symbols in a sentence, as in "on the heart"."""
    return [symbol for symbol in SYMBOLS if symbol in spoken(instruction)]


def names_kind(instruction: str) -> bool:
    """Whether a sentence contains a color, a shape or a description of an object."""
    meanings, rest = said_meanings(" ".join(spoken(instruction)))
    return bool(meanings) or any(
        word in COLOURS or word in OTHER_COLOURS or word in SHAPE_WORDS for word in rest.split()
    )


def spoken(sentence: str) -> list[str]:
    """The words of a sentence in lower case, with "color" spelled "colour"."""
    return re.findall(r"[^\W\d_]+", re.sub(r"\bcolor\b", "colour", sentence.lower()))


def vocabulary() -> str:
    """A sentence about the words that an instruction can use."""
    return f'Name a color ({", ".join(COLOURS)}) and a shape ({", ".join(SHAPES)}), such as "pick up the red cube".'


def shorten(text: str, limit: int = 80) -> str:
    """A text for an error message, truncated if too long."""
    return text if len(text) <= limit else text[: limit - 3] + "..."
