"""When a human commands the arm instead of the policy, and when the human's commands are lost; no ROS."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.control.controller import TAKEN_OVER, Controller
from rt_vla_ros.control.status import State

Vector = NDArray[np.float64]
# The deadman is either a separate switch or the stick itself, which commands while it is deflected.
TOPIC, MOTION = "topic", "motion"
DEADMEN = (TOPIC, MOTION)
# Below both, along all axes, a stick is at rest: linear [m/s] and angular [rad/s].
REST = (1e-3, 5e-3)
# Larger values are invalid [m/s], [rad/s].
MOST = 1e3
LET_GO = f"The deadman was released. {TAKEN_OVER}"
PRESS_AGAIN = "Release the teleoperation deadman and hold it again."


@dataclass(frozen=True)
class TakeoverSettings:
    """timeout: after this silence the operator who held the deadman counts as lost [s]; also the maximum age of a
    command, or its lead into the future. deadman: one of DEADMEN.
    """

    timeout: float = 0.25
    deadman: str = TOPIC

    def __post_init__(self) -> None:
        if not 0 < self.timeout <= 1:
            raise ValueError(f"teleop_timeout is {self.timeout} s, expected more than 0 and at most 1 s")
        if self.deadman not in DEADMEN:
            raise ValueError(f"teleop_deadman is {self.deadman!r}, expected one of {', '.join(DEADMEN)}")


class HumanTwist(NamedTuple):
    """velocity: linear [m/s] and angular [rad/s], shape (6,), in the axes of `frame_id`; empty: of the default frame.

    stamp: of the command, by the controller's clock [s]. age: of the command on arrival [s]; None: unknown; not
    finite: its stamp is invalid.
    """

    velocity: Vector
    frame_id: str
    stamp: float
    age: float | None = None


class Takeover:
    """Turns a human's deadman and twists into commands of a Controller; call it before each of its ticks.

    While the deadman is held, the human commands. Releasing it stops the motion, and the policy has no effect before
    `resume`. Losing the human's commands while it is held latches a stop. After a stop, a fault or a start the deadman
    must be released before it counts again.

    `at` is the time of arrival, of a clock that never jumps [s].
    """

    def __init__(
        self, controller: Controller, settings: TakeoverSettings, stop: Callable[[str], object] | None = None
    ) -> None:
        """stop: latches a stop with a reason; by default the controller's own."""
        self._controller, self._settings, self._stop = controller, settings, stop or controller.stop
        self._held_at: float | None = None  # when the deadman was last reported as held; None: it is not
        self._ready = False  # whether it was released since the start, a stop or a fault
        self._began: float | None = None  # the first tick
        self._quiet = True  # no stick message yet
        self._commanding = False
        self._twist: tuple[HumanTwist, float] | None = None  # and when it came
        self._gripper: float | None = None

    @property
    def held(self) -> bool:
        """Whether the deadman is held, even if it does not count yet."""
        return self._held_at is not None

    def hold(self, held: bool, at: float) -> None:
        """Updates the deadman's state; call it repeatedly."""
        if not held:
            self._held_at = self._twist = self._gripper = None
            self._ready = True
            return
        if self._held_at is None:
            self._twist = None  # earlier stick messages do not count
        self._held_at = at

    def twist(self, twist: HumanTwist, at: float) -> str | None:
        """Updates the stick's velocity. An invalid one stops the arm while the deadman is held. Returns why it is
        invalid, as a sentence, else None.
        """
        moves, self._quiet = _moves(twist.velocity), False
        by_motion = self._settings.deadman == MOTION
        problem = self.refuse(twist)
        if problem is not None:
            if self.held or (by_motion and moves):
                self.lose(problem)
            return problem
        if by_motion and moves:
            self._held_at = at
        self._ready = self._ready or (by_motion and not self.held)
        self._twist = (twist, at)
        return None

    def refuse(self, twist: HumanTwist) -> str | None:
        """Why this twist is invalid, as a sentence, else None."""
        return _refuse(twist, self._settings.timeout)

    def gripper(self, closedness: float) -> str | None:
        """0 open ... 1 closed; counts while the deadman is held. Why it is invalid, as a sentence, else None."""
        if not 0 <= closedness <= 1:
            return f"The gripper command is {closedness:g}, expected 0 (open) to 1 (closed)."
        self._gripper = closedness if self.held else None
        return None

    def lose(self, sentence: str) -> None:
        """Latches a stop because the human's commands are lost."""
        self._held_at = self._twist = self._gripper = None
        self._ready = self._commanding = False
        if self._controller.state is not State.STOPPED:
            self._stop(f"The operator's command is lost: {sentence}")

    def resume(self, now: float) -> str | None:
        """See Controller.resume."""
        if self.held:
            return "The teleoperation deadman is held: release it first."
        return self._controller.resume(now)

    def tick(
        self,
        now: float,
        at: float,
        *,
        denied: str | None = None,
        rivals: str | None = None,
        turn: Callable[[HumanTwist], tuple[Vector, str] | str] = lambda twist: (twist.velocity, twist.frame_id),
    ) -> None:
        """now: of the controller's clock [s]. denied: why the arm may not move. rivals: several command sources, as a
        sentence. turn: velocity (6,) and frame in which the arm is commanded, or why there are none.
        """
        controller = self._controller
        if self._commanding and controller.commander != "human":
            self._ready = self._commanding = False
        self._look_at_motion(at)
        if controller.state is State.STOPPED:
            self._ready = self._ready and not self.held
            return
        if not self.held:
            controller.let_go(LET_GO)
            self._commanding = False
            return
        lost = rivals or self._silence(at)
        if lost is not None:
            self.lose(lost)
            return
        told = TAKEN_OVER if self._ready else f"{TAKEN_OVER} {PRESS_AGAIN}"
        if self._ready:
            self._command(now, denied, turn)
        controller.take_over(told)  # where that did not

    def _command(self, now: float, denied: str | None, turn: Callable[[HumanTwist], tuple[Vector, str] | str]) -> None:
        controller, stamp = self._controller, None
        turned: tuple[Vector, str] | str = (np.zeros(6), controller.frame_id)
        if self._twist is not None:
            turned, stamp = turn(self._twist[0]), self._twist[0].stamp
        elif not controller.frame_id:
            return  # nothing has moved so far, and nothing may move
        gripper, self._gripper = self._gripper, None
        if denied is not None or isinstance(turned, str):
            controller.take_over()
            controller.fault(f"{denied or turned} {PRESS_AGAIN}")
        else:
            controller.steer(*turned, now=now, stamp=stamp, gripper=gripper)
        self._ready = self._commanding = controller.commander == "human"

    def _look_at_motion(self, at: float) -> None:
        """A stick that is its own deadman counts as released after resting for the timeout."""
        if self._settings.deadman != MOTION:
            return
        self._began = at if self._began is None else self._began
        if self._quiet and at - self._began > self._settings.timeout:
            self._ready = True  # many sticks send nothing at rest
        if self._held_at is None:
            return
        resting = self._twist is not None and not _moves(self._twist[0].velocity)
        if resting and at - self._held_at > self._settings.timeout:
            self.hold(False, at)

    def _silence(self, at: float) -> str | None:
        timeout = self._settings.timeout
        if self._twist is not None and at - self._twist[1] > timeout:
            if _moves(self._twist[0].velocity):
                return f"no twist for more than {timeout:g} s, and the last one was not zero."
            self._twist = None
        if self._settings.deadman == TOPIC and self._held_at is not None and at - self._held_at > timeout:
            return f"no deadman message for more than {timeout:g} s while it was held."
        return None


def _moves(velocity: Vector) -> bool:
    """Also true for non-finite values."""
    return not (np.abs(velocity[:3]).max() < REST[0] and np.abs(velocity[3:]).max() < REST[1])


def _refuse(twist: HumanTwist, timeout: float) -> str | None:
    if not np.isfinite(twist.velocity).all():
        return "a twist holds a non-finite value."
    if np.abs(twist.velocity).max() > MOST:
        return f"a twist has {np.abs(twist.velocity).max():.3g} m/s or rad/s, expected at most {MOST:g}."
    if twist.age is None:
        return None
    if not math.isfinite(twist.age):
        return "a twist's stamp is invalid."
    if not abs(twist.age) <= timeout:
        if twist.stamp == 0:
            return (
                "a twist has no stamp (header.stamp is zero), so its age is unknown. Send unstamped twists on the "
                "topic teleop_twist_unstamped."
            )
        where = "old" if twist.age > 0 else "in the future"
        return (
            f"a twist's stamp is {abs(twist.age):.3g} s {where}, more than teleop_timeout ({timeout:g} s): are the "
            "clocks synchronized?"
        )
    return None
