"""What is being done while a policy is loaded, told in short sentences."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from transformers.utils import logging as transformers_logging

from rt_vla_ros.policies.checkpoint.files import Tell

PAUSE = 2.0
"""Seconds between two sentences about the same thing."""


def counted(things: Iterable[Any], total: int, what: str, tell: Tell) -> Iterator[Any]:
    """Goes through `things` and tells every PAUSE seconds how far it is: "weights, 120 of 600"."""
    last = time.monotonic()
    for number, thing in enumerate(things):
        if time.monotonic() - last >= PAUSE:
            tell(f"{what}, {number} of {total}")
            last = time.monotonic()
        yield thing


@contextmanager
def transformers_progress(tell: Tell) -> Iterator[None]:
    """While in here, what transformers would draw as bars is told."""
    set_hook: Any = getattr(transformers_logging, "set_tqdm_hook", None)
    if set_hook is None:  # a transformers that has none draws its bars
        yield
        return
    before = set_hook(lambda _factory, args, options: _Bar(tell, *args, **options))
    try:
        yield
    finally:
        set_hook(before)


class _Bar:
    """As much of tqdm as transformers uses."""

    def __init__(self, tell: Tell, things: Iterable[Any] = (), *, desc: str = "", **_options: Any) -> None:
        self._tell, self._things, self._what = tell, things, desc.lower() or "files"

    def __iter__(self) -> Iterator[Any]:
        things = list(self._things)
        return counted(things, len(things), self._what, self._tell)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_args, **_options: None
