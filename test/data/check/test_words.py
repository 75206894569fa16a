"""Instructions: variants of one are found, and different ones are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.data.check.recorded import RecordedEpisode
from rt_vla_ros.data.check.words import edit_distance, word_findings


def found(counts: dict[str, int]) -> dict[str, tuple[int, ...]]:
    sentences = [sentence for sentence, count in counts.items() for _ in range(count)]
    episodes = [
        RecordedEpisode(i, np.zeros((1, 7), np.float32), np.zeros(1), np.zeros(1, np.int64), sentences=(one,))
        for i, one in enumerate(sentences)
    ]
    return {one.code: one.episodes for one in word_findings(episodes)}


@pytest.mark.parametrize(
    "variant", ["Pick up the red cube", "pick up  the red cube ", "pick up the red cube.", "pick up thered cube"]
)
def test_spelling(variant: str) -> None:
    assert found({"pick up the red cube": 9, variant: 1}) == {"instruction-spelling": (9,)}


@pytest.mark.parametrize("variant", ["pick up the purlpe cube", "pick up the purple cubee", "pikc up the purple cube"])
def test_typing_errors(variant: str) -> None:
    assert found({"pick up the purple cube": 9, variant: 1}) == {"instruction-typo": (9,)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pick up the red cube", "pick up the blue cube"),
        ("pick up the red cube", "push the red cube"),
        ("cube number 10 goes left", "cube number 11 goes left"),
        ("put it to the left", "put it to the right"),
        ("open the drawer", "close the drawer"),
        ("put the pen away", "put the pan away"),
    ],
)
def test_different_instructions(one: str, other: str) -> None:
    assert found({one: 20, other: 1}) == {}


def test_two_words_that_are_both_common_are_both_meant() -> None:
    assert found({"lift the block": 10, "left the block": 9}) == {}


def test_empty_instructions_and_other_letters() -> None:
    assert found({" ": 1, "hebe den Würfel": 3}) == {"instruction-empty": (0,)}
    assert found({"拿起红色的方块": 3, "拿起 红色的方块": 1}) == {"instruction-spelling": (3,)}


def test_many_sentences_take_little_time() -> None:
    words = ["".join(chr(97 + (i * k) % 26) for k in (1, 3, 7, 11, 5)) for i in range(3000)]
    found({f"take the {word} over there": 1 for word in words})


def test_edit_distance() -> None:
    assert [edit_distance(*pair) for pair in (("", "ab"), ("cube", "cubes"), ("purple", "purlpe"), ("a", "a"))] == [
        2,
        1,
        1,
        0,
    ]
