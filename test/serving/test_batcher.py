"""Batches in simulated time."""

from __future__ import annotations

import random

import pytest

from rt_vla_ros.serving.batcher import ACTIVE, PROBE, REMEMBERED, Batcher, WaitingRequest

FAR = 100.0  # a deadline that does not matter [s]


def batcher(max_batch: int = 4, max_wait: float = 0.005) -> Batcher[str]:
    return Batcher(max_batch=max_batch, max_wait=max_wait)


def measured(made: Batcher[str], *durations: float, now: float = 0.0) -> None:
    """Batches of one, two, ... robots, which took so long [s]."""
    for size, took in enumerate(durations, 1):
        for session in "abcd"[:size]:
            made.put(session, "0", 0.0, FAR)
        made.done(made.take(0.0), took, now)


def sessions(made: Batcher[str], now: float) -> list[object]:
    return [one.session for one in made.take(now)]


def test_a_robot_alone_does_not_wait() -> None:
    made = batcher()
    made.put("a", "1", 0.0, FAR)
    assert made.due(0.0) == 0.0
    assert sessions(made, 0.0) == ["a"]
    assert made.due(0.0) is None


def test_a_batch_waits_for_active_robots_at_most_max_wait() -> None:
    made = batcher()
    for session in "ab":
        made.put(session, "1", 0.0, FAR)
    made.lost(made.take(0.0))
    made.put("a", "2", 0.5, FAR)
    assert made.due(0.5) == pytest.approx(0.505)
    made.put("b", "2", 0.502, FAR)
    assert made.due(0.502) == 0.502
    batch = made.take(0.502)
    assert [one.session for one in batch] == ["a", "b"]
    made.lost(batch)
    made.put("a", "3", 0.6 + ACTIVE, FAR)
    assert made.due(0.6 + ACTIVE) == 0.6 + ACTIVE  # b has not asked for long


def test_a_full_batch_is_due_at_once() -> None:
    made = batcher(max_batch=2)
    for session in "abc":
        made.put(session, "0", 0.0, FAR)
    for _ in range(2):
        made.done(made.take(0.0), 0.01, 0.0)
    for session in "ab":
        made.put(session, "1", 0.1, FAR)
    assert made.due(0.1) == 0.1


def test_a_deadline_ends_the_wait_for_others() -> None:
    made = batcher(max_wait=0.1)
    for session in "ab":
        made.put(session, "1", 0.0, FAR)
        made.done(made.take(0.0), 0.04, 0.04)
    made.put("a", "2", 0.1, 0.15)
    assert made.due(0.1) == pytest.approx(0.11)


@pytest.mark.parametrize(
    ("together", "waited"),
    [(0.010, 0.005), (0.017, 0.003), (0.025, 0.0)],
    ids=["as long as one", "a little less than two", "longer than two"],
)
def test_a_batch_waits_for_others_only_as_long_as_it_saves_time(together: float, waited: float) -> None:
    made = batcher()
    measured(made, 0.010, together, now=0.1)
    made.put("a", "2", 0.5, FAR)
    assert made.due(0.5) == pytest.approx(0.5 + waited)


def test_a_newer_request_of_a_session_takes_the_place_of_the_older_one() -> None:
    made = batcher()
    assert made.put("a", "old", 0.0, FAR) is None
    assert made.put("a", "new", 0.1, FAR) == "old"
    assert [one.item for one in made.take(0.1)] == ["new"]


def test_a_request_that_cannot_be_in_time_is_late_at_once_and_not_decided() -> None:
    made = batcher()
    made.put("a", "0", 0.0, FAR)
    made.done(made.take(0.0), 0.05, 0.05)
    made.put("a", "hurried", 0.1, 0.14)
    made.put("b", "patient", 0.1, 0.16)
    assert made.late(0.1) == ["hurried"]
    assert [one.item for one in made.take(0.1)] == ["patient"]


