"""Paraphrases of instructions for training; words that do not occur get zero embeddings."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from rt_vla_ros.language.hashed_words import HashedWords, words
from rt_vla_ros.policies.rt1.layers import WordBag
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.sim.instructions import phrase
from rt_vla_ros.sim.objects import COLOURS, SHAPE_WORDS, ObjectKind
from rt_vla_ros.sim.suites import find_suite
from rt_vla_ros.sim.word_suites import MEANINGS, on_symbols


def paraphrase(instruction: str, rng: np.random.Generator, most: float) -> str:
    """Randomly drop words other than colors and shapes, and replace shapes by synonyms ("block" for "cube").

    most: maximum share of words to change (0 ... 1); the share itself is random.
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
    """All synonyms of a shape, given one of them."""
    return [name for name, meant in SHAPE_WORDS.items() if meant == SHAPE_WORDS[shape]]


def word_pairs(sentence: str) -> set[str]:
    """Word pairs that become adjacent when words between them are dropped."""
    sequence, pairs = words(sentence), set()
    for i, first in enumerate(sequence):
        for second in sequence[i + 1 :]:
            pairs.add(f"{first} {second}")
            if second in COLOURS or second in SHAPE_WORDS:
                break
    return pairs


def training_sentences(suites: Iterable[str], *, paraphrased: bool = False) -> set[str]:
    """All possible instructions of these suites.

    paraphrased: also with synonyms of shapes and dropped words: the sentences contain all word pairs that become
    adjacent.
    """
    rules = [find_suite(suite) for suite in suites]
    sentences = {
        phrase(phrasing, ObjectKind(kind.colour, name))
        for rule in rules
        if rule.names in ("kind", "synonym")
        for phrasing in rule.phrasings
        for kind in rule.targets or rule.kinds
        for name in (synonyms(kind.shape) if paraphrased or rule.names == "synonym" else (kind.shape,))
    }
    said = {"meaning": [meaning.phrase for meaning in MEANINGS], "symbol": on_symbols()}
    sentences |= {t.format(thing=thing) for rule in rules for t in rule.phrasings for thing in said.get(rule.names, ())}
    return sentences.union(*map(word_pairs, sentences)) if paraphrased else sentences


def zero_unseen_words(model: RT1Model, sentences: Iterable[str]) -> int:
    """Zero the embeddings of all words and pairs that are in none of the sentences; returns the number of the others.

    They were never trained; with "hoist" in an instruction, the policy then relies on the words it knows. Its output
    for the sentences is bit-identical.
    """
    encoder = HashedWords(model.config.word_buckets)
    seen = torch.zeros(model.config.word_buckets + 1, dtype=torch.bool)
    for sentence in sentences:
        seen[torch.from_numpy(encoder.encode(sentence))] = True
    seen[0] = False  # padding
    for bag in (module for module in model.modules() if isinstance(module, WordBag)):
        with torch.no_grad():
            bag.words.weight[~seen.to(bag.words.weight.device)] = 0.0
    return int(seen.sum())
