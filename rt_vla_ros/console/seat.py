"""Which of the open pages controls; the others watch."""

from __future__ import annotations

SILENCE = 3.0  # of the page that controls, after which another one may [s]
WATCHES = "This page watches. Press 'Take control' to command from here."
BUSY = "The page that controls is moving the arm: wait until it lets go."


class Seat:
    """At most one page at a time has it. Times are of a steady clock [s].

    holder: the page that controls; None if none does.
    """

    def __init__(self) -> None:
        self.holder: str | None = None
        self._heard = 0.0

    def join(self, page: str, at: float) -> None:
        """A page was opened: the first one controls."""
        if self.holder is None:
            self._sit(page, at)

    def hear(self, page: str, at: float) -> None:
        """Something came from a page."""
        if page == self.holder:
            self._heard = at

    def take(self, page: str, at: float, *, moving: bool) -> str | None:
        """A page wants to control. moving: whether the one that does moves the arm by hand.

        Why it may not, as a sentence; None if it does from now on.
        """
        if moving and self.holder not in (None, page):
            return BUSY
        self._sit(page, at)
        return None

    def leave(self, page: str) -> bool:
        """A page was closed; whether it was the one that controlled."""
        if page != self.holder:
            return False
        self.holder = None
        return True

    def look(self, at: float) -> bool:
        """Whether the page that controlled has been silent for so long that it does no more."""
        if self.holder is None or at - self._heard <= SILENCE:
            return False
        self.holder = None
        return True

    def refuse(self, page: str) -> str | None:
        """Why a page may not command, as a sentence; None if it may."""
        return None if page == self.holder else WATCHES

    def _sit(self, page: str, at: float) -> None:
        self.holder, self._heard = page, at
