"""From the displacements of chunks to velocities at the command rate, within the limits."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.control.ema import DisplacementEma
from rt_vla_ros.control.jerk_limit import JerkLimit
from rt_vla_ros.control.limits import Limits
from rt_vla_ros.control.odometer import Odometer
from rt_vla_ros.control.schedule import Schedule, timed_chunk, to_nanosecond

Vector = NDArray[np.float64]
# Tolerance of a commanded displacement at standstill.
REST_TRANSLATION = 1e-4  # [m]
REST_ROTATION = 5e-4  # [rad]
# A steered velocity is reached if no axis differs by more [m/s], [rad/s].
REST_SPEED = 1e-4


class Motion:
    """Commands each step's displacement at constant velocity during its time, smoothed and within the limits.

    Or it is steered: it follows a velocity instead, and clipped motion is not made up for.

    velocity: commanded until the next tick, linear [m/s] and angular [rad/s], shape (6,).
    slowed: the current step was too fast and is shortened.
    walled: a workspace wall holds the arm back.
    terminated_at: when a step with `terminate` came due [s]. overdue: max_chunk_age is reached before all steps are
    done. Both brake the arm at once.
    """

    def __init__(
        self, limits: Limits, smoothing_time_constant: float, max_chunk_age: float, *, coasts: bool = False
    ) -> None:
        """coasts: motion that starts while it still brakes is added to the braking distance. Otherwise the braking
        distance counts towards the motion, and an overshoot is undone.
        """
        self._limits, self._coasts = limits, coasts
        self._coasting = False  # from the next tick on its braking distance is pending
        self._ema = DisplacementEma(smoothing_time_constant)
        self._max_chunk_age = max_chunk_age
        self._schedule = Schedule()
        self._demanded = Odometer(6, max_chunk_age)
        self._frame_id = ""
        self._due: Vector = np.zeros(6)  # displacement that came due since the last tick ...
        self._collected = -math.inf  # ... up to this time [s]
        self.velocity: Vector = np.zeros(6)
        self._planned: Vector = np.zeros(6)  # the velocity before its jerk is limited
        self._jerk = JerkLimit(
            (limits.max_linear_acceleration, limits.max_angular_acceleration),
            (limits.max_linear_jerk, limits.max_angular_jerk),
        )
        self._jerk.reset(self.velocity)
        self.forget()
        self.halt()

    @property
    def end(self) -> float:
        """When the last step ends [s]."""
        return -math.inf if self._schedule.last is None else self._schedule.last.end

    @property
    def last_start(self) -> float:
        """When the last step begins [s]."""
        return -math.inf if self._schedule.last is None else self._schedule.last.edges[-2]

    def refuse(self, chunk: ActionChunk, now: float) -> str | None:
        """Why it cannot be combined with the current chunks, as a sentence."""
        return self._schedule.refuse(chunk, now)

    def extends(self, chunk: ActionChunk, stamp: float) -> bool:
        """Whether it is the chunk that was followed last, with further steps."""
        return self._schedule.extends(chunk, stamp)

    def outlook(self, chunk: ActionChunk, stamp: float, now: float) -> list[tuple[int, Vector]]:
        """Where it would lead if it were followed from `now` [s] on, within the velocity limits: displacements (6,) in
        order, each with the number of its step. The first one contains what is pending of the motion before.
        """
        timed = timed_chunk(chunk, stamp, now, self._max_chunk_age, self._demanded_since(stamp))
        steps = [(i, self._limits.slow_down(way / seconds) * seconds) for i, way, seconds in timed.remaining(now)]
        goes_on = steps and not self._halted and chunk.frame_id == self._frame_id
        return [(steps[0][0], self._ema.owed + self._due + self._jerk.pending), *steps] if goes_on else steps

    def halt(self) -> None:
        """Drops all pending motion: from the next tick on the arm brakes."""
        self._drop()
        self._steered: Vector | None = None  # velocity
        # Stops brake at the acceleration limit, from the current command.
        self._planned = self.velocity
        self._jerk.reset(self.velocity)
        self._halted, self._coasting = True, False

    def steer(self, velocity: Vector, frame_id: str) -> None:
        """Follows a velocity (6,) from the next tick on, until it is steered otherwise, `halt` or `follow`.

        It begins with the velocity and acceleration that the arm has.
        """
        if self._steered is None:
            self._drop()
            self._halted = False
        if frame_id != self._frame_id:
            self._jerk.reset(self.velocity)  # the arm stands still
            self._frame_id = frame_id
        self._steered = self._limits.slow_down(velocity)
        self.slowed = not np.array_equal(self._steered, velocity)

    def _drop(self) -> None:
        """Drops all pending motion."""
        self._schedule.clear()
        self._target: Vector = np.zeros(6)  # velocity that is demanded ...
        self._until = math.inf  # ... up to this time [s]
        self._owe(-self._due, self._collected)
        self._ema.reset()
        self._due = np.zeros(6)
        self._collected = -math.inf
        self._wish: float | None = None
        self.terminated_at: float | None = None
        self.slowed = self.walled = self.overdue = False

    def follow(self, chunk: ActionChunk, stamp: float, now: float) -> None:
        """Replaces or averages with the previous chunks, depending on its ensemble; their pending steps are dropped."""
        if chunk.frame_id != self._frame_id:
            self._jerk.reset(self.velocity)
            self.forget()  # motion along other axes: the arm stands still
            self._frame_id = chunk.frame_id
        demanded = self._demanded_since(stamp)
        if self._halted:  # it still brakes: the braking distance counts
            self._ema.account(np.zeros(6), self._jerk.pending)
            self._coasting = self._coasts
        self._schedule.add(chunk, stamp, now, self._max_chunk_age, demanded)
        self._halted = self.slowed = self.overdue = False
        self._wish = self.terminated_at = self._steered = None
        self._enter(now)

    def take_wish(self) -> float | None:
        """The new gripper target since the last call, 0 open ... 1 closed; None if unchanged."""
        wish, self._wish = self._wish, None
        return wish

    def freeze(self, known_from: float = -math.inf) -> None:
        """Immediate standstill, for when the arm's motion since the last tick is unknown. known_from: see `forget`."""
        self.halt()
        self.forget(known_from)
        self.velocity = self._planned = np.zeros(6)
        self._jerk.reset(self.velocity)

    def forget(self, known_from: float = -math.inf) -> None:
        """Forgets earlier motion; the motion before `known_from` [s] is unknown."""
        self._demanded.reset()
        self._known_from = known_from

    def finished(self, now: float) -> bool:
        """Whether all steps have ended and the arm is commanded to stand still."""
        return now >= self.end and not self.velocity.any()

    def advance(self, last: float, now: float, position: Vector | None) -> None:
        """Computes the velocity at the tick `now` [s], the last one being at `last`; position (3,) [m] if known."""
        self.come_due(last, now)
        interval = to_nanosecond(now - last)
        if self._coasting:
            self._owe(self._ema.owed + self._limits.braking_distance(self._planned, interval), now)
            self._coasting = False
        self._jerk.done(self.velocity, interval)
        self._ema.account(self._due + self._jerk.left_over(), self._planned * interval)
        self._due = np.zeros(6)
        if self._halted:
            self._owe(np.zeros(6), now)
        elif now >= self.end and self._rests():
            self._ema.reset()
        if self._steered is None:
            wanted = self._ema.velocity(interval)
            wanted = self._limits.slow_down(self._limits.brakeable(wanted, self._ema.owed, interval))
        else:
            self._ema.reset()
            self.forget(now)  # no action knows of steered motion
            missing = self._steered - self._planned
            close = bool(np.abs(missing).max() < REST_SPEED)
            wanted = self._steered if close else self._planned + missing * (self._ema.gain(interval) * interval)
        first = None
        if position is not None:
            led = position + self._jerk.pending[:3]  # where it is led by what was planned
            wanted = self._behind_wall(wanted, led, interval, now)
            first = self._limits.keep_inside(self._planned, led, interval)
        self._planned = self._limits.approach(wanted, self._planned, interval, first)
        if self._halted:
            self._jerk.reset(self._planned)
            self.velocity = self._planned
        else:
            gentle, told = self._jerk.velocity(self._planned, interval), self.velocity
            # An average over irregular ticks may change faster than its input.
            within = self._limits.within_reach(gentle, self.velocity, interval)
            self.velocity = gentle if within else self._limits.approach(gentle, self.velocity, interval)
            if position is not None and self._limits.forbidden_boxes and any(self._jerk.durations):
                self._keep_out(gentle, told, position, interval, now)

    def come_due(self, last: float, now: float) -> None:
        """Adds up the displacement until `now` [s]; the last tick was at `last`. Steps from `now` on are untouched."""
        time = max(last, self._collected)
        while time < now:
            if time >= self._until:
                self._enter(time)
            end = min(now, self._until)
            self._due = self._due + self._target * to_nanosecond(end - time)
            self._demanded.add(time, end, self._target)
            self._collected = time = end

    def _demanded_since(self, stamp: float) -> Vector | None:
        """Displacement (6,); None if it is unknown."""
        return self._demanded.since(stamp) if stamp >= self._known_from else None

    def _enter(self, time: float) -> None:
        """Another step is due from `time` [s] on, or none."""
        demand = self._schedule.at(time)
        self._until = demand.until
        if demand.velocity is not None:
            self._target = self._limits.slow_down(demand.velocity)
            self.slowed = not np.array_equal(self._target, demand.velocity)
            self._wish = self._wish if demand.gripper is None else demand.gripper
            return
        self._target = np.zeros(6)
        last = self._schedule.last
        overdue = last is not None and last.cut and time >= last.end
        if demand.terminate or overdue:
            self.halt()
            self.terminated_at, self.overdue = (time if demand.terminate else None), overdue

    def _rests(self) -> bool:
        owed = self._ema.owed
        return float(np.linalg.norm(owed[:3])) < REST_TRANSLATION and float(np.linalg.norm(owed[3:])) < REST_ROTATION

    def _behind_wall(self, wanted: Vector, position: Vector, interval: float, now: float) -> Vector:
        """Motion clipped by a wall is not made up for: the arm would push against the wall long after the policy
        turned.
        """
        inside = self._limits.keep_inside(wanted, position, interval, self._planned)
        held = inside != wanted
        if self._steered is None:
            self._owe(np.where(held, inside / self._ema.gain(interval), self._ema.owed), now)
        self.walled = bool(held.any())
        return inside

    def _keep_out(self, gentle: Vector, told: Vector, position: Vector, interval: float, now: float) -> None:
        """An average of positions around a box's corner may lie inside: there it brakes at the acceleration limit.
        Later planned motion is dropped.
        """
        inside = self._limits.keep_inside(gentle, position, interval, told)
        if np.array_equal(inside, gentle):
            return
        first = self._limits.keep_inside(told, position, interval)
        self.velocity = self._planned = self._limits.approach(inside, told, interval, first)
        pending = self._jerk.pending
        self._jerk.reset(self.velocity)
        self._demanded.correct(now, self._jerk.pending - pending)
        self.walled = True

    def _owe(self, owed: Vector, at: float) -> None:
        """Sets the pending displacement (6,), in place of what came due and is not done.

        It counts as commanded: otherwise a compensated chunk would undo motion that was never executed.
        """
        if not np.array_equal(owed, self._ema.owed):
            self._demanded.correct(at, owed - self._ema.owed)
        self._ema.owed = owed
