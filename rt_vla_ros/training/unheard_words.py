"""Words that training never heard say nothing, rather than something random."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.policies.rt1.layers import WordBag
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.sim.instructions import phrase
from rt_vla_ros.sim.objects import ObjectKind
from rt_vla_ros.sim.suites import find_suite
from rt_vla_ros.training.paraphrase import neighbours, synonyms


def heard_sentences(suites: Iterable[str], *, otherwise: bool = False) -> set[str]:
    """Every instruction that scenes of these suites can have.

    otherwise: shapes are called by their other names too, and words left out; all pairs of words that come to stand
    side by side are among the sentences.
    """
    rules = [find_suite(suite) for suite in suites]
    sentences = {
        phrase(phrasing, ObjectKind(kind.colour, name))
        for rule in rules
        for phrasing in rule.phrasings
        for kind in rule.targets or rule.kinds
        for name in (synonyms(kind.shape) if otherwise else (kind.shape,))
    }
    return sentences.union(*map(neighbours, sentences)) if otherwise else sentences


def silence_unheard_words(model: RT1Model, sentences: Iterable[str]) -> int:
    """Set the vectors of all words and pairs that are in none of the sentences to zero; how many are left.

    Their random first values never learned anything; a policy that is told to "hoist" something then goes by the words
    that it knows. What it does with the sentences is the same, bit for bit.
    """
    encoder = HashedWords(model.config.word_buckets)
    heard = torch.zeros(model.config.word_buckets + 1, dtype=torch.bool)
    for sentence in sentences:
        heard[torch.from_numpy(encoder.encode(sentence))] = True
    heard[0] = False  # padding
    for bag in (module for module in model.modules() if isinstance(module, WordBag)):
        with torch.no_grad():
            bag.words.weight[~heard.to(bag.words.weight.device)] = 0.0
    return int(heard.sum())