def test_requests_that_cannot_be_in_time_after_the_running_batch_are_late_at_once() -> None:
    made = batcher()
    made.put("a", "0", 0.0, FAR)
    made.done(made.take(0.0), 0.1, 0.1)
    made.put("a", "1", 0.2, FAR)
    made.take(0.2)  # done at about 0.3
    made.put("b", "hurried", 0.21, 0.39)
    made.put("c", "patient", 0.21, 0.41)
    assert made.late(0.21) == ["hurried"]
    assert len(made) == 1


def test_a_passed_deadline_is_late_regardless_of_durations() -> None:
    made = batcher()
    made.put("a", "1", 0.0, 0.1)
    assert made.late(0.09) == []
    assert made.late(0.1) == ["1"]


def test_one_slow_batch_does_not_make_all_later_ones_late() -> None:
    made = batcher()
    for took in (0.01, 5.0):
        made.put("a", "1", 0.0, FAR)
        made.done(made.take(0.0), took, 0.0)
    made.put("a", "2", 0.0, 0.1)
    assert made.late(0.0) == []


def test_after_many_slow_batches_a_request_is_tried_again() -> None:
    made = batcher()
    for _ in range(REMEMBERED):
        made.put("a", "1", 0.0, FAR)
        made.done(made.take(0.0), 5.0, 5.0)
    made.put("a", "2", 5.1, 5.6)
    assert made.late(5.1) == ["2"]
    later = 5.1 + PROBE
    made.put("a", "3", later, later + 0.5)
    assert made.late(later) == []
    assert sessions(made, later) == ["a"]


def test_a_batch_does_not_grow_beyond_the_deadline_of_its_members() -> None:
    made = batcher()
    measured(made, 0.01, 0.05)
    made.put("a", "hurried", 0.1, 0.13)
    made.put("b", "patient", 0.1, FAR)
    assert sum(len(made.take(0.1)) for _ in range(1)) == 1
    assert len(made) == 1


def test_robots_take_turns_also_beside_one_that_asks_all_the_time() -> None:
    made, served = batcher(max_batch=1), dict.fromkeys("abc", 0)
    for step in range(300):
        now = step * 0.01
        made.put("a", "again", now, FAR)
        if step % 3 == 0:
            for session in "bc":
                if session not in {one.session for one in made._waiting.values()}:
                    made.put(session, "now and then", now, FAR)
        batch = made.take(now)
        for one in batch:
            served[str(one.session)] += 1
        made.done(batch, 0.001, now)
    assert served == {"a": 100, "b": 100, "c": 100}


def test_free_replicas_divide_the_waiting_requests() -> None:
    made = batcher()
    made.replicas = 2
    for session in "abc":
        made.put(session, "1", 0.0, FAR)
    first, second = made.take(0.0), made.take(0.0)
    assert ([one.session for one in first], [one.session for one in second]) == (["a", "b"], ["c"])
    made.put("d", "1", 0.1, FAR)
    assert made.due(0.1) is None, "both replicas are busy"
    made.done(second, 0.1, 0.1)
    assert made.due(0.1) == pytest.approx(0.105), "c may ask again soon"
    assert [one.session for one in made.take(0.1)] == ["d"]


def test_a_session_is_never_in_two_batches_at_a_time() -> None:
    made = batcher()
    made.replicas = 2
    made.put("a", "1", 0.0, FAR)
    running = made.take(0.0)
    made.put("a", "2", 0.1, FAR)
    assert (made.due(0.1), made.take(0.1)) == (None, [])
    made.put("b", "1", 0.1, FAR)
    assert [one.session for one in made.take(0.1)] == ["b"]
    made.done(running, 0.2, 0.2)
    assert [one.item for one in made.take(0.2)] == ["2"]


