"""Words that are not in the training data get zero embeddings instead of their random initial ones."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.policies.rt1.layers import WordBag
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.sim.instructions import phrase
from rt_vla_ros.sim.objects import ObjectKind
from rt_vla_ros.sim.suites import find_suite
from rt_vla_ros.training.paraphrase import synonyms, word_pairs


def training_sentences(suites: Iterable[str], *, paraphrased: bool = False) -> set[str]:
    """Every instruction that scenes of these suites can have.

    paraphrased: with the other names of shapes, and with words left out: all pairs of words that become neighbours are
    among the sentences.
    """
    rules = [find_suite(suite) for suite in suites]
    sentences = {
        phrase(phrasing, ObjectKind(kind.colour, name))
        for rule in rules
        for phrasing in rule.phrasings
        for kind in rule.targets or rule.kinds
        for name in (synonyms(kind.shape) if paraphrased else (kind.shape,))
    }
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
