from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from rt_vla_ros.data.permutation import mixed, shuffled


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 16, 17, 100, 1023, 1024, 12_345])
def test_every_number_comes_once(size: int) -> None:
    for key in range(3):
        assert sorted(shuffled(np.arange(size), size, key).tolist()) == list(range(size))


@pytest.mark.parametrize("size", [2, 3, 4])
def test_every_order_is_possible_and_each_number_is_as_often_first(size: int) -> None:
    orders = [tuple(shuffled(np.arange(size), size, key).tolist()) for key in range(1200)]
    assert len(set(orders)) == np.prod(range(1, size + 1))
    first = Counter(order[0] for order in orders)
    assert min(first.values()) > 0.8 * 1200 / size


def test_neighbours_are_far_from_each_other() -> None:
    order = shuffled(np.arange(10_000), 10_000, 3)
    assert abs(np.corrcoef(np.arange(10_000), order)[0, 1]) < 0.03
    assert np.abs(np.diff(order)).mean() == pytest.approx(10_000 / 3, rel=0.05)


def test_a_place_is_looked_up_without_the_others() -> None:
    whole = shuffled(np.arange(1000), 1000, 7)
    assert shuffled(np.array([999, 3]), 1000, 7).tolist() == [whole[999], whole[3]]
    far = shuffled(np.array([0, 10**12 - 1]), 10**12, 7)
    assert ((far >= 0) & (far < 10**12)).all()


def test_orders_stay_what_they_are() -> None:
    """A run is resumed, perhaps by a later version, in the order in which it began."""
    assert shuffled(np.arange(8), 8, 1).tolist() == [0, 7, 6, 5, 3, 2, 4, 1]
    assert mixed(1, 2, 3) == 7702586659592502839


@pytest.mark.parametrize("place", [-1, 5])
def test_a_place_outside_is_refused(place: int) -> None:
    with pytest.raises(ValueError, match=r"Places must be in 0 \.\.\. 4"):
        shuffled(np.array([place]), 5, 0)


def test_no_place_at_all() -> None:
    assert shuffled(np.zeros(0, np.int64), 0, 0).tolist() == []
