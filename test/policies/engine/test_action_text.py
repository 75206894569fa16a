"""Actions as text: the expression for the engine, the check of its answer, and RT-2's own grammar agree."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from support.small_tokenizers import small_tokenizer
from support.vlms import rt2_card

from rt_vla_ros.action_space.decoder import DecodingError
from rt_vla_ros.policies.engine.action_text import ActionText
from rt_vla_ros.policies.rt2.configuration import PLAN_PROMPT, RT2Config
from rt_vla_ros.policies.rt2.decoding.action_grammar import ActionGrammar
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import integers

CARD = rt2_card()
CHUNKS = replace(CARD, horizon=3)
TEXT = ActionText(CARD, RT2Config("integers"))
GOOD = "0 128 91 241 5 101 127 255"


@pytest.mark.parametrize("bins", [2, 10, 101, 256, 1001])
def test_the_expression_has_exactly_the_numbers_of_the_bins(bins: int) -> None:
    card = replace(CARD, bins=bins)
    pattern = re.compile(ActionText(card, RT2Config("integers")).pattern)
    for number in [*range(bins + 120), 10 * bins]:
        assert bool(pattern.fullmatch(f" 0 0 0 0 {number} 0 0 0")) == (number < bins), number
    for text in (" 2 0 0 0 0 0 0 0", " 0 0 0 0 00 0 0 0", "0 0 0 0 0 0 0 0", " 0 0 0 0 0 0 0", " 0 0 0 0 0 0 0 0 0"):
        assert not pattern.fullmatch(text)


@pytest.mark.parametrize("kind", ["split_digits", "byte_bpe"])
def test_what_rt2_writes_is_accepted_and_read_as_the_same_numbers(kind: str) -> None:
    tokenizer, rng = small_tokenizer(kind), np.random.default_rng(0)
    grammar = ActionGrammar(integers(tokenizer, 256, [tokenizer.eos_token_id]), CHUNKS.counts, CHUNKS.horizon)
    text = ActionText(CHUNKS, RT2Config("integers"))
    for _ in range(50):
        bins = tuple(int(rng.integers(count)) for count in CHUNKS.counts * 3)
        written = tokenizer.decode(grammar.vocabulary.encode(bins))
        assert re.fullmatch(text.pattern, written)
        assert text.read(written) == (bins, "")
        assert len(written) <= text.longest


@pytest.mark.parametrize("config", [RT2Config("integers"), RT2Config("integers", leading_space=False)])
def test_spaces_around_an_action_do_not_count(config: RT2Config) -> None:
    text = ActionText(CARD, config)
    assert bool(re.fullmatch(text.pattern, GOOD)) != config.leading_space
    for written in (GOOD, f" {GOOD}", f"{GOOD}\n"):
        assert text.read(written)[0] == tuple(map(int, GOOD.split()))


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("", "it is empty, expected 8 numbers"),
        ("  \n", "it is empty"),
        ("I cannot do that.", "it contains 'I', expected only 8 numbers"),
        ("0 128 91", "it has 3 numbers, expected 8 numbers"),
        (f"{GOOD} 7", "it has 9 numbers, expected 8 numbers"),
        ("7", "it has one number, expected 8 numbers"),
        ("0 128 91 256 5 101 127 255", "its number 4 is 256, expected 0 to 255"),
        ("2 128 91 241 5 101 127 255", "its number 1 is 2, expected 0 to 1"),
        ("0 128 91 -1 5 101 127 255", "it contains '-1'"),
        ("0 128 91 2.5 5 101 127 255", "it contains '2.5'"),
        ("0 128 91 " + "9" * 9000 + " 5 101 127 255", "its number 4 is 99999999999999999999, expected 0 to 255"),
        ("0 128 91 041 5 101 127 255", "separated by one space, without leading zeros"),
        ("0  128 91 241 5 101 127 255", "separated by one space"),
        ("0,128,91,241,5,101,127,255", "it contains '0,128,91,241,5,101,1'"),
        ("\u0660 128 91 241 5 101 127 255", "it contains '\u0660'"),
        ("0 128 91 241 5 101 127 255\0", "it contains '255"),
    ],
)
def test_an_answer_that_is_no_action_is_refused_with_its_text(answer: str, problem: str) -> None:
    with pytest.raises(DecodingError, match="is not an action") as refusal:
        TEXT.read(answer)
    assert problem in str(refusal.value)
    assert repr(answer[:20])[1:-1] in str(refusal.value)
    assert len(str(refusal.value)) < 400


def test_a_chunk_is_refused_with_what_its_steps_have() -> None:
    with pytest.raises(DecodingError, match=r"it has 8 numbers, expected 24 numbers \(3 steps of 8\)"):
        ActionText(CHUNKS, RT2Config("integers")).read(GOOD)


def test_a_plan_ends_at_its_first_marker() -> None:
    text = ActionText(CARD, RT2Config("integers", plan_tokens=40, prompt=PLAN_PROMPT))
    written = f" pick red cube\nat 120 88. Action: {GOOD}"
    assert re.fullmatch(text.pattern, written)
    assert text.read(written) == (tuple(map(int, GOOD.split())), "pick red cube\nat 120 88.")
    twice = f" pick. Action: again. Action: {GOOD}"
    assert not re.fullmatch(text.pattern, twice)
    with pytest.raises(DecodingError, match=r"it contains 'again\.'"):
        text.read(twice)
    with pytest.raises(DecodingError, match="it has no 'Action:' after a plan"):
        text.read(GOOD)


def test_whether_a_free_answer_starts_with_an_action() -> None:
    plans = ActionText(CARD, RT2Config("integers", plan_tokens=40, prompt=PLAN_PROMPT))
    for written in (GOOD, f" {GOOD} 4 4 4", f"{GOOD}."):
        assert TEXT.starts(written)
        assert plans.starts(f"Pick it. Action: {written.strip()}")
    for written in ("", "The arm", GOOD[:-4], f"{GOOD}5", "0 128 91 256 5 101 127 255"):
        assert not TEXT.starts(written)
        assert not plans.starts(f"Pick it. Action: {written}")
