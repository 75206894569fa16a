"""Reports progress while a policy is loaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from transformers.utils import logging as transformers_logging

from rt_vla_ros.policies.checkpoint.files import Tell

PAUSE = 2.0
"""Interval between two reports of the same loop [s]."""


def counted(items: Iterable[Any], total: int, what: str, tell: Tell) -> Iterator[Any]:
    """Yields `items` and reports progress every PAUSE seconds: "weights, 120 of 600"."""
    last = time.monotonic()
    for number, item in enumerate(items):
        if time.monotonic() - last >= PAUSE:
            tell(f"{what}, {number} of {total}")
            last = time.monotonic()
        yield item


@contextmanager
def transformers_progress(tell: Tell) -> Iterator[None]:
    """A context in which the progress bars of transformers report to `tell`."""
    set_hook: Any = getattr(transformers_logging, "set_tqdm_hook", None)
    if set_hook is None:  # older versions of transformers draw their bars
        yield
        return
    before = set_hook(lambda _factory, args, options: _Bar(tell, *args, **options))
    try:
        yield
    finally:
        set_hook(before)


class _Bar:
    """The part of tqdm that transformers uses."""

    def __init__(self, tell: Tell, items: Iterable[Any] = (), *, desc: str = "", **_options: Any) -> None:
        self._tell, self._items, self._what = tell, items, desc.lower() or "files"

    def __iter__(self) -> Iterator[Any]:
        items = list(self._items)
        return counted(items, len(items), self._what, self._tell)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_args, **_options: None
