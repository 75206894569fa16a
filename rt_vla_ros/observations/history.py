"""A policy's window of past observations, for a running robot and for a recorded episode."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class History(Generic[T]):
    """Keeps the newest `length` items, oldest first.

    At the start of a request there are fewer; the window is not padded. `window` returns the same steps of a recorded
    episode, so that training and inference see the same histories.
    """

    def __init__(self, length: int) -> None:
        """Raises ValueError for a length below 1."""
        if length < 1:
            raise ValueError(f"a history holds at least 1 item, got the length {length}")
        self.length = length
        self._items: deque[T] = deque(maxlen=length)

    def append(self, item: T) -> None:
        """Add the newest item; drops the oldest if the window is full."""
        self._items.append(item)

    def reset(self) -> None:
        """Remove all items."""
        self._items.clear()

    @property
    def items(self) -> tuple[T, ...]:
        """The items, oldest first, at most `length`."""
        return tuple(self._items)

    def __len__(self) -> int:
        return len(self._items)


def window(step: int, length: int) -> range:
    """The steps of an episode in a history of `length` at `step` (counted from 0), oldest first."""
    if step < 0 or length < 1:
        raise ValueError(f"expected a step of at least 0 and a length of at least 1, got {step} and {length}")
    return range(max(0, step - length + 1), step + 1)
