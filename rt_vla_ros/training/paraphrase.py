"""Instructions in fewer or other words for training; words that it does not have get zero embeddings."""

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


def training_sentences(suites: Iterable[str], *, paraphrased: bool = False) -> set[str]:
    """Every instruction that scenes of these suites can have.

    paraphrased: with the other names of shapes, and with words left out: all pairs of words that become neighbours are
    among the sentences.
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
    """Set the embeddings of all words and pairs that are in none of the sentences to zero; how many are left.

    They were never trained; a policy that is told to "hoist" something then goes by the words that it knows. Its output
    for the sentences is the same, bit for bit.
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
