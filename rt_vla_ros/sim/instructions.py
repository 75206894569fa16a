"""Instructions about the objects: templates of the suites, and parsing of a user's sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rt_vla_ros.sim.objects import COLOURS, SHAPE_WORDS, SHAPES, ObjectKind

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
"""Colours that no object has: refused, since "the pink cube" would otherwise match any cube."""


def phrase(template: str, kind: ObjectKind) -> str:
    """Fill one of the phrasings with an object's name."""
    return template.format(colour=kind.colour, shape=kind.shape)


def matches(instruction: str, choices: Sequence[ObjectKind]) -> list[ObjectKind]:
    """Those of `choices` that a sentence can refer to, by colour and shape or by one of the two.

    Raises ValueError, naming the colours and shapes that there are, where it says neither or more than one of either.
    """
    words = re.findall(r"[^\W\d_]+", instruction.lower())
    colours = {word for word in words if word in COLOURS or word in OTHER_COLOURS}
    shapes = {SHAPE_WORDS[word] for word in words if word in SHAPE_WORDS}
    unknown = colours & OTHER_COLOURS
    if unknown:
        problem = f"asks for {', '.join(sorted(unknown))}, which no object has"
    elif len(colours) > 1 or len(shapes) > 1:
        problem = f"names more than one: {', '.join(sorted(colours | shapes))}"
    elif not colours and not shapes:
        problem = "names no object"
    else:
        return [k for k in choices if (not colours or k.colour in colours) and (not shapes or k.shape in shapes)]
    raise ValueError(f"The instruction {shorten(instruction)!r} {problem}. {vocabulary()}")


def vocabulary() -> str:
    """A sentence that says which words an instruction can use."""
    return f'Say a colour ({", ".join(COLOURS)}) and a shape ({", ".join(SHAPES)}), such as "pick up the red cube".'


def shorten(text: str, limit: int = 80) -> str:
    """A text for an error message, cut where it is too long."""
    return text if len(text) <= limit else text[: limit - 3] + "..."
