"""Chunks of several decisions: what a gripper's target is when only some of a chunk's steps were done."""

from __future__ import annotations

import dataclasses
import math

import pytest
from support.cards import card

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.action_space.tokenizer import ActionTokenizer

CLOSE, KEEP, OPEN = 0.5, 0.0, -0.5
"""Changes of the gripper, of which a full one is 1."""


def google_card(horizon: int) -> ActionCard:
    google = card(postprocessing="google_robot", gripper_open=-1.0, gripper_closed=1.0, bins=201)
    wide = [dataclasses.replace(d, low=-1.0, high=1.0) if d.role == "gripper" else d for d in google.dimensions]
    return dataclasses.replace(google, dimensions=tuple(wide), horizon=horizon)


def tokens(decoder: ActionDecoder, *grippers: float) -> list[int]:
    tokenizer = ActionTokenizer(decoder.card)
    return [int(token) for gripper in grippers for token in tokenizer.encode([1, 0, 0, 0, 0, 0, 0, gripper, 0])]


def decide(decoder: ActionDecoder, stamp: float, *grippers: float) -> list[float]:
    """Where the gripper is to be in each step of the chunk, 0 open ... 1 closed."""
    decoder.begin(stamp)
    return [step.gripper for step in decoder.from_tokens(tokens(decoder, *grippers), confidence=1.0).steps]


@pytest.mark.parametrize(
    ("later", "done", "target"),
    [
        (0.0, 0, 0.0),  # the same image again
        (-3.0, 0, 0.0),
        (0.4, 0, 0.0),
        (0.6, 1, 0.5),
        (1.0, 1, 0.5),
        (2.0, 2, 1.0),
        (4.0, 4, 0.5),
        (4.6, 4, 0.5),
        (1e300, 4, 0.5),
    ],
)
def test_the_next_chunk_goes_on_from_the_steps_that_were_done(later: float, done: int, target: float) -> None:
    """later: of the next image [periods]."""
    decoder = ActionDecoder(google_card(4))
    assert decide(decoder, 100.0, CLOSE, CLOSE, KEEP, OPEN) == pytest.approx([0.5, 1.0, 1.0, 0.5], abs=0.01)
    stamp = 100.0 + later * decoder.card.period
    assert decide(decoder, stamp, KEEP, CLOSE, KEEP, KEEP)[0] == pytest.approx(target, abs=0.01)
    again = ActionDecoder(google_card(4))
    decide(again, 100.0, CLOSE, CLOSE, KEEP, OPEN)
    assert again.begin(stamp) == done


def test_the_same_image_twice_gives_the_same_chunk() -> None:
    decoder = ActionDecoder(google_card(4))
    once = decide(decoder, 1.0, CLOSE, CLOSE, OPEN, OPEN)
    assert decide(decoder, 1.0, CLOSE, CLOSE, OPEN, OPEN) == once
    period = decoder.card.period
    assert decide(decoder, 1.0 + 2 * period, KEEP, KEEP, KEEP, KEEP)[0] == pytest.approx(1.0, abs=0.01)


def test_the_first_steps_and_the_whole_chunk_agree() -> None:
    decoder = ActionDecoder(google_card(4))
    decoder.begin(1.0)
    all_tokens = tokens(decoder, CLOSE, OPEN, CLOSE, CLOSE)
    first = decoder.from_tokens(all_tokens[:9], confidence=1.0)
    whole = decoder.from_tokens(all_tokens, confidence=1.0)
    assert [len(first.steps), len(whole.steps)] == [1, 4]
    assert first.steps[0].gripper == whole.steps[0].gripper == pytest.approx(0.5, abs=0.01)
    assert whole.steps[3].gripper == pytest.approx(1.0, abs=0.01)


def test_an_unfinished_chunk_counts_only_its_decided_steps() -> None:
    decoder = ActionDecoder(google_card(4))
    decoder.begin(1.0)
    decoder.from_tokens(tokens(decoder, CLOSE, CLOSE), confidence=1.0)
    assert decoder.begin(1.0 + 3 * decoder.card.period) == 2
    assert decoder.begin(9.0) == 0, "nothing was decided since"


def test_a_chunk_of_one_step_is_done_whenever_the_next_image_was_taken() -> None:
    decoder = ActionDecoder(google_card(1))
    found = [decide(decoder, stamp, change)[0] for stamp, change in ((5.0, CLOSE), (5.0, KEEP), (4.0, CLOSE))]
    assert found == pytest.approx([0.5, 0.5, 1.0], abs=0.01)
    decoder.reset()
    assert decide(decoder, 5.0, KEEP) == pytest.approx([0.0], abs=0.01)


@pytest.mark.parametrize("stamp", [math.nan, math.inf, -math.inf])
def test_a_stamp_that_is_no_time_is_refused_and_changes_nothing(stamp: float) -> None:
    decoder = ActionDecoder(google_card(4))
    decide(decoder, 1.0, CLOSE, CLOSE, CLOSE, CLOSE)
    with pytest.raises(ValueError, match=rf"stamp is {stamp}, expected a time in seconds"):
        decoder.begin(stamp)
    assert decoder.begin(1.0 + decoder.card.period) == 1


@pytest.mark.parametrize("count", [0, 8, 10, 45])
def test_tokens_of_no_whole_steps_are_refused(count: int) -> None:
    decoder = ActionDecoder(google_card(4))
    with pytest.raises(ValueError, match=rf"expected the tokens of 1 to 4 steps of 9 each, got {count}"):
        decoder.from_tokens([0] * count, confidence=1.0)
