"""When a gripper's action server is given a goal: on a change, one at a time, and never the same again by itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class GoalOutcome(Enum):
    """How a goal ended."""

    REACHED = "reached"
    STALLED = "stalled"  # the fingers stand still before the goal: they hold something, or are blocked
    CANCELED = "canceled"
    FAILED = "failed"


@dataclass(frozen=True)
class GripperGoalSettings:
    """deadband: smaller changes of the wish are no new goal, 0 ... 1.

    patience: how long an answer to a goal, or its end, may take [s].
    cancels_first: whether a server must be asked to end its goal before it can take another; others replace it.
    """

    deadband: float = 0.02
    patience: float = 10.0
    cancels_first: bool = False


class GripperGoals:
    """Follows the newest wish; the owner sends what `due` says and tells what became of it.

    Wishes are 0 open ... 1 closed. Goals are numbered: what is told of an older one than the newest changes nothing.

    problem: what is wrong, as a sentence, until a goal succeeds; None while all is well.
    """

    def __init__(self, settings: GripperGoalSettings | None = None) -> None:
        self._settings = settings or GripperGoalSettings()
        self._wish: float | None = None
        self._given: float | None = None  # wish of the newest goal, whatever became of it
        self._before: float | None = None  # wish of the goal before, where it is known to be reached
        self._number = 0
        self._since: float | None = None  # when the newest goal was sent [s]; None where none is under way
        self._canceling = False
        self._anew = False  # whether the next wish is a new one though it may be the same
        self.problem: str | None = None

    @property
    def busy(self) -> bool:
        """Whether a goal is under way."""
        return self._since is not None

    @property
    def closing(self) -> bool:
        """Whether the newest goal closes the gripper farther than it was, as far as that is known."""
        return self._given is not None and self._given > (0.0 if self._before is None else self._before)

    def wish(self, closed: float) -> None:
        """What the gripper shall do from now on, 0 open ... 1 closed."""
        if self._anew and not (self.busy and closed == self._given):
            self._given = None
        self._wish, self._anew = closed, False

    def request_ended(self, *, stopped: bool) -> None:
        """The next wish is sent also where it is that of the last goal, which may have failed or been undone by hand.

        stopped: whether what was not sent yet is not to be sent any more.
        """
        self._anew = True
        if stopped:
            self._wish = None

    def due(self, now: float) -> tuple[int, float] | None:
        """The number of a goal that is to be sent now, and its wish; None if there is none."""
        if self._since is not None and now - self._since > self._settings.patience:
            self._fail(f"has not carried out a goal within {self._settings.patience:g} s")
        if self._wish is None or not self._changed(self._wish):
            return None
        if self.busy and self._settings.cancels_first:
            return None
        self._given, self._since, self._canceling = self._wish, now, False
        self._number += 1
        return self._number, self._wish

    def cancel_due(self) -> bool:
        """Whether the goal under way is to be canceled now, because the next one waits for its end."""
        waits = self.busy and self._settings.cancels_first and self._wish is not None and self._changed(self._wish)
        due = waits and not self._canceling
        self._canceling = self._canceling or due
        return due

    def rejected(self, number: int) -> None:
        """The server does not take the goal. It is not offered again; another wish is."""
        if number == self._number and self.busy:
            self._fail("rejected a goal; another wish is sent, the same one is not")

    def ended(self, number: int, outcome: GoalOutcome, said: str = "") -> None:
        """said: what the server said of it."""
        if number != self._number or not self.busy:
            return
        if outcome is GoalOutcome.FAILED:
            self._fail("could not carry out a goal" + (f": {said}" if said else ""))
        elif outcome is GoalOutcome.STALLED and not self.closing:
            self._fail("stalled while it opened: something holds the fingers")
        elif outcome is GoalOutcome.CANCELED:
            self._canceled()
        else:
            self._since = None
            self._before, self.problem = self._given, None

    def server_gone(self) -> None:
        """What is under way is lost, and the newest wish is sent once more when the server is back."""
        if self.busy:
            self._fail("went away while it carried out a goal")
        self._given = self._before = None

    def _canceled(self) -> None:
        """The newest wish is due, also where it is again that of the goal; whoever else canceled it has his way."""
        if self._canceling:
            self._since = self._given = None
        else:
            self._fail("canceled a goal, and it was not this node that asked for that")

    def _changed(self, wish: float) -> bool:
        if self._given is None:
            return True
        fully = wish in (0.0, 1.0) and wish != self._given  # the last bit, too
        return fully or abs(wish - self._given) > self._settings.deadband

    def _fail(self, what: str) -> None:
        self._since = None
        self._before = None
        self.problem = f"The gripper's action server {what}."
