"""Built environments of several tasks: building one and its first image take about as long as hundreds of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_vla_ros.host_memory import free_memory

MOST = 10  # the tasks of MT10
SPARE = 2_000_000_000  # memory that must be free for one more; each takes about 0.2 GB with software rendering [bytes]


class KeptEnvironments:
    """Environments by key; one more than MOST, or than fits into memory, replaces the one used last.

    So tasks that are used in turn find most of theirs, and with one task after another only a finished one is lost.
    """

    def __init__(self, close: Callable[[Any], None], most: int = MOST) -> None:
        """close: ends an environment that is replaced. most: at least 1."""
        self._close, self._most = close, most
        self._envs: dict[object, Any] = {}  # the one used last is the last one

    def get(self, key: object, make: Callable[[], Any]) -> Any:
        """The environment of a key, which `make` builds if there is none."""
        if key in self._envs:
            env = self._envs.pop(key)
        else:
            if self._envs and (len(self._envs) >= self._most or not _is_room()):
                self._close(self._envs.popitem()[1])
            env = make()
        self._envs[key] = env
        return env


def _is_room() -> bool:
    free = free_memory()
    return free is not None and free >= SPARE
