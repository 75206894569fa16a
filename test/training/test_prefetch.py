from __future__ import annotations

import threading
from functools import partial

import pytest

from rt_vla_ros.training.prefetch import made_ahead


def test_gives_all_in_order() -> None:
    assert list(made_ahead(partial(pow, number, 2) for number in range(5))) == [0, 1, 4, 9, 16]
    assert list(made_ahead(iter(()))) == []


def test_the_next_is_made_while_one_is_used() -> None:
    begun = [threading.Event() for _ in range(3)]

    def make(number: int) -> int:
        begun[number].set()
        return number

    things = made_ahead(partial(make, number) for number in range(3))
    assert next(things) == 0
    assert begun[1].wait(timeout=30)
    assert not begun[2].is_set(), "only one ahead"
    things.close()


def test_an_error_comes_where_its_thing_would_have() -> None:
    def fail() -> int:
        raise OSError("gone")

    things = made_ahead([lambda: 1, fail])
    assert next(things) == 1
    with pytest.raises(OSError, match="gone"):
        next(things)
