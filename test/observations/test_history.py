from __future__ import annotations

import pytest

from rt_vla_ros.observations.history import History, window


def test_keeps_the_newest_oldest_first() -> None:
    history: History[int] = History(3)
    seen = []
    for item in range(5):
        history.append(item)
        seen.append(history.items)
    assert seen == [(0,), (0, 1), (0, 1, 2), (1, 2, 3), (2, 3, 4)]


def test_reset_forgets() -> None:
    history: History[int] = History(2)
    history.append(1)
    history.reset()
    assert len(history) == 0
    assert history.items == ()


@pytest.mark.parametrize("length", [1, 2, 3, 6])
def test_offline_window_is_what_a_live_history_holds(length: int) -> None:
    history: History[int] = History(length)
    for step in range(10):
        history.append(step)
        assert tuple(window(step, length)) == history.items


@pytest.mark.parametrize("length", [0, -1])
def test_refuses_an_empty_window(length: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        History(length)
    with pytest.raises(ValueError, match="at least 1"):
        window(0, length)
