"""The stick of the page that controls, as the server has heard it last: let go where nothing is heard any more."""

from __future__ import annotations

import threading
from typing import NamedTuple

SILENCE = 0.3  # after which a stick that was held counts as let go [s]
LATE = 0.3  # by which a message may come later than the fastest ones did [s]
DRIFT = 2e-4  # by which two clocks may part [s/s]
AXES = 6
LOST = "Nothing came from the page for more than 0.3 s while the stick was held: it was let go."
SLOW = "The connection is slow: what the stick said came more than 0.3 s late, so it was let go."
AGAIN = "Let go of the stick and hold it again."


class StickState(NamedTuple):
    """held: the deadman. axes: x, y, z, roll, pitch, yaw as parts of full speed, -1 ... 1.

    gripper: 0 open ... 1 closed; None leaves it.
    """

    held: bool = False
    axes: tuple[float, ...] = (0.0,) * AXES
    gripper: float | None = None


LET_GO = StickState()


class Lateness:
    """How much later than the fastest messages of a connection one comes, without a clock in common."""

    def __init__(self) -> None:
        self._fastest: float | None = None
        self._at = 0.0

    def of(self, sent: float, at: float) -> float:
        """sent: by the sender's clock [s]. at: when it came, by this one's [s]."""
        way = at - sent
        if self._fastest is not None:
            way_was = self._fastest + DRIFT * max(0.0, at - self._at)
            self._fastest, self._at = min(way_was, way), at
        else:
            self._fastest, self._at = way, at
        return way - self._fastest


class PageStick:
    """Written by the server, read by the node, in threads of their own. Times are of one steady clock [s].

    problem: why what is held does not count, in a sentence; empty where that is not so.
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

    def say(self, state: StickState, at: float, *, late: float = 0.0) -> None:
        """What the page says. late: see Lateness [s]."""
        with self._lock:
            self._look(at)
            if late > LATE:
                self._lose(SLOW)
            elif not state.held:
                self._ready, self._state, self.problem = True, LET_GO, ""
            elif self._ready and self.armed:
                gripper = self._state.gripper if state.gripper is None else state.gripper
                self._state, self._at = state._replace(gripper=gripper), at
            elif self.armed and not self.problem:
                self.problem = AGAIN

    def let_go(self, why: str) -> None:
        """It is let go for a page that is gone."""
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
