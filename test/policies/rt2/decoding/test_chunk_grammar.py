"""Chunks of numbers as text: one grammar for all steps, for tokenizers that cut spaces and digits in the usual ways."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from support.small_tokenizers import PRE_TOKENIZERS, published_kind, small_tokenizer
from transformers import PreTrainedTokenizerBase

from rt_vla_ros.policies.rt2.decoding.action_grammar import END, ActionGrammar
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import ActionVocabulary, integers, openvla

HORIZON, DIMENSIONS = 8, 7
SIZE = HORIZON * DIMENSIONS
SPACE_ALONE = {"qwen": True, "smollm": True, "llama3": True, "gpt2": False}
LONGEST_NUMBER = {"qwen": 5, "smollm": 5, "llama3": 3, "gpt2": 2}
"""Tokens of a number of VLA-0's with its space."""
WORDINGS = pytest.mark.parametrize(("bins", "leading_space"), [(1001, False), (512, True)], ids=["vla0", "smol"])
KINDS = pytest.mark.parametrize("kind", PRE_TOKENIZERS)


def grammar_of(tokenizer: PreTrainedTokenizerBase, bins: int = 1001, leading_space: bool = False) -> ActionGrammar:
    vocabulary = integers(tokenizer, bins, [tokenizer.eos_token_id], leading_space=leading_space)
    return ActionGrammar(vocabulary, [bins] * DIMENSIONS, HORIZON)


def written(grammar: ActionGrammar, numbers: tuple[int, ...]) -> list[int]:
    """The tokens of a whole chunk, with its end where it has one."""
    tokens = grammar.vocabulary.encode(numbers)
    return tokens if grammar.is_whole(tokens) else [*tokens, grammar.vocabulary.ends[0]]


@KINDS
def test_spaces_may_be_separate_tokens_or_part_of_numbers(kind: str) -> None:
    vocabulary = integers(published_kind(kind), 1001, [2], leading_space=False)
    spaces = {number[0] for number in vocabulary.others}
    assert (len(spaces) == 1) == SPACE_ALONE[kind]
    assert max(map(len, vocabulary.others)) == LONGEST_NUMBER[kind]


@KINDS
@WORDINGS
def test_a_chunk_survives_encoding_and_decoding(kind: str, bins: int, leading_space: bool) -> None:
    tokenizer = published_kind(kind)
    grammar, rng = grammar_of(tokenizer, bins, leading_space), np.random.default_rng(0)
    edges = [(0,) * SIZE, (bins - 1,) * SIZE, tuple(range(SIZE)), tuple(bins - 1 - n for n in range(SIZE))]
    for numbers in (*edges, *(tuple(rng.integers(0, bins, SIZE).tolist()) for _ in range(20))):
        text = " " * leading_space + " ".join(map(str, numbers))
        tokens = grammar.vocabulary.encode(numbers)
        assert tokens == tokenizer.encode(text, add_special_tokens=False)
        assert grammar.decode(tokens) == grammar.decode(written(grammar, numbers)) == numbers
        assert len(written(grammar, numbers)) <= grammar.longest
        with pytest.raises(ValueError, match=r"not legal after 5[56] of 56 numbers"):
            grammar.read([*tokens, *tokens])


@KINDS
def test_every_sample_is_a_legal_chunk(kind: str) -> None:
    tokenizer, rng = published_kind(kind), np.random.default_rng(1)
    grammar = grammar_of(tokenizer)
    for _ in range(4):
        state, tokens = grammar.start, list[int]()
        while state != END:
            legal = grammar.legal(state)
            assert grammar.columns[grammar.mask(state)].tolist() == legal
            tokens.append(int(rng.choice(legal)))
            state = grammar.advance(state, tokens[-1])
        numbers = grammar.decode(tokens)
        assert tuple(map(int, tokenizer.decode(tokens, skip_special_tokens=True).split())) == numbers
        assert len(numbers) == SIZE
        assert max(numbers) <= 1000
        with pytest.raises(ValueError, match="is not legal here"):
            grammar.advance(state, tokens[0])


