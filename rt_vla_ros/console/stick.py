"""The stick of the page in control, as last received by the server; released if no messages arrive."""

from __future__ import annotations

import threading
from typing import NamedTuple

SILENCE = 0.3  # after which a held stick counts as released [s]
LATE = 0.3  # maximum round-trip time to the page [s]
AXES = 6
LOST = "No message from the page for more than 0.3 s while the stick was held: it was released."
SLOW = "The connection is slow: the round trip to the page takes more than 0.3 s, so the stick was released."
RESTARTED = "The smoother was restarted while the stick was held: it was released."
AGAIN = "Release the stick and hold it again."


class StickState(NamedTuple):
    """held: the deadman. axes: x, y, z, roll, pitch, yaw as parts of full speed, -1 ... 1.

    gripper: 0 open ... 1 closed; None leaves it.
    """

    held: bool = False
    axes: tuple[float, ...] = (0.0,) * AXES
    gripper: float | None = None


LET_GO = StickState()


class PageStick:
    """Written by the server and read by the node, in separate threads. Times are of one steady clock [s]. problem: why
    a held stick is ignored, as a sentence; empty if it is not.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state, self._at = LET_GO, 0.0
        self._ready = False  # whether the page has released it since the start, or since a forced release
        self.armed = False
        self.problem = ""

    def arm(self, armed: bool) -> None:
        """Enables or disables takeover from the page; releases the stick either way."""
        with self._lock:
            self.armed, self._ready, self._state, self.problem = armed, False, LET_GO, ""

    def say(self, state: StickState, at: float, *, trip: float) -> None:
        """Updates the stick by a message of the page. trip: round-trip time [s], including delays of this message."""
        with self._lock:
            self._look(at)
            if trip > LATE:
                self._lose(SLOW)
            elif not state.held:
                self._ready, self._state, self.problem = True, LET_GO, ""
            elif self._ready and self.armed:
                gripper = self._state.gripper if state.gripper is None else state.gripper
                self._state, self._at = state._replace(gripper=gripper), at
            elif self.armed and not self.problem:
                self.problem = AGAIN

    def let_go(self, why: str) -> None:
        """Forces a release if the page or the smoother is gone."""
        with self._lock:
            self._lose(why)

    def read(self, at: float) -> StickState:
        """The current state. A gripper command is read once."""
        with self._lock:
            self._look(at)
            state, self._state = self._state, self._state._replace(gripper=None)
            return state

    @property
    def held(self) -> bool:
        """Whether it moves the arm, as of the last read."""
        return self._state.held

    def _look(self, at: float) -> None:
        if self._state.held and at - self._at > SILENCE:
            self._lose(LOST)

    def _lose(self, why: str) -> None:
        if self._state.held:
            self.problem = f"{why} {AGAIN}"
        self._state, self._ready = LET_GO, False
