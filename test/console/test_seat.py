"""One page controls; who that is."""

from __future__ import annotations

from rt_vla_ros.console.seat import BUSY, SILENCE, WATCHES, Seat


def test_the_first_page_controls_and_the_second_watches() -> None:
    seat = Seat()
    seat.join("a", 0.0)
    seat.join("b", 0.0)
    assert seat.refuse("a") is None
    assert seat.refuse("b") == WATCHES


def test_control_is_taken_by_asking_but_not_from_who_moves_the_arm() -> None:
    seat = Seat()
    seat.join("a", 0.0)
    assert seat.take("b", 1.0, moving=True) == BUSY
    assert seat.holder == "a"
    assert seat.take("b", 1.0, moving=False) is None
    assert seat.refuse("a") == WATCHES
    assert seat.take("b", 2.0, moving=True) is None


def test_a_page_that_is_silent_or_closed_controls_no_more_and_no_other_does_by_itself() -> None:
    seat = Seat()
    seat.join("a", 0.0)
    seat.hear("b", 5.0)
    assert not seat.look(SILENCE)
    assert seat.look(SILENCE + 0.01)
    assert seat.holder is None
    seat.join("b", 6.0)
    assert not seat.leave("a")
    assert seat.leave("b")
    assert seat.holder is None


def test_a_page_that_is_heard_keeps_control() -> None:
    seat = Seat()
    seat.join("a", 0.0)
    seat.hear("a", 2.0)
    assert not seat.look(2.0 + SILENCE)
