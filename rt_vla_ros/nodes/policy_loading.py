"""Waits for the policy node's policy to load, and releases its memory."""

from __future__ import annotations

import gc
import sys
import threading


class Loading:
    """Whether a policy runner's thread has loaded its policy; one thread waits, another notifies."""

    def __init__(self) -> None:
        self._told = threading.Event()
        self._problem: str | None = None

    def begin(self) -> None:
        """A policy is being loaded from now on."""
        self._problem = None
        self._told.clear()

    def end(self, problem: str | None = None) -> None:
        """Loading has ended; problem: why it failed, as a sentence."""
        self._problem = problem
        self._told.set()

    def wait(self) -> None:
        """Blocks until it is ready. Raises ValueError, with the problem, if loading failed."""
        self._told.wait()
        if self._problem is not None:
            raise ValueError(self._problem)


def give_back_memory() -> None:
    """Releases the memory of an unreferenced policy, including what torch caches on a GPU."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
