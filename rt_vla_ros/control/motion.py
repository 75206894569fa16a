"""The motion of one action: from a displacement and a period to velocities at the command rate, within the limits."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import EndEffectorStep
from rt_vla_ros.control.ema import DisplacementEma
from rt_vla_ros.control.limits import Limits

Vector = NDArray[np.float64]
# What may be missing of a commanded displacement when the arm is told to stand still.
REST_TRANSLATION = 1e-4  # [m]
REST_ROTATION = 5e-4  # [rad]


def to_nanosecond(seconds: float) -> float:
    """So that a run is the same to the last bit wherever its clock began and whether it counts in [s] or [ns]."""
    return round(seconds, 9)


class Motion:
    """Demands an action's displacement at constant velocity during its period, smoothed and within the limits.

    velocity: what the arm is told until the next tick, linear [m/s] and angular [rad/s], shape (6,).
    slowed: the running action was too fast and goes less far for it.
    walled: the wall of the workspace holds the arm back.
    """

    def __init__(self, limits: Limits, smoothing_time_constant: float) -> None:
        self._limits = limits
        self._ema = DisplacementEma(smoothing_time_constant)
        self._target: Vector = np.zeros(6)  # velocity that the running action demands
        self._start = self._end = -math.inf
        self._halted = True
        self.velocity: Vector = np.zeros(6)
        self.slowed = self.walled = False

    def begin(self, step: EndEffectorStep, period: float, now: float) -> None:
        """Takes over from the action before; what of that one has not come due is dropped."""
        wanted = np.concatenate([step.translation, step.rotation]) / period
        self._target = self._limits.slow_down(wanted)
        self.slowed = not np.array_equal(self._target, wanted)
        self._start, self._end, self._halted = now, to_nanosecond(now + period), False

    def halt(self) -> None:
        """Nothing is demanded or owed any more: from the next tick on the arm brakes."""
        self._target, self._start, self._end, self._halted = np.zeros(6), -math.inf, -math.inf, True
        self._ema.reset()
        self.slowed = self.walled = False

    def freeze(self) -> None:
        """Standstill at once, for when nobody knows what the arm did since the last tick."""
        self.halt()
        self.velocity = np.zeros(6)

    def finished(self, now: float) -> bool:
        """The action's time is over and the arm is told to stand still."""
        return now >= self._end and not self.velocity.any()

    def advance(self, last: float, now: float, position: Vector | None) -> None:
        """Works out the velocity at the tick `now` [s], the last one being at `last`; position (3,) [m] if known."""
        interval = to_nanosecond(now - last)
        self._ema.account(self._due(last, now), self.velocity * interval)
        if now >= self._end and (self._halted or self._rests()):
            self._ema.reset()
        wanted = self._ema.velocity(interval)
        wanted = self._limits.slow_down(self._limits.brakeable(wanted, self._ema.owed, interval))
        if position is not None:
            wanted = self._behind_wall(wanted, position, interval)
        self.velocity = self._limits.approach(wanted, self.velocity, interval)

    def _due(self, last: float, now: float) -> Vector:
        """Displacement that the running action demanded between two ticks, shape (6,)."""
        duration = to_nanosecond(min(now, self._end) - max(last, self._start))
        return self._target * max(duration, 0.0)

    def _rests(self) -> bool:
        owed = self._ema.owed
        return float(np.linalg.norm(owed[:3])) < REST_TRANSLATION and float(np.linalg.norm(owed[3:])) < REST_ROTATION

    def _behind_wall(self, wanted: Vector, position: Vector, interval: float) -> Vector:
        """What the wall holds back is not made up for: the arm would push against it long after the policy turned."""
        inside = self._limits.keep_inside(wanted, position, interval)
        held = inside != wanted
        self._ema.owed = np.where(held, inside / self._ema.gain(interval), self._ema.owed)
        self.walled = bool(held.any())
        return inside
