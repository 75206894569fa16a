"""What tests of policies in an engine share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from support.played_engine import PlayedEngine


@pytest.fixture
def play() -> Iterator[Callable[..., PlayedEngine]]:
    """Starts played engines, which end with the test."""
    with ExitStack() as stack:

        def start(reply: Callable[..., Any], **options: Any) -> PlayedEngine:
            engine = PlayedEngine(reply, **options)
            stack.callback(engine.close)
            return engine

        yield start
