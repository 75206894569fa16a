"""From the displacements that chunks demand to velocities at the command rate, within the limits."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.control.ema import DisplacementEma
from rt_vla_ros.control.jerk_limit import JerkLimit
from rt_vla_ros.control.limits import Limits
from rt_vla_ros.control.odometer import Odometer
from rt_vla_ros.control.schedule import Schedule, to_nanosecond

Vector = NDArray[np.float64]
# What may be missing of a commanded displacement when the arm is told to stand still.
REST_TRANSLATION = 1e-4  # [m]
REST_ROTATION = 5e-4  # [rad]
# A velocity that it is steered to is reached where no axis differs by more [m/s], [rad/s].
REST_SPEED = 1e-4


class Motion:
    """Demands each step's displacement at constant velocity during its time, smoothed and within the limits.

    Or it is steered: it follows a velocity instead, and nothing that the limits held back is made up for.

    velocity: what the arm is told until the next tick, linear [m/s] and angular [rad/s], shape (6,).
    slowed: the step that is due was too fast and goes less far for it.
    walled: the wall of the workspace holds the arm back.
    terminated_at: when a step with `terminate` came due [s]. overdue: max_chunk_age is over before all steps are done.
    Both brake the arm at once.
    """

    def __init__(
        self, limits: Limits, smoothing_time_constant: float, max_chunk_age: float, *, coasts: bool = False
    ) -> None:
        """coasts: what is followed while it still brakes comes on top of the way in which it comes to rest.

        Else that way counts towards what is followed, and it goes back where it was too long.
        """
        self._limits, self._coasts = limits, coasts
        self._coasting = False  # from the next tick on it owes its braking distance
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
        """When nothing more is demanded [s]."""
        return -math.inf if self._schedule.last is None else self._schedule.last.end

    @property
    def last_start(self) -> float:
        """When the last step begins that is to be done [s]."""
        return -math.inf if self._schedule.last is None else self._schedule.last.edges[-2]

    def refuse(self, chunk: ActionChunk, now: float) -> str | None:
        """A sentence where it cannot be combined with the chunks that are followed."""
        return self._schedule.refuse(chunk, now)

    def extends(self, chunk: ActionChunk, stamp: float) -> bool:
        """Whether it is the chunk that was followed last, with further steps."""
        return self._schedule.extends(chunk, stamp)

    def halt(self) -> None:
        """Nothing is demanded or owed any more: from the next tick on the arm brakes."""
        self._drop()
        self._steered: Vector | None = None  # velocity
        # Stops brake at the acceleration limit, from what the arm is told now.
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
        """Nothing is demanded or owed any more."""
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
        """Takes over from the chunks before, as its ensemble says; what of them has not come due is dropped."""
        if chunk.frame_id != self._frame_id:
            self._jerk.reset(self.velocity)
            self.forget()  # what was demanded along other axes: the arm stands still
            self._frame_id = chunk.frame_id
        demanded = self._demanded.since(stamp) if stamp >= self._known_from else None
        if self._halted:  # it still brakes: what that leads to counts
            self._ema.account(np.zeros(6), self._jerk.pending)
            self._coasting = self._coasts
        self._schedule.add(chunk, stamp, now, self._max_chunk_age, demanded)
        self._halted = self.slowed = self.overdue = False
        self._wish = self.terminated_at = self._steered = None
        self._enter(now)

    def take_wish(self) -> float | None:
        """Where the gripper shall be since the last call, 0 open ... 1 closed; None if nothing is new."""
        wish, self._wish = self._wish, None
        return wish

    def freeze(self, known_from: float = -math.inf) -> None:
        """Standstill at once, for when nobody knows what the arm did since the last tick. known_from: see `forget`."""
        self.halt()
        self.forget(known_from)
        self.velocity = self._planned = np.zeros(6)
        self._jerk.reset(self.velocity)

    def forget(self, known_from: float = -math.inf) -> None:
        """Nothing was demanded before now; what was before `known_from` [s], nobody knows."""
        self._demanded.reset()
        self._known_from = known_from

    def finished(self, now: float) -> bool:
        """The time of all steps is over and the arm is told to stand still."""
        return now >= self.end and not self.velocity.any()

    def advance(self, last: float, now: float, position: Vector | None) -> None:
        """Works out the velocity at the tick `now` [s], the last one being at `last`; position (3,) [m] if known."""
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
            self.forget(now)  # of the way that it is steered, no action knows
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
            # An average over ticks that are not punctual may change faster than what it is of.
            within = self._limits.within_reach(gentle, self.velocity, interval)
            self.velocity = gentle if within else self._limits.approach(gentle, self.velocity, interval)
            if position is not None and self._limits.forbidden_boxes and any(self._jerk.durations):
                self._keep_out(gentle, told, position, interval, now)

    def come_due(self, last: float, now: float) -> None:
        """Adds up what is demanded until `now` [s]; the last tick was at `last`. Steps from `now` on are untouched."""
        time = max(last, self._collected)
        while time < now:
            if time >= self._until:
                self._enter(time)
            end = min(now, self._until)
            self._due = self._due + self._target * to_nanosecond(end - time)
            self._demanded.add(time, end, self._target)
            self._collected = time = end

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
        """What the wall holds back is not made up for: the arm would push against it long after the policy turned."""
        inside = self._limits.keep_inside(wanted, position, interval, self._planned)
        held = inside != wanted
        if self._steered is None:
            self._owe(np.where(held, inside / self._ema.gain(interval), self._ema.owed), now)
        self.walled = bool(held.any())
        return inside

    def _keep_out(self, gentle: Vector, told: Vector, position: Vector, interval: float, now: float) -> None:
        """An average of places around a box's corner may lie inside: there it brakes at the acceleration limit.

        What was planned for later is dropped.
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
        """Another displacement (6,) is owed than what came due and is not done.

        It counts as demanded so: a chunk that is compensated would take back what was never done.
        """
        if not np.array_equal(owed, self._ema.owed):
            self._demanded.correct(at, owed - self._ema.owed)
        self._ema.owed = owed
