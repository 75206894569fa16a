from __future__ import annotations

import threading
from functools import partial

import pytest

from rt_vla_ros.training.dataset_source import prefetch


def test_gives_all_in_order() -> None:
    assert list(prefetch(partial(pow, number, 2) for number in range(5))) == [0, 1, 4, 9, 16]
    assert list(prefetch(iter(()))) == []


def test_the_next_is_made_while_one_is_used() -> None:
    begun = [threading.Event() for _ in range(3)]

    def make(number: int) -> int:
        begun[number].set()
        return number

    things = prefetch(partial(make, number) for number in range(3))
    assert next(things) == 0
    assert begun[1].wait(timeout=30)
    assert not begun[2].is_set(), "only one ahead"
    things.close()


def test_workers_make_as_many_ahead_and_keep_the_order() -> None:
    begun = [threading.Event() for _ in range(5)]

    def make(number: int) -> int:
        begun[number].set()
        if number % 2 == 0:  # not done before the next one has begun
            assert begun[min(number + 1, 4)].wait(timeout=30)
        return number

    assert list(prefetch((partial(make, number) for number in range(5)), workers=3)) == [0, 1, 2, 3, 4]


def test_an_error_comes_where_its_thing_would_have() -> None:
    def fail() -> int:
        raise OSError("gone")

    things = prefetch([lambda: 1, fail])
    assert next(things) == 1
    with pytest.raises(OSError, match="gone"):
        next(things)
