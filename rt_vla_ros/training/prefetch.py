"""Batches that are made while the last one is learned from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Made = TypeVar("Made")


def made_ahead(calls: Iterable[Callable[[], Made]]) -> Iterator[Made]:
    """What the calls give, in order; another thread makes the next one meanwhile. Their errors are raised here."""
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as worker:
        waiting: Future[Made] | None = None
        for call in calls:
            following = worker.submit(call)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()
