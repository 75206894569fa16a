from __future__ import annotations

from pathlib import Path

import pytest
from support.web_data import write_image, write_lines

from rt_vla_ros.data.web.open_web import open_web
from rt_vla_ros.data.web.scoring import is_right, is_short, plain, questions


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("Red.", "red"),
        (" the  red cup ", "red cup"),
        ("Two", "2"),
        ("a", "a"),
        ("the", "the"),
        ("1,000", "1000"),
        ("12,345,678 people", "12345678 people"),
        ("red, green", "red green"),
        ("3.5", "3.5"),
        ('"yes"!', "yes"),
        ("t-shirt", "t-shirt"),
        ("", ""),
        ("?", ""),
        ("Ü", "ü"),
    ],
)
def test_answers_are_compared_without_what_does_not_matter(answer: str, words: str) -> None:
    assert plain(answer) == words
    assert plain(plain(answer)) == plain(answer)


def test_any_accepted_answer_is_right() -> None:
    assert is_right("Two.", ["3", "2"])
    assert not is_right("twelve", ["two", "2"])
    assert not is_right("", ["two"])
    assert not is_right("red", [])


@pytest.mark.parametrize(
    ("answer", "short"), [("red", 1), ("on the table", 1), ("a b c d e", 0), ("", 0), ("x" * 33, 0)]
)
def test_short_answers(answer: str, short: int) -> None:
    assert is_short(answer) == bool(short)


def test_what_can_be_scored(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    records = [
        {"question": "Colour?", "answers": ["red", "Red", "pink"]},
        {"question": "Colour?", "answer": "Red."},
        {"question": "How many?", "answer": 2},
        {"question": "Why?", "answer": "because it was left there by somebody"},
        {"caption": "red"},
    ]
    path = write_lines(tmp_path / "x.jsonl", [{"image": "a.png", **record} for record in records])
    source = open_web(str(path))
    found = list(questions(source))
    assert [(one.example, one.number, one.turn.text) for one in found] == [
        (0, 0, "Colour?"),
        (0, 1, "Colour?"),
        (0, 2, "How many?"),
    ]
    assert found[0].accepted == ("red", "Red", "pink")
