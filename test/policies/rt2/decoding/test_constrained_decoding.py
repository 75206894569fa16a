"""Only legal actions come out, whatever the weights and the temperature."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pytest
import torch
from support.small_tokenizers import KINDS, small_tokenizer
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from rt_vla_ros.policies.rt2.decoding.action_grammar import END, ActionGrammar
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import integers, least_used, overwritten
from rt_vla_ros.policies.rt2.decoding.constrained_decoding import choose
from rt_vla_ros.policies.rt2.decoding.plan_grammar import PlanGrammar

COUNTS = (2,) + (256,) * 7


def grammar_of(kind: str) -> ActionGrammar:
    tokenizer = small_tokenizer(kind, words=520)
    return ActionGrammar(integers(tokenizer, 256, [tokenizer.eos_token_id]), COUNTS)


def sample(grammar: ActionGrammar, temperature: float, batch: int, seed: int) -> list[list[int]]:
    """Actions from random logits, all of a batch side by side."""
    generator = torch.Generator().manual_seed(seed)
    columns = torch.from_numpy(grammar.columns)
    masks: dict[Hashable, torch.Tensor] = {}
    states, found = [grammar.start] * batch, [list[int]() for _ in range(batch)]
    while any(state != END for state in states):
        live = [i for i, state in enumerate(states) if state != END]
        logits = torch.randn(len(live), len(columns), generator=generator) * 4
        for index, state in {grammar.mask_index(states[i]): states[i] for i in live}.items():
            if index not in masks:
                masks[index] = torch.from_numpy(grammar.mask(state))
        legal = torch.stack([masks[grammar.mask_index(states[i])] for i in live])
        chosen, _ = choose(logits, legal, temperature, generator)
        for i, token in zip(live, columns[chosen].tolist(), strict=True):
            found[i].append(token)
            states[i] = grammar.advance(states[i], token)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_samples_are_all_legal(kind: str) -> None:
    grammar = grammar_of(kind)
    tokenizer = small_tokenizer(kind, words=520)
    seen = 0
    for seed, temperature in enumerate((0.0, 0.3, 1.0, 5.0)):
        for tokens in sample(grammar, temperature, 2500, seed):
            bins = grammar.decode(tokens)
            numbers = tokenizer.decode(tokens, skip_special_tokens=True).split()
            assert tuple(map(int, numbers)) == bins
            assert len(bins) == 8
            assert bins[0] < 2
            assert max(bins) < 256
            seen += 1
    assert seen == 10_000


def test_every_illegal_token_is_masked_and_refused() -> None:
    grammar = grammar_of("byte_bpe")
    legal = set(grammar.legal(grammar.start))
    for column, allowed in zip(grammar.columns.tolist(), grammar.mask(grammar.start), strict=True):
        assert allowed == (column in legal)
        if not allowed:
            with pytest.raises(ValueError, match="is not legal here"):
                grammar.advance(grammar.start, column)


@pytest.mark.parametrize("kind", KINDS)
def test_a_draft_repeats_the_earlier_action_where_possible(kind: str) -> None:
    grammar = grammar_of(kind)
    rng = np.random.default_rng(1)
    for _ in range(20):
        old, new = ((int(rng.integers(2)), *rng.integers(0, 256, 7).tolist()) for _ in range(2))
        old_tokens, new_tokens = grammar.vocabulary.encode(old), grammar.vocabulary.encode(new)
        assert grammar.decode(list(grammar.guess(grammar.start, old_tokens))) == old
        state = grammar.start
        for length, token in enumerate(new_tokens[:-1], 1):
            state = grammar.advance(state, token)
            guessed = grammar.decode([*new_tokens[:length], *grammar.guess(state, old_tokens)])
            known = min(grammar.written(state), 7)
            assert guessed[:known] == new[:known]
            assert guessed[known + 1 :] == old[known + 1 :]


def test_without_an_earlier_action_only_forced_tokens_are_drafted() -> None:
    grammar = grammar_of("split_digits")
    assert len(list(grammar.guess(grammar.start, ()))) == 1  # the space before the first number
    overwrite = overwritten(least_used({}, small_tokenizer("byte_bpe")), 256, [2])
    assert list(ActionGrammar(overwrite, COUNTS).guess(1, ())) == []


def test_probabilities_are_among_the_legal_tokens_alone() -> None:
    logits = torch.tensor([[100.0, 1.0, 1.0, -3.0]])
    column, probability = choose(logits, torch.tensor([[False, True, True, False]]), 0.0, None)
    assert column.tolist() == [1]
    assert probability.tolist() == pytest.approx([0.5])


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_is_bounded_and_an_action_follows(kind: str) -> None:
    tokenizer = small_tokenizer(kind, words=520)
    grammar = PlanGrammar(grammar_of(kind), tokenizer, 6, len(tokenizer))
    rng = np.random.default_rng(2)
    for _ in range(30):
        state, tokens = grammar.start, []
        while state != END:
            tokens.append(int(rng.choice(grammar.columns[grammar.mask(state)])))
            state = grammar.advance(state, tokens[-1])
        assert len(grammar.decode(tokens)) == 8
        assert not set(tokens[: -grammar.action_length(tokens)]) & set(tokenizer.all_special_ids)
        assert list(grammar.guess(grammar.start, tokens)) == tokens


def test_a_plan_holds_no_image_token() -> None:
    tokenizer = small_tokenizer("byte_bpe", words=520)
    tokenizer.add_tokens([AddedToken("<image>", special=True)])
    image, word = tokenizer.convert_tokens_to_ids("<image>"), len(tokenizer) - 2
    plain = PlanGrammar(grammar_of("byte_bpe"), tokenizer, 6, len(tokenizer))
    known = PlanGrammar(grammar_of("byte_bpe"), tokenizer, 6, len(tokenizer), placeholders=[word])
    assert [grammar.mask(grammar.start)[[image, word]].tolist() for grammar in (plain, known)] == [
        [False, True],
        [False, False],
    ]


def test_a_plan_ends_where_the_model_says_action() -> None:
    tokenizer = small_tokenizer("byte_bpe", words=520)
    grammar = PlanGrammar(grammar_of("byte_bpe"), tokenizer, 40, len(tokenizer))
    action = grammar.action.vocabulary.encode((1, 128, 91, 241, 5, 101, 127, 0))
    tokens = tokenizer.encode(" pick red cube. Action:", add_special_tokens=False)
    assert len(tokens) < 40
    assert grammar.plan([*tokens, *action]) == "pick red cube."
    assert grammar.decode([*tokens, *action]) == (1, 128, 91, 241, 5, 101, 127, 0)


def test_a_lower_case_tokenizer_can_end_a_plan() -> None:
    letters = sorted(set("pick red cube.action:"))
    pieces = ["<unk>", "</s>", *letters, *(f"##{letter}" for letter in letters), *map(str, range(256))]
    tokens = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="<unk>"))
    tokens.normalizer, tokens.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    tokens.decoder = decoders.WordPiece()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokens, unk_token="<unk>", eos_token="</s>")
    action = ActionGrammar(integers(tokenizer, 256, [tokenizer.eos_token_id]), COUNTS)
    bins = (1, 128, 91, 241, 5, 101, 127, 0)
    marker = tokenizer.encode("action:", add_special_tokens=False)
    plan = tokenizer.encode("pick red cube.", add_special_tokens=False)
    for limit in (40, len(plan)):  # it comes to the marker by itself; the marker is put behind it
        grammar = PlanGrammar(action, tokenizer, limit, len(tokenizer))
        whole = [*plan, *marker, *action.vocabulary.encode(bins)]
        assert grammar.decode(whole) == bins
        assert grammar.plan(whole) == "pick red cube."
