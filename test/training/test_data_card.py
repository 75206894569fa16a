from __future__ import annotations

from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.training.data_card import EpisodeCounts, data_card


def card(*suites: str) -> str:
    counts, made = EpisodeCounts(), tabletop_card("x", image_size=64)
    counts.add("pick up the red block", "expert", 20, True)
    counts.add("lift the blue ball", "expert", 10, False)
    counts.add("lift the blue ball", "learner", 1_000, False)
    return data_card(counts, title="Some episodes", origin="From here.", suites=suites, card=made)


def test_it_counts_what_there_is() -> None:
    text = card("pick-any", "pick-any", "train-clutter")
    assert "| the scripted expert | 2 | 30 | 50.0% |\n| the policy | 1 | 1,000 | 0.0% |\n| all | 3 | 1,030 | |" in text
    assert "| red | 1 | 0 | 0 |" in text
    assert "| blue | 0 | 0 | 2 |" in text
    assert "2 different instructions" in text
    assert "64x64 pixels" in text
    assert text.count("- `pick-any`: 3 objects") == 1
    assert "- `train-clutter`: 3 to 7 objects" in text
    assert "the camera moved by up to 1.5 cm" in text


def test_it_says_what_was_kept_out_and_nothing_else() -> None:
    assert "yellow ball, purple cube, green cylinder never occur" in card("pick-any")
    assert "never named" not in card("pick-any", "unseen")
    assert "of `backgrounds` do not occur" in card("unseen")
    assert "Nothing is held out" in card("unseen", "backgrounds")


def test_it_names_the_teacher_that_labeled_the_states() -> None:
    counts, made = EpisodeCounts(), tabletop_card("x")
    counts.add("pick up the red cube", "expert", 20, False)
    text = data_card(counts, title="T", origin="O.", suites=["pick-any"], card=made, teacher="rt2-mini")
    assert "and the teacher `rt2-mini`'s action" in text
    assert "| the teacher `rt2-mini` | 1 | 20 | 0.0% |" in text
    assert "Failed episodes are kept: the labels are what the teacher does in them, too." in text
    assert "scripted" not in text
