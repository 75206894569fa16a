from __future__ import annotations

import time

import pytest

from rt_vla_ros.data.web.action_answers import is_action


@pytest.mark.parametrize(
    "answer",
    [
        "1 128 91 241 5 101 127",
        " 1 128 91 241 5 101 127 0 ",
        "1, 128, 91, 241, 5, 101, 127, 0",
        "[1, 128, 91, 241, 5, 101, 127]",
        "-1 +2 -3 4 5 6 7",
        "Plan: pick the apple. Action: 1 128 91 241 5 101 127 0.",
        "action:1 128 91 241 5 101 127",
        " ".join(["128"] * 56),
        "1\n2\n3\n4\n5\n6\n7",
    ],
)
def test_actions(answer: str) -> None:
    assert is_action(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "7",
        "2024",
        "40 60",
        "12 40 60 80",
        "1 2 3 4 5 6",
        "1 2 3 4 5 6 7 8 9",
        "1 128 91 241 5 101 127 apples",
        "1.5 2 3 4 5 6 7",
        "one two three four five six seven",
        "1-2-3-4-5-6-7",
        "Action: jump.",
        "red",
    ],
)
def test_words_and_numbers_that_are_none(answer: str) -> None:
    assert not is_action(answer)


def test_how_many_numbers_an_action_has_is_the_robots() -> None:
    assert is_action("1 2 3 4 5", sizes=[5])
    assert is_action("1 2 3 4 5 6 7 8 9 10", sizes=[5])
    assert not is_action("1 2 3 4 5 6 7", sizes=[5])
    assert not is_action("1 2 3 4 5 6 7", sizes=[])


@pytest.mark.parametrize(
    "answer",
    ["1 " * 100_000 + "x.", "action: " * 20_000 + ".", "1" * 100_000 + " ]", "1" + "\n" * 20_000 + "a)"],
)
def test_long_answers_take_no_time(answer: str) -> None:
    start = time.process_time()
    assert not is_action(answer)
    assert time.process_time() - start < 1
