from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from rt_vla_ros.language.encoder import MAX_LENGTH, InstructionError
from rt_vla_ros.language.hashed_words import MAX_WORDS, PADDING, HashedWords, words


def test_words_and_pairs_then_padding() -> None:
    numbers = HashedWords(4096).encode("pick up the red cube")
    assert numbers.shape == (2 * MAX_WORDS - 1,)
    assert numbers.dtype == np.int64
    assert (numbers[:9] != PADDING).all()
    assert (numbers[9:] == PADDING).all()


def test_numbers_are_buckets() -> None:
    numbers = HashedWords(7).encode(" ".join(f"word{i}" for i in range(MAX_WORDS)))
    assert (numbers >= 1).all()
    assert (numbers <= 7).all()


def test_the_same_in_another_process() -> None:
    """Python's own hash differs from process to process; a checkpoint's may not."""
    code = (
        "from rt_vla_ros.language.hashed_words import HashedWords as H; print(H(4096).encode('red cube').tolist()[:3])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(HashedWords(4096).encode("red cube").tolist()[:3])


def test_buckets_of_known_words_stay() -> None:
    """A shipped checkpoint depends on these numbers."""
    assert HashedWords(4096).encode("red cube")[:3].tolist() == [2318, 1567, 3765]


def test_case_accents_and_punctuation_do_not_matter() -> None:
    encoder = HashedWords(4096)
    for text in ("Pick up the RED cube!", "  pick up,  the réd cube… 🙂", "pick up the red\ncube"):
        np.testing.assert_array_equal(encoder.encode(text), encoder.encode("pick up the red cube"))


def test_colours_and_shapes_of_the_table_have_their_own_buckets() -> None:
    from rt_vla_ros.sim.objects import COLOURS, SHAPE_WORDS

    terms = [*COLOURS, *SHAPE_WORDS]
    buckets = {int(HashedWords(4096).encode(term)[0]) for term in terms}
    assert len(buckets) == len(terms)


def test_words_of_other_scripts() -> None:
    assert words("Возьми красный куб") == ["возьми", "красныи", "куб"]
    assert words("拿起红色方块") == ["拿起红色方块"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        (" \n\t", "is empty"),
        ("🦾🧊👍", "contains no words"),
        ("?!...", "contains no words"),
        ("word " * (MAX_WORDS + 1), f"has {MAX_WORDS + 1} words, at most {MAX_WORDS}"),
        ("x" * 10_000, f"has 10000 characters, at most {MAX_LENGTH}"),
    ],
)
def test_refuses_what_says_nothing_or_too_much(text: str, sentence: str) -> None:
    with pytest.raises(InstructionError, match=sentence):
        HashedWords(4096).encode(text)


def test_needs_a_bucket() -> None:
    with pytest.raises(ValueError, match="at least one bucket"):
        HashedWords(0)
