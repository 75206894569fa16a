"""How the policy node waits for its policy, and gives its memory back."""

from __future__ import annotations

import gc
import sys
import threading


class Loading:
    """Whether the thread of a policy runner has made its policy ready; one waits for it, another tells."""

    def __init__(self) -> None:
        self._told = threading.Event()
        self._problem: str | None = None

    def begin(self) -> None:
        """A policy is being loaded from now on."""
        self._problem = None
        self._told.clear()

    def end(self, problem: str | None = None) -> None:
        """It is ready, or never will be: problem says why, as a sentence."""
        self._problem = problem
        self._told.set()

    def wait(self) -> None:
        """Until it is ready. Raises ValueError, with the sentence, where it never will be."""
        self._told.wait()
        if self._problem is not None:
            raise ValueError(self._problem)


def give_back_memory() -> None:
    """What a policy held that nobody refers to any more; of a GPU too, where torch keeps it for later."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
