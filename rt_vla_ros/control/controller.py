"""The one state machine between a policy and an arm: for the smoother node and for the offline rollout alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.frames import refuse_frame
from rt_vla_ros.control.gripper import GripperSettings, GripperSwitch
from rt_vla_ros.control.limits import Limits
from rt_vla_ros.control.mobile_base import base_chunk, planar, refuse_base
from rt_vla_ros.control.motion import Motion
from rt_vla_ros.control.odometer import Odometer
from rt_vla_ros.control.schedule import to_nanosecond
from rt_vla_ros.control.status import Command, State
from rt_vla_ros.control.watchdog import ClockWatchdog, SilenceWatchdog

ACTIVE = (State.MOVING, State.HOLDING)
# A reason may quote received text and is published at every tick [characters].
LONGEST_REASON = 1000
TERMINATED = "The policy reports that the instruction is done."
HELD = "The policy dropped its earlier actions; its next action is pending."
TAKEN_OVER = "A human took over: the policy's actions have no effect until ~/resume is called."


@dataclass(frozen=True)
class ControllerSettings:
    """Times in [s].

    smoothing_time_constant: of the exponential smoothing of the velocity; 0 for none.
    action_timeout: silence of the policy after which a running request is a fault, counted from the beginning of the
    last known step; more than the policy's period.
    max_action_age: an action from an older image is refused.
    max_chunk_age: an action of several steps is not followed any further once its image is older.
    max_stamp_lead: an action from an image further in the future is refused: the clocks are not synchronized.
    max_tick_gap: a longer pause between two ticks is a fault.
    halt_duration: how long zero velocities are sent once the arm stands still.
    """

    smoothing_time_constant: float = 0.05
    action_timeout: float = 1.0
    max_action_age: float = 1.0
    max_chunk_age: float = 2.0
    max_stamp_lead: float = 0.5
    max_tick_gap: float = 0.25
    halt_duration: float = 0.5
    gripper: GripperSettings = field(default_factory=GripperSettings)

    def __post_init__(self) -> None:
        for name in (one.name for one in fields(self)):
            value = getattr(self, name)
            if name.startswith(("action_", "max_", "halt_")) and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value} s, expected a finite time above 0")


class Controller:
    """Accepts actions as they arrive and returns the robot's command at every tick; docs/safety.md lists its stops.

    The displacement of a step is commanded at a constant velocity during its period, and smoothed. Step i of an action
    starts at its image's stamp + i * period; steps in the past are skipped. A single step starts when it is accepted.
    A newer action takes over at once and without a step in velocity, alone or averaged with those before, as its
    ensemble says; pending steps of the others are dropped, because the newer one is from a newer image. After the last
    step the arm ends at the commanded displacement, up to 0.1 mm and 0.5 mrad, and never beyond it.

    A mobile base is moved in the same way, within limits of its own, and stopped with the arm. It also brakes if an
    action does not move it and if a human takes over. If it is moved again before standstill, the braking distance is
    not undone.

    A human may take over at any time (`steer`): the velocity continues from its current value, within the same limits,
    and actions are ignored until `resume`; after it, those from older images are ignored.

    Not thread-safe. `now` is any clock in [s]; the same one for all calls.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        settings: ControllerSettings | None = None,
        *,
        base: Limits | None = None,
        refuse_frame: Callable[[str], str | None] = lambda frame_id: refuse_frame(frame_id, {frame_id} - {""}),
    ) -> None:
        """base: limits of a mobile base; None: there is none, and an action that moves a base is refused.

        refuse_frame: why a TF frame cannot be used, as a sentence, or None; by default any named frame can be."""
        self.limits = limits or Limits()
        self.settings = settings or ControllerSettings()
        self._refuse_unknown_frame = refuse_frame
        smoothing, longest = self.settings.smoothing_time_constant, self.settings.max_chunk_age
        self._motion, self.base_limits = Motion(self.limits, smoothing, longest), base
        self._base = None if base is None else Motion(base, smoothing, longest, coasts=True)
        self._motions = (self._motion,) if self._base is None else (self._motion, self._base)
        self._gripper = GripperSwitch(self.settings.gripper)
        self._silence = SilenceWatchdog(self.settings.action_timeout)
        self._clock = ClockWatchdog(self.settings.max_tick_gap)
        self._state, self._reason = State.IDLE, "No action received yet."
        self.faults = 0
        """How often it came into State.FAULT, or had another reason for it."""
        self._pose: tuple[NDArray[np.float64], float] | None = None  # position (3,) [m], and when it was measured
        self._odometer = Odometer()
        self._last: float | None = None  # time of the last tick
        self._still_since: float | None = -math.inf  # None: not yet commanded to stand still
        self._newest: float | None = None  # stamp of the newest action of this request
        self._ended: float | None = None  # when the last request ended with a terminate
        self._frame_id = ""
        self._steered = False  # a human commands now
        self._taken_over = False
        self._resumed: float | None = None  # when `resume` was called
        self._wish: float | None = None  # of the human, for the gripper
        self.action_stamp: float | None = None
        self.refused_stamp: float | None = None
        self.accepted = 0
        self.refused = 0

    @property
    def state(self) -> State:
        """The current state; see ControllerStatus."""
        return self._state

    @property
    def reason(self) -> str:
        """The reason for this state, one sentence."""
        return self._reason

    @property
    def commander(self) -> str:
        """Who commands the arm: "policy", "human", or "" for nobody."""
        if self._steered:
            return "human"
        return "policy" if self._state in ACTIVE else ""

    @property
    def awaits_resume(self) -> bool:
        """Whether a human took over and `resume` has not been called since."""
        return self._taken_over

    @property
    def frame_id(self) -> str:
        """TF frame of the last action or command that was accepted; empty before the first."""
        return self._frame_id

    def accept(self, chunk: ActionChunk, *, stamp: float, now: float) -> str | None:
        """Accepts a new action from the image at `stamp`. Returns why it was refused, as a sentence, else None.

        A refused action leads to State.FAULT, except for a repeated action, a late action of a terminated request,
        while the controller is stopped, while a human has taken over, and for an image from before the end of a
        takeover: these change nothing. A terminate and an action without steps are accepted whatever their stamp,
        because standing still is always safe. The newest action may be sent again with further steps.
        """
        now, stamp = to_nanosecond(now), to_nanosecond(stamp)
        jumped = self._check_clock(now)
        if self._state is State.STOPPED:
            return self._refuse(f"Actions are ignored until the stop is released. {self._reason}")
        if self._taken_over:
            return self._refuse(TAKEN_OVER)
        if self._resumed is not None and stamp < self._resumed:
            return self._refuse(
                f"The action's image ({stamp:.3f} s) was taken before ~/resume ({self._resumed:.3f} s)."
            )
        if self._last is not None:
            for motion in self._motions:
                motion.come_due(self._last, now)
        self._look_for_terminate()
        if chunk.terminate:
            self._accepted(stamp)
            self._terminate(chunk.plan or TERMINATED, now)
            return None
        if not chunk.steps:
            self._drop(chunk.plan or HELD, now)
            return None
        known = None if self._extends(chunk, stamp) else self._known(stamp)
        if known is not None:
            return self._refuse(known)
        sentence = (
            jumped
            or self.limits.refuse(chunk)
            or refuse_base(chunk, self.base_limits)
            or self._refuse_stamp(stamp, now)
            or self._refuse_frame(chunk.frame_id)
            or self._motion.refuse(chunk, now)
        )
        if sentence is not None:
            return self.refuse(sentence, stamp)
        self._accepted(stamp)
        self._follow(chunk, stamp, now)
        self._look_for_terminate()
        return None

    def outlook(self, chunk: ActionChunk, *, stamp: float, now: float) -> list[tuple[int, NDArray[np.float64]]]:
        """Where a valid action would lead the end effector if it were accepted: displacements in order, translation [m]
        and rotation vector [rad], shape (6,), in the axes of its frame, each with the number of its step.

        The first one contains what is pending of the motion before. Changes nothing.
        """
        return self._motion.outlook(chunk, to_nanosecond(stamp), to_nanosecond(now))

    def refuse(self, sentence: str, stamp: float) -> str:
        """Refuses an unreadable action as `accept` does an invalid one. Returns the sentence."""
        if self._state is not State.STOPPED and not self._taken_over:
            self.fault(sentence)
            self.refused_stamp = stamp
        return self._refuse(sentence)

    def steer(
        self,
        velocity: NDArray[np.float64],
        frame_id: str,
        *,
        now: float,
        stamp: float | None = None,
        gripper: float | None = None,
    ) -> str | None:
        """A human command, valid until the next call, `let_go`, a stop or a fault.

        velocity: linear [m/s] and angular [rad/s], shape (6,), finite, in the axes of `frame_id`. stamp: of the
        command. gripper: 0 open ... 1 closed; None: as it is. Returns why it is a fault, as a sentence, else None.
        """
        now = to_nanosecond(now)
        jumped = self._check_clock(now)
        if self._state is State.STOPPED:
            return f"Nothing moves until the stop is released. {self._reason}"
        self._taken_over = True
        unknown = self._refuse_frame(frame_id)
        sentence = jumped or (unknown and f"The operator's command cannot be executed. {unknown}")
        if sentence is not None:
            self.fault(sentence)
            return sentence
        if not self._steered:
            self._silence.reset()
            self._gripper.reset()
            if self._base is not None:
                self._base.halt()
        self._motion.steer(np.asarray(velocity, dtype=np.float64), frame_id)
        self._frame_id, self._still_since, self._steered = frame_id, None, True
        self._state, self._reason = State.HUMAN, self._moving_reason()
        self.action_stamp = self.action_stamp if stamp is None else stamp
        self._wish = self._wish if gripper is None else gripper
        return None

    def let_go(self, reason: str) -> None:
        """The human released the arm: stands still until `steer`, or until `resume` and the next valid action."""
        if self._steered:
            self._halt(State.HUMAN, reason)

    def take_over(self, reason: str = TAKEN_OVER) -> None:
        """A human takes over without a command yet: stands still, and actions are ignored until `resume`."""
        if not self._taken_over:
            self._taken_over = True
            if self._state is not State.STOPPED:
                self._halt(State.HUMAN, reason)

    def resume(self, now: float) -> str | None:
        """The policy's next action from an image no older than now moves the arm again.

        Returns why not, as a sentence: while it is stopped, or a human commands.
        """
        if self._state is State.STOPPED:
            return f"The smoother is stopped: call ~/release first. {self._reason}"
        if self._steered:
            return "A human is in control: release the deadman first."
        if self._taken_over:
            self._taken_over, self._resumed = False, to_nanosecond(now)
            self._newest = self._ended = None
            self._halt(State.IDLE, "Resumed; waiting for an action from a newer image.")
        return None

    def tick(self, now: float) -> Command:
        """Returns the command from now until the next tick."""
        now = to_nanosecond(now)
        self._check_clock(now)
        if self._last is not None and now > self._last:
            self._odometer.add(self._last, now, self._motion.velocity[:3])
            self._motion.advance(self._last, now, self._position())
            if self._base is not None:
                self._base.advance(self._last, now, None)
            self._last = now
        self._update_state(now)
        velocity, wish = self._motion.velocity, self._take_wish()
        return Command(
            linear=velocity[:3].copy(),
            angular=velocity[3:].copy(),
            frame_id=self._frame_id,
            gripper=None if wish is None else self._gripper.command(wish),
            state=self._state,
            reason=self._reason,
            terminate=self._state is State.TERMINATED,
            commanding=self._commanding(now),
            base=np.zeros(3) if self._base is None else planar(self._base.velocity),
        )

    def stop(self, reason: str = "The stop service was called.") -> None:
        """Stands still until `release`."""
        self._halt(State.STOPPED, reason)

    def fault(self, reason: str) -> None:
        """Stands still until the next valid action. Changes nothing while stopped."""
        if self._state is not State.STOPPED:
            self.faults += 1
            self._halt(State.FAULT, reason)

    def release(self) -> None:
        """Ends `stop`; the next valid action moves the arm again, unless a human took over before."""
        if self._state is State.STOPPED:
            if self._taken_over:
                self._halt(State.HUMAN, f"The stop was released. {TAKEN_OVER}")
            else:
                self._halt(State.IDLE, "The stop was released; waiting for an action.")
            self._newest = self._ended = None

    def reset(self, *, still: bool = False) -> None:
        """Brakes and forgets everything except a latched stop and a takeover; it does not replace `resume`.

        still: nothing was sent so far, as in a dry run; there is nothing to brake.
        """
        if self._state is not State.STOPPED:
            if self._taken_over:
                self._halt(State.HUMAN, f"Reset. {TAKEN_OVER}")
            else:
                self._halt(State.IDLE, "Reset; waiting for an action.")
        known_from = -math.inf if self._last is None else self._last
        for motion in self._motions:
            motion.freeze(known_from) if still else motion.forget(known_from)
        self._newest = self._ended = self._resumed = self.action_stamp = self.refused_stamp = self._pose = None

    def set_pose(self, position: Sequence[float] | NDArray[np.float64] | None, at: float | None = None) -> None:
        """Sets the end effector's position [m], shape (3,), in the frame of the actions; None if unknown.

        at: when it was measured [s], by default at the last tick; later commands are added, for up to a second; set it
        again within that time.
        """
        known = position is not None and bool(np.isfinite(position).all())
        measured = self._last if at is None else at
        self._pose = (np.asarray(position, dtype=np.float64), measured or 0.0) if known else None

    def _position(self) -> NDArray[np.float64] | None:
        """The end effector's position at the last tick, extrapolated by its commands."""
        if self._pose is None:
            return None
        position, at = self._pose
        moved: NDArray[np.float64] = position + self._odometer.since(at)
        return moved

    def _accepted(self, stamp: float) -> None:
        self.accepted += 1
        self.action_stamp, self._resumed = stamp, None  # nothing from before the resume is pending any more

    def _refuse(self, sentence: str) -> str:
        self.refused += 1
        return sentence

    def _known(self, stamp: float) -> str | None:
        """A sentence if an action's image is already outdated. NaN is left to the checks of a stamp."""
        if self._newest is not None and stamp <= self._newest:
            return f"The action's image ({stamp:.3f} s) is not newer than that of the previous action."
        # An image of that same moment is valid: in lock step a new request begins with it.
        if self._ended is not None and stamp < self._ended:
            return f"The action's image ({stamp:.3f} s) was taken before the last request ended ({self._ended:.3f} s)."
        return None

    def _refuse_stamp(self, stamp: float, now: float) -> str | None:
        age, settings = now - stamp, self.settings
        if not math.isfinite(stamp):
            return "The action's stamp is not a valid time."
        if age > settings.max_action_age:
            return f"The action's image is {age:.3g} s old, more than max_action_age ({settings.max_action_age:g} s)."
        if -age > settings.max_stamp_lead:
            return (
                f"The action's image is stamped {-age:.3g} s in the future: the clocks of camera and controller differ."
            )
        return None

    def _refuse_frame(self, frame_id: str) -> str | None:
        unknown = self._refuse_unknown_frame(frame_id)
        if unknown is not None or frame_id == self._frame_id or not self._motion.velocity.any():
            return unknown
        return f"The action is in the frame {frame_id!r} while the arm moves in {self._frame_id!r}."

    def _extends(self, chunk: ActionChunk, stamp: float) -> bool:
        return stamp == self._newest and self._motion.extends(chunk, stamp)

    def _follow(self, chunk: ActionChunk, stamp: float, now: float) -> None:
        self._motion.follow(chunk, stamp, now)
        if self._base is not None and any(step.base.any() for step in chunk.steps):
            self._base.follow(base_chunk(chunk), stamp, now)
        elif self._base is not None:
            self._base.halt()
        motion, several = self._motion, len(chunk.steps) > 1
        # All steps finish before the policy counts as silent.
        finished = motion.end - self.settings.action_timeout if several else now
        self._silence.heard(max(now, motion.last_start, finished))
        self._newest, self._frame_id = stamp, chunk.frame_id
        self._still_since = None
        self._state, self._reason = State.MOVING, self._moving_reason()
        if several and motion.end <= now:
            self._hold(f"The action arrived {now - stamp:.3g} s after its image, after the time of all its steps.")

    def _drop(self, reason: str, now: float) -> None:
        """Drops earlier actions; the next action may be from any image."""
        self.accepted += 1
        self._newest = self._ended = None
        if self._state in ACTIVE:
            self._halt(State.HOLDING, reason)
            self._silence.heard(now)

    def _terminate(self, reason: str, at: float) -> None:
        self._newest, self._ended = None, at
        self._halt(State.TERMINATED, reason)

    def _look_for_terminate(self) -> None:
        if self._motion.terminated_at is not None:
            self._terminate(TERMINATED, self._motion.terminated_at)

    def _hold(self, reason: str) -> None:
        self._state, self._reason = State.HOLDING, reason

    def _moving_reason(self) -> str:
        what = "A human is in control" if self._steered else "Following an action"
        if self._motion.walled:
            box = " or a forbidden box" if self.limits.forbidden_boxes else ""
            return f"{what}, held back by the workspace wall{box}."
        scale = f" (speed_scale {self.limits.speed_scale:g})" if self.limits.speed_scale < 1 else ""
        if self._motion.slowed:
            return f"{what}, slowed down to the velocity limit{scale}."
        if self._base is not None and self._base.slowed:
            return f"{what}, the base slowed down to its velocity limit{scale}."
        return f"{what}."

    def _take_wish(self) -> float | None:
        wish, self._wish = self._wish, None
        return self._motion.take_wish() if wish is None else wish

    def _halt(self, state: State, reason: str) -> None:
        """The common path of all stops. The gripper keeps its grasp; the next request commands it again."""
        if self.commander:
            self._still_since = None
        self._steered, self._wish = False, None
        for motion in self._motions:
            motion.halt()
        self._silence.reset()
        self._gripper.reset()
        self._state, self._reason = state, reason[:LONGEST_REASON]

    def _check_clock(self, now: float) -> str | None:
        """Invalidates all times after a clock jump; returns a sentence if the jump is a fault."""
        sentence = None if self._last is None else self._clock.alarm(self._last, now)
        back = self._last is not None and now < self._last
        if self._last is None or sentence is not None:
            self._last = now
        if sentence is None:
            return None
        self._newest = self._ended = self._resumed = self._pose = None
        self._odometer.reset()
        active = self.commander != ""
        if active:
            self.fault(sentence)
        # What was before a clock that restarted is none of its times.
        for motion in self._motions:
            motion.freeze(-math.inf if back and not active else now)
        return sentence if active else None

    def _update_state(self, now: float) -> None:
        self._look_for_terminate()
        if self._steered:
            self._reason = self._moving_reason()
        if self._state not in ACTIVE:
            return
        silent = self._silence.alarm(now)
        if silent is not None:
            self.fault(silent)
        elif self._state is State.HOLDING:
            return
        elif self._motion.overdue:
            age = self.settings.max_chunk_age
            self._hold(
                f"The action's image is more than max_chunk_age ({age:g} s) old: its remaining steps are skipped."
            )
        elif all(motion.finished(now) for motion in self._motions):
            self._hold("The last action is done; waiting for the next.")
        else:
            self._reason = self._moving_reason()

    def _commanding(self, now: float) -> bool:
        if self.commander:
            return True
        if self._still_since is None and not any(motion.velocity.any() for motion in self._motions):
            self._still_since = now
        return self._still_since is None or 0 <= now - self._still_since <= self.settings.halt_duration
