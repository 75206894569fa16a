"""The same wish in fewer or other words, so that a policy goes by those that matter."""

from __future__ import annotations

import numpy as np

from rt_vla_ros.language.hashed_words import words
from rt_vla_ros.sim.objects import COLOURS, SHAPE_WORDS


def said_otherwise(sentence: str, rng: np.random.Generator, most: float) -> str:
    """Words that name neither colour nor shape are left out at random, shapes get other names ("block" for "cube").

    most: share of the words that this happens to, at most (0 ... 1); how many it is this time is drawn too.
    """
    share, said = rng.uniform(0, most), []
    for word in words(sentence):
        changed = rng.random() < share
        if word in SHAPE_WORDS:
            names = synonyms(word)
            said.append(names[int(rng.integers(len(names)))] if changed else word)
        elif word in COLOURS or not changed:
            said.append(word)
    return " ".join(said)


def synonyms(shape: str) -> list[str]:
    """All that a shape is called, by one of its names."""
    return [name for name, meant in SHAPE_WORDS.items() if meant == SHAPE_WORDS[shape]]


def neighbours(sentence: str) -> set[str]:
    """Pairs of words that stand side by side once some words between them are left out."""
    said, pairs = words(sentence), set()
    for i, first in enumerate(said):
        for second in said[i + 1 :]:
            pairs.add(f"{first} {second}")
            if second in COLOURS or second in SHAPE_WORDS:
                break
    return pairs
