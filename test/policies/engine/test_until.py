"""A text up to a marker: the expression accepts exactly the texts that end with its first occurrence."""

from __future__ import annotations

import itertools
import re

import pytest

from rt_vla_ros.policies.engine.until import until


@pytest.mark.parametrize("marker", ["a", "ab", "aa", "aba", "abab", "aab", "ab]", "a.^", "a b", "-\\", "Action:"])
def test_only_texts_that_end_with_the_first_marker_are_accepted(marker: str) -> None:
    pattern, alphabet = re.compile(until(marker)), [*sorted(set(marker)), "x", "\n"]
    if len(alphabet) > 6:
        alphabet = ["A", "c", "Act", "Action", ":", "on:", "Action:", "x"]
    for length in range(6 if len(alphabet) < 8 else 5):
        for parts in itertools.product(alphabet, repeat=length):
            text = "".join(parts)
            ends = len(text) >= len(marker) and text.find(marker) == len(text) - len(marker)
            assert bool(pattern.fullmatch(text)) == ends, text


def test_an_expression_stays_short_and_has_no_lookahead() -> None:
    assert len(until("ACTION:")) < 300
    assert "(?!" not in until("Action:")


def test_an_empty_marker_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a marker"):
        until("")
