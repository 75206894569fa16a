"""Words fit where they are drawn, whatever they are."""

from __future__ import annotations

import pytest

from rt_vla_ros.evaluation.lettering import font, one_line, shortened, wrapped

FACE = font(15)


def test_a_text_that_fits_stays() -> None:
    assert shortened("red cube", 200, FACE) == "red cube"
    assert wrapped("red cube", 200, FACE, 2) == ["red cube"]
    assert wrapped("", 200, FACE, 2) == []


def test_a_long_text_is_broken_between_words_and_cut_at_the_end() -> None:
    text = "an orange ball, a red cube and a cyan cylinder " * 5
    lines = wrapped(text, 200, FACE, 3)
    assert len(lines) == 3
    assert text.startswith(" ".join(lines).removesuffix(" ..."))
    assert lines[-1].endswith(" ...")
    assert all(FACE.getlength(line) <= 200 for line in lines)


@pytest.mark.parametrize("width", [0, 1, 30, 200])
@pytest.mark.parametrize("text", ["a", "x" * 3000, "so " * 100_000, "� 你好 "])
def test_words_that_do_not_fit_are_broken_anywhere(text: str, width: int) -> None:
    lines = wrapped(text, width, FACE, 2)
    assert 1 <= len(lines) <= 2
    assert max(map(FACE.getlength, lines)) <= max(width, FACE.getlength("x ..."))


def test_what_a_terminal_would_obey_is_no_letter() -> None:
    assert one_line(" two\nlines\t and \x1b[31mred\udcff\u202e ") == "two lines and [31mred"
    assert one_line("") == ""
    assert one_line("چه می\u200cبینی؟") == "چه می\u200cبینی؟"