@KINDS
def test_states_of_one_mask_have_the_same_tokens(kind: str) -> None:
    grammar = grammar_of(published_kind(kind))
    state, seen = grammar.start, dict[object, list[int]]()
    for token in written(grammar, tuple(7 * n % 1001 for n in range(SIZE))):
        assert seen.setdefault(grammar.mask_index(state), grammar.legal(state)) == grammar.legal(state)
        state = grammar.advance(state, token)
    assert len(seen) < 150, "shared between the numbers"


@KINDS
def test_a_number_counts_once_it_is_complete(kind: str) -> None:
    grammar = grammar_of(published_kind(kind))
    numbers = tuple(13 * n % 1001 for n in range(SIZE))
    state, tokens = grammar.start, list[int]()
    for token in written(grammar, numbers):
        tokens.append(token)
        state = grammar.advance(state, token)
        assert grammar.read(tokens)[: grammar.written(state)] == numbers[: grammar.written(state)]
    assert grammar.written(state) == SIZE


def test_a_number_that_may_continue_is_read_but_not_counted() -> None:
    grammar = grammar_of(published_kind("qwen"))
    state, tokens = grammar.start, grammar.vocabulary.encode((12,))
    for token in tokens:
        state = grammar.advance(state, token)
    assert (grammar.read(tokens), grammar.written(state)) == ((12,), 0)
    space = grammar.vocabulary.others[0][0]
    assert grammar.written(grammar.advance(state, space)) == 1


def test_tries_are_shared_so_that_a_chunk_takes_no_more_memory_than_a_step() -> None:
    vocabulary = integers(published_kind("qwen"), 1001, [2], leading_space=False)
    sizes = []
    for horizon in (1, 100):
        tracemalloc.start()
        grammar = ActionGrammar(vocabulary, [1001] * DIMENSIONS, horizon)
        sizes.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert grammar.size == horizon * DIMENSIONS
    assert sizes[1] < 2 * sizes[0] < 3_000_000


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (0, (1, 2, 3, 4, 5, 6)),
        (1, (3, 4, 5, 6, 5, 6)),
        (2, (5, 6, 5, 6, 5, 6)),
        (3, (5, 6, 5, 6, 5, 6)),
        (99, (5, 6, 5, 6, 5, 6)),
    ],
)
def test_a_shifted_chunk_continues_where_the_arm_is(steps: int, expected: tuple[int, ...]) -> None:
    grammar = ActionGrammar(openvla(32000, 256, [2]), (256, 256), horizon=3)
    tokens = grammar.vocabulary.encode((1, 2, 3, 4, 5, 6))
    assert grammar.decode(grammar.shifted(tokens, steps)) == expected


def test_choices_after_a_rejected_token_are_the_next_draft() -> None:
    grammar = grammar_of(small_tokenizer("split_digits"))
    encode = grammar.vocabulary.encode
    old = (345,) * SIZE
    guess = list(grammar.guess(grammar.start, encode(old)))
    chosen = [*encode((999, 347, 345, 129)), *encode(old)[16 - 1 :]]  # "129": all other digits behind a wrong one
    found = grammar.decode(grammar.corrected(encode(old), grammar.start, guess, chosen))
    assert found[1:4] == (347, 345, 199), "what is nearest to the old number behind the first other digit"
    assert found[0] == 99
    assert found[4:] == old[4:]
    unchanged = grammar.corrected(encode(old), grammar.start, guess, guess)
    assert grammar.decode(unchanged) == old


def test_an_invalid_chunk_is_refused() -> None:
    vocabulary: ActionVocabulary = openvla(32000, 256, [2])
    grammar = ActionGrammar(vocabulary, (256, 256), horizon=3)
    with pytest.raises(ValueError, match="expected the tokens of 6 numbers, got 5"):
        grammar.decode(vocabulary.encode((1, 2, 3, 4, 5)))
    with pytest.raises(ValueError, match="token 31743 is not legal after 1 of 6 numbers"):
        grammar.decode([31999, 31998, 31743, 31999, 31999, 31999])
    for counts, horizon in (((256, 257), 1), ((0,), 1), ((), 1), ((256,), 0)):
        with pytest.raises(ValueError, match="expected dimensions of 1 to 256 bins and a horizon of at least 1 step"):
            ActionGrammar(vocabulary, counts, horizon)