def test_a_busy_server_is_late_by_its_first_free_replica() -> None:
    made = batcher()
    made.put("z", "0", 0.0, FAR)
    made.done(made.take(0.0), 0.1, 0.1)
    made.replicas = 2
    for began, session in ((0.2, "a"), (0.25, "b")):
        made.put(session, "1", began, FAR)
        made.take(began)  # done at about 0.3 and 0.35
    made.put("a", "hurried", 0.26, 0.39)
    made.put("b", "hurried too", 0.26, 0.44)
    made.put("c", "patient", 0.26, 0.41)
    assert made.late(0.26) == ["hurried", "hurried too"], "b's own batch ends later than a's"
    assert len(made) == 1


def test_a_lost_batch_waits_again_with_its_old_deadlines() -> None:
    made = batcher()
    for session, deadline in (("a", 0.5), ("b", FAR), ("c", FAR)):
        made.put(session, f"{session}1", 0.0, deadline)
    batch = made.take(0.0)
    made.put("b", "b2", 0.1, FAR)
    made.lost(batch)
    assert made.put_back(batch) == ["b1"]
    assert made.late(0.6) == ["a1"]
    assert [one.item for one in made.take(0.6)] == ["c1", "b2"]
    assert made.expected(3) == 0.0, "nothing is known about durations"


@pytest.mark.parametrize("joins", [False, True])
def test_nothing_is_lost_or_decided_twice(joins: bool) -> None:
    """Whatever the order of events, each request has exactly one fate."""
    chance = random.Random(0)
    made = Batcher[str](max_batch=3, max_wait=0.005, joining=joins)
    fates, now, number = dict[str, str](), 0.0, 0
    running: list[list[WaitingRequest[str]]] = []

    def fate(item: str | None, what: str) -> None:
        if item is not None:
            assert item not in fates
            fates[item] = what

    for _ in range(5000):
        now += chance.random() * 0.02
        made.replicas = chance.choice((1, 2, 3))
        session = chance.choice("abcdefgh")
        number += 1
        fate(made.put(session, str(number), now, now + chance.random() * 0.2), "replaced")
        if chance.random() < 0.05:
            fate(made.drop(chance.choice("abcdefgh")), "dropped")
        for item in made.late(now):
            fate(item, "late")
        due = made.due(now)
        if due is not None and due <= now:
            batch = made.take(now)
            assert 0 < len(batch) <= 3
            together = [one.session for one in (*batch, *(one for other in running for one in other))]
            assert len(set(together)) == len(together)
            assert all(one.deadline > now for one in batch)
            running.append(batch)
        if joins and running and chance.random() < 0.3:
            unfinished = chance.choice(running)
            unfinished += made.take(now, unfinished)
            assert len(unfinished) <= 3
            if len(unfinished) > 1:
                first = unfinished.pop(0)
                made.done([first], 0.01, now, size=len(unfinished) + 1)
                fate(first.item, "decided")
        if running and chance.random() < 0.3:
            ended = running.pop(chance.randrange(len(running)))
            if chance.random() < 0.1:
                made.lost(ended)
                for item in made.put_back(ended):
                    fate(item, "replaced")
            else:
                made.done(ended, 0.01 * len(ended), now)
                for one in ended:
                    fate(one.item, "decided")
    assert len(fates) + len(made) + sum(map(len, running)) == number
    assert set(fates.values()) == {"replaced", "dropped", "late", "decided"}


@pytest.mark.parametrize(("max_batch", "max_wait"), [(0, 0.0), (1, -1.0), (1, float("nan"))])
def test_impossible_settings_are_refused(max_batch: int, max_wait: float) -> None:
    with pytest.raises(ValueError, match="expected a batch of at least 1"):
        Batcher[str](max_batch=max_batch, max_wait=max_wait)


# Requests that join a running batch -----------------------------------------------------------------------------------


def joining(max_batch: int = 4) -> Batcher[str]:
    return Batcher(max_batch=max_batch, max_wait=0.005, joining=True)


def test_requests_join_a_running_batch_up_to_its_limit() -> None:
    made = joining(max_batch=3)
    made.put("a", "1", 0.0, FAR)
    running = made.take(0.0)
    for session in "bcd":
        made.put(session, "1", 0.1, FAR)
    joined = made.take(0.1, running)
    assert [one.session for one in joined] == ["b", "c"]
    assert made.take(0.1, [*running, *joined]) == []
    made.done(running, 0.2, 0.2, size=3)
    assert [one.session for one in made.take(0.2, joined)] == ["d"]


