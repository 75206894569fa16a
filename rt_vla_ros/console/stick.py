"""The stick of the page that controls, as the server has heard it last: let go where nothing is heard any more."""

from __future__ import annotations

import threading
from typing import NamedTuple

SILENCE = 0.3  # after which a stick that was held counts as let go [s]
LATE = 0.3  # that a word may take to the page and back [s]
AXES = 6
LOST = "Nothing came from the page for more than 0.3 s while the stick was held: it was let go."
SLOW = "The connection is slow: to the page and back takes more than 0.3 s, so the stick was let go."
RESTARTED = "The smoother was started anew while the stick was held: it was let go."
AGAIN = "Let go of the stick and hold it again."


class StickState(NamedTuple):
    """held: the deadman. axes: x, y, z, roll, pitch, yaw as parts of full speed, -1 ... 1.

    gripper: 0 open ... 1 closed; None leaves it.
    """

    held: bool = False
    axes: tuple[float, ...] = (0.0,) * AXES
    gripper: float | None = None


LET_GO = StickState()


class PageStick:
    """Written by the server, read by the node, in threads of their own. Times are of one steady clock [s].

    problem: why what is held does not count, as a sentence; empty if that is not so.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state, self._at = LET_GO, 0.0
        self._ready = False  # whether the page has let go since it began, or since it was let go for it
        self.armed = False
        self.problem = ""

    def arm(self, armed: bool) -> None:
        """Whether a human at the page means to take over; let go in any case."""
        with self._lock:
            self.armed, self._ready, self._state, self.problem = armed, False, LET_GO, ""

    def say(self, state: StickState, at: float, *, trip: float) -> None:
        """What the page says. trip: to the page and back [s]; a word that was held up on its way made it longer."""
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
        """It is let go for a page that is gone, or where who followed it is."""
        with self._lock:
            self._lose(why)

    def read(self, at: float) -> StickState:
        """What counts now. A gripper command is read once."""
        with self._lock:
            self._look(at)
            state, self._state = self._state, self._state._replace(gripper=None)
            return state

    @property
    def held(self) -> bool:
        """Whether the arm is moved by it, as last looked at."""
        return self._state.held

    def _look(self, at: float) -> None:
        if self._state.held and at - self._at > SILENCE:
            self._lose(LOST)

    def _lose(self, why: str) -> None:
        if self._state.held:
            self.problem = f"{why} {AGAIN}"
        self._state, self._ready = LET_GO, False
