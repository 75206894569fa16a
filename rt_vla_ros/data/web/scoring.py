"""Which answers can be scored, and whether a model's answer is right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rt_vla_ros.data.example import Turn
from rt_vla_ros.data.web.said import CAPTION_REQUEST
from rt_vla_ros.data.web.web_source import WordSource

MOST_WORDS, MOST_LETTERS = 3, 32  # of an answer that is compared as a whole
ARTICLES = frozenset({"a", "an", "the"})
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
DIGITS = {word: str(number) for number, word in enumerate(NUMBERS)}
EDGES = " \t\n.,;:!?\"'`()[]"


class ScoredQuestion(NamedTuple):
    """A question that can be scored. example, turn: indices in the source. accepted: the correct answers."""

    example: int
    number: int
    turn: Turn
    accepted: tuple[str, ...]


def plain(answer: str) -> str:
    """Normalize as in VQA: lower case, digits for small numbers, no articles, no punctuation at the ends."""
    words = [word.strip(EDGES) for word in answer.lower().replace(",", ", ").split()]
    words = [DIGITS.get(word, word) for word in words if word]
    kept = [word for word in words if word not in ARTICLES] or words  # "a" may be the answer
    return re.sub(r"(?<=\d) (?=\d{3}\b)", "", " ".join(kept)) if "," in answer else " ".join(kept)


def is_right(answer: str, accepted: Iterable[str]) -> bool:
    """Whether an answer is one of the accepted ones."""
    return plain(answer) in {plain(one) for one in accepted}


def is_short(answer: str) -> bool:
    """Whether an answer is short enough to expect an exact match."""
    words = plain(answer)
    return 0 < len(words.split()) <= MOST_WORDS and len(words) <= MOST_LETTERS


def questions(source: WordSource) -> Iterator[ScoredQuestion]:
    """All questions that can be scored: those with short answers; no captions. No image is decoded."""
    for example in range(len(source)):
        for number, (turn, accepted) in enumerate(zip(source.turns(example), source.accepted(example), strict=True)):
            if turn.text != CAPTION_REQUEST and is_short(turn.answer):
                yield ScoredQuestion(example, number, turn, accepted)
