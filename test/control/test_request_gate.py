"""Whose actions are followed."""

from __future__ import annotations

from typing import Any

from rt_vla_ros.control.request_gate import REMEMBERED, RequestGate, RequestKey, refuse_unnamed

A, B = RequestKey("/a/policy_node#1", 1), RequestKey("/b/policy_node#2", 1)


def refuse(gate: RequestGate, request: RequestKey, now: float = 0.0, **changes: Any) -> str | None:
    return gate.refuse(request, now, **({"active": True, "begins": False} | changes))


def test_the_one_whose_request_runs_is_followed_and_others_are_refused_and_named() -> None:
    gate = RequestGate(1.0)
    assert refuse(gate, A, active=False) is None
    for now in (0.1, 0.2, 0.3):
        assert refuse(gate, A, now) is None
        assert refuse(gate, B, now) == "The arm follows /a/policy_node: the actions of /b/policy_node are refused." or (
            now > 0.1
        )
    assert gate.running == A


def test_a_time_in_which_nobody_could_act_does_not_count_and_keeps_who_was_in_charge() -> None:
    gate = RequestGate(1.0)
    refuse(gate, A, 1.0)
    assert gate.waited(3.0) == 2.0
    for now in (3.0, 5.0, 60.0):
        gate.wait(now)
    assert gate.waited(60.5) == 0.5
    assert refuse(gate, B, 60.5, active=False) is not None


def test_a_request_that_is_barred_is_over_and_another_one_begins() -> None:
    gate = RequestGate(1.0)
    gate.bar(A, "It began before.")
    assert refuse(gate, A) == "It began before."
    assert refuse(gate, A._replace(number=2)) is None


def test_a_request_that_was_refused_once_does_not_begin_by_itself_later() -> None:
    gate = RequestGate(1.0)
    refuse(gate, A)
    refuse(gate, B)
    gate.done()
    assert "Send the instruction again." in str(refuse(gate, B, active=False))
    assert refuse(gate, B._replace(number=2), active=False) is None
    assert gate.running == B._replace(number=2)


def test_between_two_actions_and_after_a_fault_the_publisher_stays_in_charge_for_a_while() -> None:
    gate = RequestGate(1.0)
    refuse(gate, A, 5.0)
    assert refuse(gate, B, 5.9, active=False) is not None
    assert refuse(gate, B._replace(number=2), 6.1, active=False) is None


def test_a_clock_that_jumped_back_keeps_nobody_in_charge() -> None:
    gate = RequestGate(1.0)
    refuse(gate, A, 500.0)
    assert refuse(gate, B, 3.0, active=False) is None


def test_a_terminate_of_another_one_ends_nothing() -> None:
    gate = RequestGate(1.0)
    refuse(gate, A)
    assert refuse(gate, B, begins=True) is not None
    assert gate.running == A


def test_of_a_request_that_is_over_no_action_is_followed_and_the_next_one_is() -> None:
    gate = RequestGate(1.0)
    refuse(gate, A)
    gate.end("The arm does not follow.")
    assert refuse(gate, A, active=False) == "The arm does not follow."
    assert refuse(gate, A, active=False, begins=True) is None  # it says that it ends
    assert refuse(gate, A, active=False) == "The arm does not follow."
    assert refuse(gate, A._replace(number=2), active=False) is None


def test_a_publisher_without_a_name_begins_another_request_by_an_action_that_moves_nothing() -> None:
    gate, unnamed = RequestGate(1.0), RequestKey("", 0)
    assert refuse(gate, unnamed) is None
    gate.end("Over.")
    assert refuse(gate, unnamed, active=False) == "Over."
    assert refuse(gate, unnamed, active=False, begins=True) is None
    assert refuse(gate, unnamed, active=False) is None


def test_of_several_publishers_each_must_say_who_it_is() -> None:
    assert refuse_unnamed(A, ["/a", "/b"]) is None
    assert refuse_unnamed(RequestKey("", 0), []) is None
    sentence = str(refuse_unnamed(RequestKey("", 0), ["/a", "/b"]))
    assert sentence.startswith("Actions have 2 publishers, /a and /b, and this one is unnamed")


def test_it_remembers_only_so_many() -> None:
    gate = RequestGate(1.0)
    for number in range(3 * REMEMBERED):
        gate.refuse(RequestKey("/a#1", number), 0.0, active=False, begins=False)
        gate.end("Over.")
    assert len(gate._over) == REMEMBERED
    assert [request.number for request, _ in gate.refused(2)] == [3 * REMEMBERED - 2, 3 * REMEMBERED - 1]


def test_a_reset_puts_nobody_in_charge_and_does_not_begin_anew_what_is_over() -> None:
    gate, unnamed = RequestGate(1.0), RequestKey("", 0)
    for request in (unnamed, A):
        refuse(gate, request, active=False)
        gate.end("Over.")
    assert gate.refused(8) == [(A, "Over.")]
    refuse(gate, B)
    gate.reset()
    assert refuse(gate, A) == "Over."
    assert refuse(gate, unnamed) is None  # it has no other way to begin anything
    gate.reset()
    assert refuse(gate, B) is None


def test_two_nodes_of_one_name_are_told_apart() -> None:
    gate = RequestGate(1.0)
    refuse(gate, A)
    twin = A._replace(publisher="/a/policy_node#9")
    sentence = "The arm follows another /a/policy_node: the actions of /a/policy_node are refused."
    assert refuse(gate, twin) == sentence


def test_how_long_a_request_waits_to_begin_counts_until_one_of_its_actions_is_followed() -> None:
    gate = RequestGate(1.0)
    assert gate.waited(9.0) == 0
    refuse(gate, A, 1.0, active=False)
    refuse(gate, A, 3.0, active=False)
    assert gate.waited(3.5) == 2.5
    assert gate.waited(0.5) == 0  # a clock that began anew
    gate.followed = True
    assert gate.waited(9.0) == 0
    refuse(gate, A._replace(number=2), 10.0, active=False)
    assert gate.waited(10.5) == 0.5
