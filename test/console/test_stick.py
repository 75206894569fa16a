"""The deadman of the page's stick: what lets it go, and what it takes to hold it again."""

from __future__ import annotations

import pytest

from rt_vla_ros.console.stick import AGAIN, LATE, LET_GO, LOST, SILENCE, SLOW, PageStick, StickState

FORWARD = StickState(True, (1.0, 0.0, 0.0, 0.0, 0.0, 0.0))


@pytest.fixture
def stick() -> PageStick:
    """Taken up, and let go once."""
    stick = PageStick()
    stick.arm(True)
    stick.say(LET_GO, 0.0, trip=0.01)
    return stick


def test_what_is_held_counts_until_it_is_let_go(stick: PageStick) -> None:
    stick.say(FORWARD, 0.1, trip=0.01)
    assert stick.read(0.15) == FORWARD
    stick.say(LET_GO, 0.2, trip=0.01)
    assert stick.read(0.2) == LET_GO
    assert stick.problem == ""


def test_silence_lets_it_go_and_only_holding_it_anew_counts(stick: PageStick) -> None:
    stick.say(FORWARD, 0.1, trip=0.01)
    assert stick.read(0.099 + SILENCE).held
    assert stick.read(0.101 + SILENCE) == LET_GO
    assert stick.problem == f"{LOST} {AGAIN}"
    stick.say(FORWARD, 0.5, trip=0.01)
    assert not stick.read(0.5).held
    stick.say(LET_GO, 0.55, trip=0.01)
    stick.say(FORWARD, 0.6, trip=0.01)
    assert stick.read(0.6).held


def test_a_message_after_a_silence_does_not_bridge_it(stick: PageStick) -> None:
    stick.say(FORWARD, 0.1, trip=0.01)
    stick.say(FORWARD, 0.2 + SILENCE, trip=0.01)
    assert not stick.read(0.2 + SILENCE).held


def test_a_slow_connection_lets_it_go(stick: PageStick) -> None:
    stick.say(FORWARD, 0.1, trip=LATE)
    assert stick.read(0.1).held
    stick.say(FORWARD, 0.2, trip=LATE + 0.01)
    assert not stick.read(0.2).held
    assert stick.problem == f"{SLOW} {AGAIN}"


def test_a_stick_that_was_held_from_the_start_does_not_count() -> None:
    stick = PageStick()
    stick.say(LET_GO, 0.0, trip=0.01)
    stick.say(FORWARD, 0.0, trip=0.01)
    assert not stick.read(0.0).held
    stick.arm(True)
    stick.say(FORWARD, 0.1, trip=0.01)
    assert not stick.read(0.1).held
    assert stick.problem == AGAIN


def test_it_is_let_go_for_a_page_that_is_gone(stick: PageStick) -> None:
    stick.say(FORWARD, 0.1, trip=0.01)
    stick.let_go("The page was closed.")
    assert not stick.read(0.1).held
    assert stick.problem == f"The page was closed. {AGAIN}"
    stick.arm(False)
    assert (stick.armed, stick.problem) == (False, "")


def test_a_gripper_command_is_read_once_and_not_lost_between_two_reads(stick: PageStick) -> None:
    stick.say(FORWARD._replace(gripper=1.0), 0.1, trip=0.01)
    stick.say(FORWARD, 0.12, trip=0.01)
    assert stick.read(0.15).gripper == 1.0
    assert stick.read(0.16).gripper is None
