"""When a gripper's action server gets a goal: on a change, one at a time, and never automatically repeated."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class GoalOutcome(Enum):
    """How a goal ended."""

    REACHED = "reached"
    STALLED = "stalled"  # the fingers stalled before the goal: they hold something, or are blocked
    CANCELED = "canceled"
    FAILED = "failed"


@dataclass(frozen=True)
class GripperGoalSettings:
    """deadband: smaller changes of the command cause no new goal, 0 ... 1. patience: timeout of a goal's response and
    result [s]. cancels_first: whether a server needs a cancel request before it accepts another goal; others replace
    it.
    """

    deadband: float = 0.02
    patience: float = 10.0
    cancels_first: bool = False


class GripperGoals:
    """Follows the newest command; the owner sends what `due` returns and reports the result. Commands are 0 open ... 1
    closed. Goals are numbered: reports on older goals are ignored. problem: as a sentence, until a goal succeeds; None
    if there is none.
    """

    def __init__(self, settings: GripperGoalSettings | None = None) -> None:
        self._settings = settings or GripperGoalSettings()
        self._wish: float | None = None
        self._given: float | None = None  # command of the newest goal, whatever its result
        self._before: float | None = None  # command of the previous goal, if known to be reached
        self._number = 0
        self._since: float | None = None  # when the newest goal was sent [s]; None if none is active
        self._canceling = False
        self._anew = False  # whether the next command counts as new even if it is the same
        self.problem: str | None = None

    @property
    def busy(self) -> bool:
        """Whether a goal is active."""
        return self._since is not None

    @property
    def closing(self) -> bool:
        """Whether the newest goal closes the gripper farther than it was, as far as that is known."""
        return self._given is not None and self._given > (0.0 if self._before is None else self._before)

    def wish(self, closed: float) -> None:
        """The gripper's command from now on, 0 open ... 1 closed."""
        if self._anew and not (self.busy and closed == self._given):
            self._given = None
        self._wish, self._anew = closed, False

    def request_ended(self, *, stopped: bool) -> None:
        """The next command is sent even if it equals the last goal, which may have failed or been undone by hand.
        stopped: whether to drop an unsent command.
        """
        self._anew = True
        if stopped:
            self._wish = None

    def due(self, now: float) -> tuple[int, float] | None:
        """The number and command of a goal to be sent now; None if there is none."""
        if self._since is not None and now - self._since > self._settings.patience:
            self._fail(f"has not completed a goal within {self._settings.patience:g} s")
        if self._wish is None or not self._changed(self._wish):
            return None
        if self.busy and self._settings.cancels_first:
            return None
        self._given, self._since, self._canceling = self._wish, now, False
        self._number += 1
        return self._number, self._wish

    def cancel_due(self) -> bool:
        """Whether to cancel the active goal now, because the next one waits for its end."""
        waits = self.busy and self._settings.cancels_first and self._wish is not None and self._changed(self._wish)
        due = waits and not self._canceling
        self._canceling = self._canceling or due
        return due

    def rejected(self, number: int) -> None:
        """The server rejects the goal. It is not sent again; a different command is."""
        if number == self._number and self.busy:
            self._fail("rejected a goal; a different command is sent, the same one is not")

    def ended(self, number: int, outcome: GoalOutcome, said: str = "") -> None:
        """said: the server's message."""
        if number != self._number or not self.busy:
            return
        if outcome is GoalOutcome.FAILED:
            self._fail("could not complete a goal" + (f": {said}" if said else ""))
        elif outcome is GoalOutcome.STALLED and not self.closing:
            self._fail("stalled while opening: something blocks the fingers")
        elif outcome is GoalOutcome.CANCELED:
            self._canceled()
        else:
            self._since = None
            self._before, self.problem = self._given, None

    def server_gone(self) -> None:
        """The active goal is lost, and the newest command is sent again when the server is back."""
        if self.busy:
            self._fail("disappeared during a goal")
        self._given = self._before = None

    def _canceled(self) -> None:
        """The newest command is due, even if it equals the goal; a cancellation by others is respected."""
        if self._canceling:
            self._since = self._given = None
        else:
            self._fail("canceled a goal that this node did not cancel")

    def _changed(self, wish: float) -> bool:
        if self._given is None:
            return True
        fully = wish in (0.0, 1.0) and wish != self._given  # including the last bit
        return fully or abs(wish - self._given) > self._settings.deadband

    def _fail(self, what: str) -> None:
        self._since = None
        self._before = None
        self.problem = f"The gripper's action server {what}."
