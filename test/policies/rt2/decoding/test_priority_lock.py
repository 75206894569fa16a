"""Control waits for at most one pass of an answer, and an answer gets its turn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from rt_vla_ros.policies.rt2.decoding.priority_lock import PriorityLock

PATIENCE = 30.0


def held(lock: Callable[[], AbstractContextManager[None]], name: str, order: list[str]) -> threading.Thread:
    """A thread that holds the lock once."""

    def hold() -> None:
        with lock():
            order.append(name)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    return thread


def waiting(lock: PriorityLock, *, high: int = 0, overdue: int = 0) -> None:
    """Waits for so many waiters; nobody is notified when one begins to wait."""
    tick = threading.Event()
    for _ in range(6000):
        if (lock._waiting_high, lock._overdue) == (high, overdue):
            return
        tick.wait(0.005)
    raise AssertionError(f"{lock._waiting_high} and {lock._overdue} are waiting")


def test_control_goes_first() -> None:
    lock, order = PriorityLock(), list[str]()
    with lock.low():
        control = held(lock.high, "control", order)
        waiting(lock, high=1)
        answer = held(lock.low, "answer", order)
        waiting(lock, high=1, overdue=1)
    for thread in (control, answer):
        thread.join(PATIENCE)
    assert order == ["control", "answer"], "the last holder was an answer"


def test_an_answer_gets_a_turn_beside_control_that_never_pauses() -> None:
    lock, order = PriorityLock(), list[str]()
    with lock.high():
        answers = [held(lock.low, "answer", order) for _ in range(2)]
        waiting(lock, overdue=2)
        controls = [held(lock.high, "control", order) for _ in range(2)]
        waiting(lock, high=2, overdue=2)
    for thread in (*answers, *controls):
        thread.join(PATIENCE)
    assert order == ["answer", "control", "answer", "control"]


def test_an_answer_is_written_while_the_model_is_always_busy() -> None:
    lock, answered, passes = PriorityLock(), threading.Event(), list[str]()

    def control() -> None:
        while not answered.is_set():
            with lock.high():
                pass

    threads = [threading.Thread(target=control, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        answer = held(lock.low, "answer", passes)
        answer.join(PATIENCE)
    answered.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(passes) == 5
