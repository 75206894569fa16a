"""Bins to tokens and back, for every vocabulary and every kind of tokenizer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from support.small_tokenizers import KINDS, small_tokenizer
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.decoding.action_grammar import ActionGrammar
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import (
    ActionVocabulary,
    VocabularyError,
    integers,
    least_used,
    make_vocabulary,
    openvla,
    overwritten,
)

BINS = 256


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerBase:
    return small_tokenizer(request.param, words=520)


def vocabularies(tokenizer: PreTrainedTokenizerBase) -> dict[str, ActionVocabulary]:
    ends = [tokenizer.eos_token_id]
    return {
        "integers": integers(tokenizer, BINS, ends),
        "no leading space": integers(tokenizer, BINS, ends, leading_space=False),
        "overwritten": overwritten(least_used({}, tokenizer), BINS, ends),
        "openvla": openvla(32000, BINS, [2]),
    }


def test_encoding_and_decoding_are_inverse_at_every_bin(tokenizer: PreTrainedTokenizerBase) -> None:
    for name, vocabulary in vocabularies(tokenizer).items():
        for dimensions in (1, 2, 3):
            grammar = ActionGrammar(vocabulary, (BINS,) * dimensions)
            for bin_ in range(BINS):
                bins = tuple((bin_ + 7 * d) % BINS for d in range(dimensions))
                tokens = vocabulary.encode(bins)
                assert grammar.decode(tokens) == bins, (name, bins)
                closed = [*tokens, vocabulary.ends[0]][: len(tokens) + 1 - _ends_itself(grammar, tokens)]
                assert grammar.decode(closed) == bins


def _ends_itself(grammar: ActionGrammar, tokens: list[int]) -> bool:
    state = grammar.start
    for token in tokens:
        state = grammar.advance(state, token)
    return not grammar.legal(state)


def test_numbers_span_one_to_three_tokens_and_more() -> None:
    lengths = {k: {len(s) for s in integers(small_tokenizer(k, words=520), BINS, [2]).others} for k in KINDS}
    assert {1, 2} <= lengths["byte_bpe"]
    assert {1, 2, 3} <= lengths["byte_fallback_unigram"]
    assert lengths["split_digits"] == {2, 3, 4}  # a space, and one to three digits


def test_integers_are_tokenized_as_within_the_whole_text(tokenizer: PreTrainedTokenizerBase) -> None:
    vocabulary = integers(tokenizer, BINS, [tokenizer.eos_token_id])
    bins = np.random.default_rng(0).integers(0, BINS, (50, 8)).tolist()
    prompt = tokenizer.encode("take to pick it? A:", add_special_tokens=False)
    for numbers in bins:
        text = "take to pick it? A: " + " ".join(map(str, numbers))
        assert tokenizer.encode(text, add_special_tokens=False) == prompt + vocabulary.encode(numbers)


def test_openvla_counts_down_from_the_end_of_the_vocabulary() -> None:
    vocabulary = openvla(32000, BINS, [2])
    assert vocabulary.encode([0, 1, 255]) == [31999, 31998, 31744]
    made = make_vocabulary(RT2Config("openvla"), small_tokenizer("byte_bpe"), BINS, 32064, [2])
    assert made.others == vocabulary.others


def test_least_used_leaves_frequent_and_special_tokens_alone() -> None:
    tokenizer = small_tokenizer("byte_bpe")
    frequent = dict.fromkeys(range(100, 300), 5)
    chosen = least_used(frequent, tokenizer)
    assert len(chosen) == len(set(chosen)) == BINS
    assert not set(chosen) & (set(tokenizer.all_special_ids) | set(frequent))


def test_least_used_leaves_image_tokens_alone_that_the_tokenizer_does_not_list() -> None:
    tokenizer = small_tokenizer("byte_bpe")
    tokenizer.add_tokens([AddedToken("<image>", special=True)])
    image = tokenizer.convert_tokens_to_ids("<image>")
    assert image not in tokenizer.all_special_ids
    assert image not in least_used({}, tokenizer)
    assert image - 1 in least_used({}, tokenizer)
    assert image - 1 not in least_used({}, tokenizer, placeholders=[image - 1])


def test_tokenizer_without_digits_is_refused_with_a_sentence() -> None:
    words = Tokenizer(models.WordLevel({"<unk>": 0, "</s>": 1, "A:": 2, "go": 3}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", eos_token="</s>")
    with pytest.raises(VocabularyError, match=r'cannot write the number 0.*needs digits; use "overwritten"'):
        integers(tokenizer, BINS, [1])


def test_numbers_without_a_mark_between_them_are_refused() -> None:
    sequences = tuple(tuple(int(digit) for digit in str(number)) for number in range(20))
    with pytest.raises(VocabularyError, match="as one number or as two"):
        ActionVocabulary(sequences, sequences, ends=(99,))


def made_of(tokens: range, placeholders: Sequence[int] = ()) -> ActionVocabulary:
    return make_vocabulary(
        RT2Config("overwritten", tuple(tokens)), small_tokenizer("byte_bpe"), BINS, 700, [2], placeholders
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: overwritten(range(10), BINS, [2]), "lists 10 overwritten tokens, the card has 256 bins"),
        (lambda: overwritten([5] * BINS, BINS, [2]), "bins 0 and 1 have the same tokens"),
        (lambda: openvla(100, BINS, [2]), "100 tokens, too few for 256 bins"),
        (lambda: made_of(range(500, 756)), "token 755 is outside the 700 rows"),
        (lambda: made_of(range(-1, 255)), "token -1 is not a token id, expected 0 to 699"),
        (lambda: made_of(range(2, 258)), r"token 2 \('</s>'\) marks a beginning, .* choose ordinary tokens"),
        (lambda: made_of(range(10, 266), [20]), r"token 20 \(.*\) is an image placeholder .* choose ordinary tokens"),
        (lambda: openvla(32000, BINS, [2]).encode([256]), "expected bins of 0 to 255"),
    ],
)
def test_contradictions_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
