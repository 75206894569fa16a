"""Logs when the connection to the router on another host is lost, the probable reason, and when it is back."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import zenoh

_LOG = logging.getLogger("zenoh_ros.wire")
_LOOK_S = 0.5
_LOST_AFTER_S = 2.0
"""Shorter interruptions are not logged."""
_SAY_AGAIN_S = 60.0


class RouterWatch:
    """Watches the only link of a client. Zenoh itself reconnects silently and without limit."""

    def __init__(self, session: zenoh.Session, router: str, reason: Callable[[], str]) -> None:
        """reason: returns a sentence about why the router cannot be reached; it may take a second."""
        self._session, self._router, self._reason = session, router, reason
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="router watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        lost_at = said_at = 0.0
        while not self._closed.wait(_LOOK_S) and not self._session.is_closed():
            now = time.monotonic()
            if self._session.info.routers_zid():
                if said_at:
                    _LOG.warning("%s is reconnected after %.0f s", self._router, now - lost_at)
                lost_at = said_at = 0.0
                continue
            lost_at = lost_at or now
            if now - lost_at > _LOST_AFTER_S and (not said_at or now - said_at > _SAY_AGAIN_S):
                said_at = now
                _LOG.warning("Lost the connection to the graph, reconnecting: %s", self._reason())
