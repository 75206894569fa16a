"""Instructions in fewer or other words, so that a policy learns which words matter."""

from __future__ import annotations

import numpy as np

from rt_vla_ros.language.hashed_words import words
from rt_vla_ros.sim.objects import COLOURS, SHAPE_WORDS


def paraphrase(instruction: str, rng: np.random.Generator, most: float) -> str:
    """Words that name neither colour nor shape are left out at random, shapes get other names ("block" for "cube").

    most: share of the words that this happens to, at most (0 ... 1); the share itself is drawn too.
    """
    share, kept = rng.uniform(0, most), []
    for word in words(instruction):
        changed = rng.random() < share
        if word in SHAPE_WORDS:
            names = synonyms(word)
            kept.append(names[int(rng.integers(len(names)))] if changed else word)
        elif word in COLOURS or not changed:
            kept.append(word)
    return " ".join(kept)


def synonyms(shape: str) -> list[str]:
    """All names of a shape, given one of them."""
    return [name for name, meant in SHAPE_WORDS.items() if meant == SHAPE_WORDS[shape]]


def word_pairs(sentence: str) -> set[str]:
    """Pairs of words that become neighbours once some words between them are left out."""
    sequence, pairs = words(sentence), set()
    for i, first in enumerate(sequence):
        for second in sequence[i + 1 :]:
            pairs.add(f"{first} {second}")
            if second in COLOURS or second in SHAPE_WORDS:
                break
    return pairs
