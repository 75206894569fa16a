"""The last requests: instruction, source, result, and a clip of it if there were viewers."""

from __future__ import annotations

import json
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MOST_RUNS = 20
MOST_BYTES = 32_000_000  # of all pictures together
MOST_PICTURES = 120  # of a run; beyond it every second one is dropped and the rate is halved
PICTURE_PERIOD = 0.25  # between two pictures, at least [s]
PAUSE = 3.0  # pause after which a repeated text on the topic is a new request, as in the policy node [s]
SETTLED = 1.5  # until the policy node's diagnostics are newer than the run [s]
COMPARED = 150  # of a text quoted in diagnostics [characters]
PAGE, TOPIC, ELSEWHERE = "page", "topic", "elsewhere"
"""The source: a page of this console, the topic `instruction`, or a client of the policy node's action."""
DONE = "The policy reports that it is done."
REPLACED = "Preempted by another request."


@dataclass
class Run:
    """at: since the epoch [s]. begun: of the steady clock [s]. seconds: how long it took; None while it runs.

    good: whether it succeeded; None if unknown. times: of the pictures, since it began [s].
    """

    number: int
    text: str
    who: str
    at: float
    begun: float
    outcome: str = ""
    good: bool | None = None
    seconds: float | None = None
    times: list[float] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    period: float = PICTURE_PERIOD

    @property
    def size(self) -> int:
        """Of its pictures [bytes]."""
        return sum(map(len, self.pictures))

    def thin(self) -> None:
        """Drops every second picture."""
        self.times, self.pictures, self.period = self.times[::2], self.pictures[::2], 2 * self.period

    def shown(self, now: float) -> dict[str, Any]:
        """Its entry in the list."""
        seconds = now - self.begun if self.seconds is None else self.seconds
        return {
            **{name: getattr(self, name) for name in ("number", "text", "who", "outcome", "good")},
            "at": round(self.at, 1),
            "seconds": round(seconds, 1),
            "pictures": len(self.pictures),
        }


class Runs:
    """Written by the node and, for pictures, by the server, in separate threads."""

    def __init__(self, steady: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        """steady, wall: clocks [s], the latter since the epoch."""
        self._lock = threading.Lock()
        self._steady, self._wall = steady, wall
        self._runs: deque[Run] = deque(maxlen=MOST_RUNS)
        self._made = 0
        self._repeated = ("", -PAUSE)  # last text of the topic, and its time
        self._terminates = False

    def begin(self, text: str, who: str) -> None:
        """A request begins; one that still runs is over."""
        with self._lock:
            self._begin(text, who)

    def repeated(self, text: str) -> None:
        """A text on the topic, which may repeat the same request, as `ros2 topic pub` does."""
        with self._lock:
            now = self._steady()
            before, at = self._repeated
            self._repeated = (text, now)
            if text != before or now - at > PAUSE:
                self._begin(text, TOPIC)

    def refused(self, text: str, why: str) -> None:
        """A page's request does not start."""
        with self._lock:
            self._add(Run(0, text, PAGE, self._wall(), self._steady(), why, False, 0.0))

    def over(self, text: str, outcome: str, *, good: bool) -> None:
        """The result of a page's request, by the policy node."""
        with self._lock:
            for run in reversed(self._runs):
                if run.who == PAGE and run.text == text and run.seconds is None:
                    self._end(run, outcome, good)
                    return

    def acted(self, *, terminates: bool, ended: str) -> None:
        """A chunk came. terminates: by one of its steps. ended: why the request was ended by others; empty: it was
        not.
        """
        with self._lock:
            self._terminates = terminates
            run = self._running
            if run is not None and run.who != PAGE and ended:
                self._end(run, ended, False)

    def policy(self, *, running: bool, text: str, message: str) -> None:
        """The policy node's diagnostics. text: of its request."""
        with self._lock:
            now, run = self._steady(), self._running
            text = " ".join(text.split())
            if run is None:
                ended = max((one.begun + (one.seconds or 0.0) for one in self._runs), default=now - 2 * SETTLED)
                if running and text and now - ended > SETTLED:
                    self._begin(text, ELSEWHERE)
            elif now - run.begun > SETTLED:
                if not running and run.who != PAGE:
                    self._end(run, DONE if self._terminates else f"Finished. {message}", self._terminates or None)
                elif running and text[:COMPARED] != run.text[:COMPARED]:
                    self._begin(text, ELSEWHERE)

    def picture(self, jpeg: bytes) -> None:
        """A picture of the first camera, while there are viewers."""
        with self._lock:
            run = self._running
            if run is None:
                return
            at = self._steady() - run.begun
            if run.times and at - run.times[-1] < run.period:
                return
            run.times.append(round(at, 2))
            run.pictures.append(jpeg)
            if len(run.pictures) > MOST_PICTURES:
                run.thin()
            self._forget(run)

    def clip(self, number: int) -> bytes | None:
        """A run's pictures: two bytes with the length of a JSON head (`times` [s], `sizes` [bytes]), it, the JPEGs.

        None if there are none.
        """
        with self._lock:
            run = next((one for one in self._runs if one.number == number and one.pictures), None)
            if run is None:
                return None
            times, pictures = list(run.times), list(run.pictures)
        head = json.dumps({"times": times, "sizes": [len(one) for one in pictures]}).encode()
        return b"".join([struct.pack(">H", len(head)), head, *pictures])

    def shown(self) -> list[dict[str, Any]]:
        """The newest first."""
        with self._lock:
            now = self._steady()
            return [run.shown(now) for run in reversed(self._runs)]

    @property
    def _running(self) -> Run | None:
        return next((run for run in reversed(self._runs) if run.seconds is None), None)

    def _begin(self, text: str, who: str) -> None:
        for run in self._runs:
            if run.seconds is None:
                self._end(run, REPLACED, False)
        self._terminates = False
        self._add(Run(0, text, who, self._wall(), self._steady()))

    def _add(self, run: Run) -> None:
        self._made += 1
        run.number = self._made
        self._runs.append(run)

    def _end(self, run: Run, outcome: str, good: bool | None) -> None:
        run.outcome, run.good, run.seconds = outcome, good, self._steady() - run.begun

    def _forget(self, newest: Run) -> None:
        """Drops the oldest pictures until the rest fits."""
        total = sum(run.size for run in self._runs)
        for run in self._runs:
            if total <= MOST_BYTES:
                return
            if run is not newest:
                total -= run.size
                run.times, run.pictures = [], []
        while newest.size > MOST_BYTES and len(newest.pictures) > 1:
            newest.thin()