def test_a_session_in_a_running_batch_does_not_join_it_again() -> None:
    made = joining()
    made.put("a", "1", 0.0, FAR)
    running = made.take(0.0)
    made.put("a", "2", 0.1, FAR)
    assert made.take(0.1, running) == []
    made.done(running, 0.2, 0.2)
    assert [one.item for one in made.take(0.2)] == ["2"]


def test_nobody_joins_whom_that_would_make_late_or_who_would_make_others_late() -> None:
    made = joining()
    measured(made, 0.1, 0.15)
    made.put("a", "1", 0.0, 0.16)
    running = made.take(0.0)
    made.put("b", "1", 0.02, FAR)
    assert made.take(0.02, running) == [], "a would take until 0.17"
    assert [one.session for one in made.take(0.161, running)] == ["b"], "a is late anyway"


def test_a_robot_with_little_time_is_not_kept_out_by_others_that_join_all_the_time() -> None:
    """It cannot be decided beside others, and they always overlap."""
    made, served = joining(), dict.fromkeys("abc", 0)
    measured(made, 0.10, 0.15, 0.20)
    running: list[WaitingRequest[str]] = []
    ends: dict[object, float] = {}
    for step in range(2000):
        now = 0.01 * step
        for one in [one for one in running if ends[one.session] <= now]:
            running.remove(one)
            served[str(one.session)] += 1
            made.done([one], 0.2, now, size=3)
        for session, budget, start in (("a", 1.0, 0), ("b", 1.0, 5), ("c", 0.13, 8)):
            if step >= start and not made.decides(session) and session not in made._waiting:
                made.put(session, "again", now, now + budget)
        made.late(now)
        joined = made.take(now, running)
        running += joined
        ends |= {one.session: now + 0.1 for one in joined}
    assert min(served.values()) > 30


def test_only_requests_that_fit_may_join() -> None:
    made = joining(max_batch=3)
    made.put("a", "1", 0.0, FAR)
    running = made.take(0.0)
    for session in "abcd":
        made.put(session, "2", 0.1, FAR)
    assert made.joinable(len(running)) == 2, "a is being decided, and only two places are free"
    assert made.joinable(3) == 0
    assert [made.decides(session) for session in "ab"] == [True, False]


def test_a_busy_model_is_not_tried_beyond_its_estimate() -> None:
    made = joining()
    for session in "ab":
        made.put(session, "0", 0.0, FAR)
    slow, quick = made.take(0.0)
    made.done([quick], 3.0, 3.0, size=1)
    made.put("b", "hurried", 3.0 + 2 * PROBE, 3.5 + 2 * PROBE)
    assert made.late(3.0 + 2 * PROBE) == ["hurried"]
    made.done([slow], 6.0, 6.0, size=1)
    made.put("b", "hurried", 6.0 + 2 * PROBE, 6.5 + 2 * PROBE)
    assert made.late(6.0 + 2 * PROBE) == [], "it is idle"


def test_a_request_that_may_join_is_not_late_before_its_time() -> None:
    made, whole = joining(), batcher()
    for one in (made, whole):
        one.put("a", "0", 0.0, FAR)
        one.done(one.take(0.0), 0.1, 0.1)
        one.put("a", "1", 0.2, FAR)
        one.take(0.2)  # done at about 0.3
        one.put("b", "hurried", 0.21, 0.35)
    assert whole.late(0.21) == ["hurried"]
    assert made.late(0.21) == []
    assert made.late(0.26) == ["hurried"]


def test_durations_are_those_of_the_size_that_a_batch_had() -> None:
    made = joining()
    made.put("a", "1", 0.0, FAR)
    made.done(made.take(0.0), 0.1, 0.1, size=3)
    assert (made.expected(2), made.expected(3)) == (0.0, 0.1)
