"""What an incoming instruction means."""

from __future__ import annotations

import pytest

from rt_vla_ros.runtime.instruction_gate import InstructionGate, InstructionKind

PICK = "pick up the red cube"


def desk() -> InstructionGate:
    return InstructionGate(max_length=1000, pause=3.0, restart="/policy_node/restart")


def test_a_text_that_is_repeated_every_second_is_one_request_while_it_runs_and_after() -> None:
    d = desk()
    kinds = [d.decide(PICK, running=t < 5, now=t).kind for t in range(10)]
    assert kinds == [InstructionKind.NEW] + [InstructionKind.REPEATED] * 9


def test_the_same_text_after_a_pause_is_new_once_the_first_is_done() -> None:
    d = desk()
    d.decide(PICK, running=False, now=0)
    assert d.decide(PICK, running=True, now=60).kind is InstructionKind.REPEATED
    assert d.decide(PICK, running=False, now=63).kind is InstructionKind.REPEATED
    assert d.decide(PICK, running=False, now=66.1).kind is InstructionKind.NEW


def test_another_text_is_new_at_once() -> None:
    d = desk()
    d.decide(PICK, running=False, now=0)
    decision = d.decide("pick up the blue ball", running=True, now=0.1)
    assert (decision.kind, decision.text) == (InstructionKind.NEW, "pick up the blue ball")
    assert d.text == "pick up the blue ball"


@pytest.mark.parametrize("text", ["", "   ", "\n\t "])
def test_an_empty_text_is_a_stop_and_repeats_do_not_start_again(text: str) -> None:
    d = desk()
    d.decide(PICK, running=False, now=0)
    assert d.decide(text, running=True, now=1.0).kind is InstructionKind.STOP
    d.close()
    assert d.decide(PICK, running=False, now=1.5).kind is InstructionKind.REPEATED
    assert d.decide(PICK, running=False, now=60.0).kind is InstructionKind.REPEATED


def test_the_text_of_a_request_that_was_ended_begins_nothing_until_another_comes_or_it_is_reopened() -> None:
    d = desk()
    d.decide(PICK, running=False, now=0)
    for t in (100, 200):
        d.reopen()
        d.close()
        explained = [d.decide(PICK, running=False, now=t + pause).sentence for pause in (0, 10, 20)]
        assert explained == [
            "The same instruction again, but its request was ended: it is ignored. Send another instruction, or call "
            "/policy_node/restart.",
            "",
            "",
        ]
    d.reopen()
    assert d.decide(PICK, running=True, now=300).kind is InstructionKind.REPEATED
    assert d.decide(PICK, running=False, now=310).kind is InstructionKind.NEW
    d.close()
    assert d.decide("pick up the blue ball", running=False, now=311).kind is InstructionKind.NEW
    assert d.decide(PICK, running=True, now=312).kind is InstructionKind.NEW


def test_the_first_text_of_all_is_new_also_after_a_stop() -> None:
    d = desk()
    d.close()
    assert d.decide(PICK, running=False, now=0).kind is InstructionKind.NEW


def test_a_repetition_that_begins_nothing_is_explained_once_a_request() -> None:
    d = desk()
    d.decide(PICK, running=False, now=0)
    sentences = [d.decide(PICK, running=False, now=2 + t).sentence for t in range(3)]
    assert sentences == [
        "The same instruction again within 3 s counts as a repetition, and its request is over: it is ignored. Send "
        "it again after 3 s of silence, or call /policy_node/restart.",
        "",
        "",
    ]
    assert d.decide(PICK, running=False, now=8).kind is InstructionKind.NEW
    assert d.decide(PICK, running=True, now=9).sentence == ""
    assert d.decide(PICK, running=False, now=10).sentence == sentences[0]


def test_white_space_does_not_count() -> None:
    d = desk()
    assert d.decide("  pick up\tthe  red cube\n", running=False, now=0).text == PICK
    assert d.decide(PICK, running=True, now=1).kind is InstructionKind.REPEATED


def test_an_overlong_text_is_refused_with_its_length() -> None:
    decision = desk().decide("x" * 10_000, running=False, now=0)
    assert decision.kind is InstructionKind.REFUSED
    assert decision.sentence.startswith("The instruction has 10000 characters, expected at most 1000: 'xxx")
    assert len(decision.sentence) < 200


class Unread(str):
    """Ten megabytes that nobody may look into as a whole."""

    def split(self, *_: object) -> list[str]:  # type: ignore[override]
        raise AssertionError("it was looked into")

    strip = lower = encode = split  # type: ignore[assignment]


@pytest.mark.parametrize("text", ["x y " * 2_500_000, " " * 10_000_000, "\0" * 10_000_000, "🤖" * 1001])
def test_a_text_is_not_looked_into_where_it_is_too_long(text: str) -> None:
    d = desk()
    decision = d.decide(Unread(text), running=True, now=0)
    assert decision.kind is InstructionKind.REFUSED
    assert f"has {len(text)} characters, expected at most 1000" in decision.sentence
    assert len(decision.sentence) < 500
    assert d.text is None


def test_a_text_of_just_the_length_is_taken() -> None:
    assert desk().decide("x" * 1000, running=False, now=0).kind is InstructionKind.NEW


def test_an_emoji_is_a_text_like_any_other() -> None:
    assert desk().decide("🤖👉🟥", running=False, now=0).kind is InstructionKind.NEW
