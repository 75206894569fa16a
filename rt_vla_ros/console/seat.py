"""Which of the open pages is in control; the others watch."""

from __future__ import annotations

SILENCE = 3.0  # of the page in control, after which another one may take control [s]
WATCHES = "This page is only watching. Press 'Take control' to command from here."
BUSY = "The page in control is moving the arm: wait until it releases the stick."


class Seat:
    """At most one page at a time has control. Times are of a steady clock [s].

    holder: the page that controls; None if none does.
    """

    def __init__(self) -> None:
        self.holder: str | None = None
        self._heard = 0.0

    def join(self, page: str, at: float) -> None:
        """A page was opened: the first one gets control."""
        if self.holder is None:
            self._sit(page, at)

    def hear(self, page: str, at: float) -> None:
        """A message was received from a page."""
        if page == self.holder:
            self._heard = at

    def take(self, page: str, at: float, *, moving: bool) -> str | None:
        """A page requests control. moving: whether the page in control moves the arm by hand. Why it is denied, as a
        sentence; None if it is granted.
        """
        if moving and self.holder not in (None, page):
            return BUSY
        self._sit(page, at)
        return None

    def leave(self, page: str) -> bool:
        """A page was closed; whether it was the one in control."""
        if page != self.holder:
            return False
        self.holder = None
        return True

    def look(self, at: float) -> bool:
        """Whether the page in control was silent for too long and lost control."""
        if self.holder is None or at - self._heard <= SILENCE:
            return False
        self.holder = None
        return True

    def refuse(self, page: str) -> str | None:
        """Why a page may not command, as a sentence; None if it may."""
        return None if page == self.holder else WATCHES

    def _sit(self, page: str, at: float) -> None:
        self.holder, self._heard = page, at
