"""The limits of an arm's motion: distance per action, velocity, acceleration, jerk and workspace."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import LONGEST_HORIZON
from rt_vla_ros.action_space.chunk import KEEP_GRIPPER, ActionChunk, EndEffectorStep
from rt_vla_ros.control.walls import ForbiddenBox

Vector = NDArray[np.float64]
# Approach speed to a workspace wall: at the current velocity it would be reached after this time [s].
WALL_HORIZON = 0.2
LONGEST_PERIOD = 10.0
LONGEST_CHUNK = 60.0  # [s]


@dataclass(frozen=True)
class Limits:
    """Norms, not per axis: a limit must not depend on the orientation of the axes.

    max_translation [m], max_rotation [rad]: a larger action is refused completely, because a working policy does not
    produce it. max_linear_velocity [m/s], max_angular_velocity [rad/s]: a faster action is slowed down and thus
    shortened. max_linear_acceleration [m/s^2], max_angular_acceleration [rad/s^2]: also the deceleration of every stop.
    max_linear_jerk [m/s^3], max_angular_jerk [rad/s^3]: of motion, not of stops, which brake at the acceleration limit;
    0 or infinite: none.
    workspace_low, workspace_high [m]: corners of the box that the end effector may not leave, in the frame of the
    actions; it is active only if the position is known (Controller.set_pose). Infinite: no wall.
    forbidden_boxes: boxes that the end effector may not enter, in the same frame and under the same condition.
    tip_radius: radius of the sphere around the end effector that keeps clear of walls and boxes [m].
    speed_scale: factor of the velocities and accelerations, see `scaled`.
    """

    max_translation: float = 0.15
    max_rotation: float = 0.8
    max_linear_velocity: float = 0.5
    max_angular_velocity: float = 2.5
    max_linear_acceleration: float = 6.0
    max_angular_acceleration: float = 20.0
    workspace_low: tuple[float, float, float] = (-math.inf, -math.inf, -math.inf)
    workspace_high: tuple[float, float, float] = (math.inf, math.inf, math.inf)
    forbidden_boxes: tuple[ForbiddenBox, ...] = ()
    max_linear_jerk: float = 0.0
    max_angular_jerk: float = 0.0
    tip_radius: float = 0.0
    speed_scale: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_jerk"):
                if math.isnan(value) or value < 0:
                    raise ValueError(f"{field.name} is {value}, expected 0 (none) or more")
            elif field.name.startswith("max_") and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{field.name} is {value}, expected a finite number above 0")
        low, high = self.workspace_low, self.workspace_high
        if len(low) != 3 or len(high) != 3 or not all(a < b for a, b in zip(low, high, strict=True)):
            raise ValueError(
                f"the workspace reaches from {list(low)} to {list(high)} m, expected x, y, z each from low to high"
            )

        if not (math.isfinite(self.tip_radius) and self.tip_radius >= 0):
            raise ValueError(f"tip_radius is {self.tip_radius} m, expected 0 or more")
        if not all(b - a > 2 * self.tip_radius for a, b in zip(low, high, strict=True)):
            raise ValueError(f"tip_radius is {self.tip_radius} m: the workspace is too small for it")

    def scaled(self, scale: float) -> Limits:
        """Scales velocities and accelerations by a factor of up to 1: faster actions are slowed down and thus
        shortened.

        The stopping time stays the same, the stopping distance decreases. Raises ValueError.
        """
        if not 0 < scale <= 1:
            raise ValueError(f"speed_scale is {scale}, expected more than 0 and at most 1")
        return replace(
            self,
            max_linear_velocity=self.max_linear_velocity * scale,
            max_angular_velocity=self.max_angular_velocity * scale,
            max_linear_acceleration=self.max_linear_acceleration * scale,
            max_angular_acceleration=self.max_angular_acceleration * scale,
            max_linear_jerk=self.max_linear_jerk * scale,
            max_angular_jerk=self.max_angular_jerk * scale,
            speed_scale=self.speed_scale * scale,
        )

    @property
    def stopping_time(self) -> float:
        """Maximum time [s] from a stop command to standstill."""
        return max(
            self.max_linear_velocity / self.max_linear_acceleration,
            self.max_angular_velocity / self.max_angular_acceleration,
        )

    def refuse(self, chunk: ActionChunk) -> str | None:
        """Why the chunk is refused, as a sentence, else None."""
        if not np.isfinite([chunk.confidence, chunk.legal_probability, chunk.period]).all():
            return "The action holds a non-finite value."
        if not 0 < round(chunk.period, 9) <= LONGEST_PERIOD:
            return f"The action's period is {chunk.period:g} s, expected more than 0 and at most {LONGEST_PERIOD:g} s."
        count, tokens = len(chunk.steps), len(chunk.tokens)
        if count > LONGEST_HORIZON:
            return f"The action has more than {LONGEST_HORIZON} steps."
        if count > 1 and count * chunk.period > LONGEST_CHUNK:
            return f"The action's {count} steps last {count * chunk.period:g} s, expected at most {LONGEST_CHUNK:g} s."
        if count and tokens % count:
            return f"The action has {tokens} tokens for {count} steps, expected the same number for each step."
        return next(filter(None, map(self._refuse_step, chunk.steps, places(count))), None)

    def _refuse_step(self, step: EndEffectorStep, place: str) -> str | None:
        if np.shape(step.translation) != (3,) or np.shape(step.rotation) != (3,):
            return f"The action{place} does not have three numbers each for translation and rotation."
        if not np.isfinite([*step.translation, *step.rotation, step.gripper]).all():
            return f"The action{place} holds a non-finite value."
        if step.gripper != KEEP_GRIPPER and not 0 <= step.gripper <= 1:
            return (
                f"The action's gripper{place} is {step.gripper:g}, expected 0 (open) to 1 (closed), or -1 (unchanged)."
            )
        distance, angle = math.hypot(*step.translation), math.hypot(*step.rotation)
        if distance > self.max_translation:
            return (
                f"The action{place} translates {distance:.3g} m, more than max_translation ({self.max_translation:g} "
                "m)."
            )
        if angle > self.max_rotation:
            return f"The action{place} rotates {angle:.3g} rad, more than max_rotation ({self.max_rotation:g} rad)."
        return None

    def slow_down(self, velocity: Vector) -> Vector:
        """Linear and angular velocity, shape (6,), each clipped to its limit, keeping its direction."""
        return np.concatenate(
            [clip_norm(velocity[:3], self.max_linear_velocity), clip_norm(velocity[3:], self.max_angular_velocity)]
        )

    def brakeable(self, velocity: Vector, owed: Vector, interval: float) -> Vector:
        """Velocity (6,) from which the arm can come to rest within `owed` (6,), with ticks `interval` [s] apart."""
        linear = _brakeable_speed(float(np.linalg.norm(owed[:3])), self.max_linear_acceleration, interval)
        angular = _brakeable_speed(float(np.linalg.norm(owed[3:])), self.max_angular_acceleration, interval)
        return np.concatenate([clip_norm(velocity[:3], linear), clip_norm(velocity[3:], angular)])

    def braking_distance(self, velocity: Vector, interval: float) -> Vector:
        """Displacement (6,) until rest, from the tick on at which `velocity` (6,) was told; the inverse of
        `brakeable`.
        """
        linear, angular = float(np.linalg.norm(velocity[:3])), float(np.linalg.norm(velocity[3:]))
        times = linear / self.max_linear_acceleration, angular / self.max_angular_acceleration
        distance: Vector = velocity * np.repeat([(time + interval) / 2 for time in times], 3)
        return distance

    def approach(self, velocity: Vector, previous: Vector, interval: float, first: Vector | None = None) -> Vector:
        """The velocity (6,) nearest to `velocity` that can be reached from `previous` (6,) within `interval` [s].

        first: velocity with priority, (6,); when braking at a wall, other axes have to wait.
        """
        by_way = previous if first is None else first
        change, urgent = velocity - by_way, by_way - previous
        linear = _change(urgent[:3], change[:3], self.max_linear_acceleration * interval)
        angular = _change(urgent[3:], change[3:], self.max_angular_acceleration * interval)
        reached: Vector = previous + np.concatenate([linear, angular])
        return reached

    def within_reach(self, velocity: Vector, previous: Vector, interval: float) -> bool:
        """Whether the velocity (6,) can be reached from `previous` (6,) within `interval` [s]."""
        change = velocity - previous
        linear, angular = float(np.linalg.norm(change[:3])), float(np.linalg.norm(change[3:]))
        longest = interval * (1 + 1e-9)
        return linear <= self.max_linear_acceleration * longest and angular <= self.max_angular_acceleration * longest

    def keep_inside(self, velocity: Vector, position: Vector, interval: float, current: Vector | None = None) -> Vector:
        """Velocity (6,) whose linear part slows down towards the walls of workspace and boxes; position (3,) [m].

        It comes to rest before a wall with half of the acceleration limit, because up to three walls may be near at
        once; ticks are `interval` [s] apart. current: velocity (6,) at the last tick; by default `velocity`.
        """
        radius, speed = self.tip_radius, partial(self._wall_speed, interval=interval)
        up = speed(np.asarray(self.workspace_high) - radius - position)  # (3,)
        down = speed(position - radius - np.asarray(self.workspace_low))
        for box in self.forbidden_boxes:
            now = velocity if current is None else current
            (box.grown(radius) if radius else box).bound(down, up, position, now[:3], speed)
        linear: Vector = np.clip(velocity[:3], -down, up)
        return np.concatenate([linear, velocity[3:]])

    def _wall_speed(self, distance: Vector, interval: float) -> Vector:
        """Speed (3,) towards walls that are `distance` (3,) [m] away; 0 at a wall and beyond it."""
        distance = np.maximum(distance, 0)
        brakeable = [_brakeable_speed(float(d), self.max_linear_acceleration / 2, interval) for d in distance]
        return np.minimum(distance / WALL_HORIZON, brakeable)


def places(count: int) -> list[str]:
    """The name of each step in messages, with a leading space; empty for a single step."""
    return [""] if count == 1 else [f" (steps[{number}])" for number in range(count)]


def clip_norm(vector: Vector, limit: float) -> Vector:
    """The vector, clipped to the norm `limit`."""
    norm = float(np.linalg.norm(vector))
    if norm <= limit:
        return vector
    shortened: Vector = vector * (limit / norm)
    return shortened


def _change(urgent: Vector, other: Vector, limit: float) -> Vector:
    """The urgent change plus as much of the other one as the common norm limit allows, each of shape (3,)."""
    if not urgent.any():
        return clip_norm(other, limit)
    both: Vector = urgent + other
    room = limit * limit - float(urgent @ urgent)
    if room <= 0:
        return clip_norm(urgent, limit)
    if float(both @ both) <= limit * limit:
        return both
    along, size = float(urgent @ other), float(other @ other)
    share = (math.sqrt(along * along + size * room) - along) / size
    shortened: Vector = urgent + other * share
    return shortened


def _brakeable_speed(distance: float, acceleration: float, interval: float) -> float:
    """Speed v whose ramp down in steps of a * interval covers `distance`: v^2 / 2a + v * interval / 2 = distance."""
    half = acceleration * interval / 2
    return math.sqrt(half * half + 2 * acceleration * distance) - half
