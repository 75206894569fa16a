"""The arm's state by Servo's status: halted, slowed down, silent; no ROS.

Servo checks the arm only while it executes a command: afterwards, `~/status` keeps its last code (moveit_servo 2.12,
servo.cpp). A halt is therefore reported when it occurs and while the arm is commanded, and cleared when the arm was not
commanded for a while: the next command will show whether it persists.
"""

from __future__ import annotations

from rt_vla_ros.nodes.servo_status import NO_WARNING, halt_of, slow_down_of

# Without a status for this long [s] Servo is silent; it publishes at 100 Hz.
SILENT = 0.3
# The time between two polls counts up to this [s]: a node that was itself delayed must not report a silent Servo.
LONGEST_LOOK = 0.04
# A halt is told for this long at least [s], also where the next status is a good one.
TOLD = 0.3
# A code from before the first command of a motion counts no more, until Servo has had this long to change it [s].
GRACE = 0.2
# A halt is forgotten after so long without a command [s].
SETTLED = 0.5


class ServoWatch:
    """Judges Servo by its status. Times are of a steady clock [s].

    topic: where the status comes, for the sentences.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._commanding = False
        self._begun = self._ended = float("-inf")
        self.reset()

    def reset(self) -> None:
        """Forgets the old Servo."""
        self._code, self._since, self._told_until = NO_WARNING, float("-inf"), float("-inf")
        self._told = ""
        self._heard = False
        self._silent = 0.0
        self._looked: float | None = None

    @property
    def code(self) -> int:
        """Servo's last status."""
        return self._code

    @property
    def is_heard(self) -> bool:
        """Whether a status has come since the start or the last reset."""
        return self._heard

    @property
    def is_silent(self) -> bool:
        """Whether a status is missing, as far as one is expected."""
        return self._silent > SILENT

    def status(self, code: int, now: float) -> bool:
        """A status came; whether it ends a silence."""
        was_silent, self._heard, self._silent = self.is_silent, True, 0.0
        if code != self._code:
            self._code, self._since = code, now
            if (sentence := halt_of(code)) is not None:
                self._told, self._told_until = sentence, now + TOLD
        return was_silent

    def commanded(self, commanding: bool, now: float) -> None:
        """Whether velocities are commanded."""
        if commanding and not self._commanding:
            self._begun = now
        if self._commanding and not commanding:
            self._ended = now
        self._commanding = commanding

    def look(self, now: float, *, awake: bool) -> None:
        """To be called many times a second. awake: whether a status is expected, which a paused Servo does not send."""
        passed = 0.0 if self._looked is None else min(now - self._looked, LONGEST_LOOK)
        self._looked = now
        self._silent = self._silent + passed if awake else 0.0

    def problem(self, now: float) -> str | None:
        """Why nothing is executed, as a sentence."""
        if self.is_silent:
            return self._silence()
        return self._halt(now)

    def slow_down(self) -> str | None:
        """That Servo moves the arm less than commanded, as a sentence."""
        return slow_down_of(self._code)

    def warning(self) -> str | None:
        """A problem that is no reason to stop, as a sentence."""
        if (sentence := self.slow_down()) is not None:
            return sentence
        halt = halt_of(self._code)
        return None if halt is None else f"Result of the last command: {halt}"

    def _silence(self) -> str:
        if self._heard:
            return (
                f"Servo is silent: no more messages on {self._topic!r}. It was paused by another client (call its "
                "~/pause_servo with false), hangs, or has exited."
            )
        return (
            f"Servo is silent: no message on {self._topic!r} yet. At startup it waits for joint states, and for one "
            "that differs from the previous: is the arm's driver publishing? With mock hardware, whose joint states "
            "never change, move the arm slightly once."
        )

    def _halt(self, now: float) -> str | None:
        if now < self._told_until:
            return self._told
        halt = halt_of(self._code)
        if halt is None:
            return None
        if self._commanding:
            is_old = self._since < self._begun and now - self._begun < GRACE
        else:
            is_old = now - max(self._ended, self._since) >= SETTLED
        return None if is_old else halt
