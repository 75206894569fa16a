"""Whether an arm, or a mobile base, follows its commands: compares measured with commanded motion."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.rotation import rotation_vector_from_quaternion
from rt_vla_ros.control.followed import ARM, Followed
from rt_vla_ros.control.track import Track, angle_of, conjugate, multiply, rotate

Vector = NDArray[np.float64]
LAG_STEP = 0.02  # between the lags that are tried [s]
# Over what parts of follow_time displacements are compared; slow motions and a slow drift show in the longer ones.
PARTS: Vector = np.array([0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0, 2.0, 3.0, 4.0, 5.0])
# Share of a detour: arms and bases have inertia, and round a corner off.
CORNERS = 0.3
# What went on for so many of the shortest parts did follow.
PROVEN = 8
STANDSTILL = 0.2  # share of the measurement resolution below which a command is one to stand still
SHORTEST, LONGEST = 0.2, 2.0  # follow_time [s]


class Misfit(NamedTuple):
    """Commanded and measured motion of one part, along one translation or rotation.

    told, went: lengths [m] or angles [rad]. along: the component of the measured motion in the commanded direction.
    duration: within what time [s].
    """

    turns: bool
    told: float
    went: float
    along: float
    duration: float


class FollowWatch:
    """Compares measured with commanded motion, over a window that slides with the measurements.

    The measured displacement over each part of the window must be the commanded one of the same time, or of up to
    `max_lag` earlier, up to the fraction `tolerance` of the commanded path and the measurement resolution. Measurements
    are given in the axes of one frame that does not move, and so are commands, unless they are in the body's own axes:
    then displacements are compared in those that it had at the beginning of each part. Times are of one clock [s].
    """

    def __init__(self, follow_time: float, tolerance: float, followed: Followed = ARM) -> None:
        """Raises ValueError."""
        prefix = followed.prefix
        if not SHORTEST <= follow_time <= LONGEST:
            raise ValueError(
                f"{prefix}follow_time is {follow_time:g} s, expected 0 (off) or {SHORTEST:g} to {LONGEST:g} s"
            )
        if not 0 < tolerance < 1:
            raise ValueError(f"{prefix}follow_tolerance is {tolerance:g}, expected a fraction between 0 and 1")
        self.followed = followed
        self._lags: Vector = np.linspace(0.0, followed.max_lag, 1 + round(followed.max_lag / LAG_STEP))
        self._parts, self._tolerance = follow_time * PARTS, tolerance
        self._track = Track(own_axes=followed.own_axes)
        self._measured: deque[tuple[float, Vector]] = deque()  # when, position (3) and quaternion (4)
        self._watching = False
        self._misfit: Misfit | None = None
        self.alarms = 0
        """How many times in a row it did not follow."""

    def reset(self) -> None:
        """The clock restarted, or there was a gap in the measurements."""
        self._track.reset()
        self._measured.clear()
        self._misfit = None

    def forgive(self) -> None:
        """An operator has checked it: resets the count of failures."""
        self.alarms = 0

    def tick(self, now: float, velocity: Vector, *, watching: bool) -> None:
        """velocity: commanded from `now` on, linear [m/s] and angular [rad/s], shape (6,).

        watching: whether a request runs. Where none does, others may move it.
        """
        self._track.tick(now, velocity)
        if watching != self._watching:
            self._watching = watching
            self._measured.clear()
            self._misfit = None

    def measure(self, at: float, position: Vector, quaternion: Vector) -> None:
        """At the time `at` it was at `position` (3,) [m], turned by `quaternion` (4,); old ones are ignored."""
        if not self._watching or (self._measured and at <= self._measured[-1][0]):
            return
        self._measured.append((at, np.concatenate([position, quaternion])))
        while self._measured[0][0] < at - self._parts[-1] - self._parts[0]:
            self._measured.popleft()
        self._compare()

    def alarm(self, slowed: str | None = None) -> str | None:
        """Describes the deviation, as a sentence, if the newest measurement shows that it does not follow.

        slowed: the driver's own explanation why it falls short, as a sentence.
        """
        return None if self._misfit is None else _in_words(self._misfit, self.followed, slowed)

    def _compare(self) -> None:
        times = np.array([at for at, _ in self._measured])
        now = times[-1]
        chosen = np.unique(np.searchsorted(times, now - self._parts))
        chosen = chosen[now - times[chosen] >= self._parts[0] / 2]
        if not chosen.size:
            return
        poses = np.array([pose for _, pose in self._measured])[[*chosen, -1]]
        when = np.append(times[chosen], now) - self._lags[:, None]
        places, turns, totals = self._track.at(when)  # (lags, chosen + 1, ...)
        told, went = self._between(places, turns), self._between(poses[:, :3], poses[:, 3:])
        off = (np.linalg.norm(told[0] - went[0], axis=-1), angle_of(multiply(told[1], conjugate(went[1]))))
        paths = totals[:, -1:] - totals[:, :-1]  # (lags, chosen, 4)
        durations = now - times[chosen]
        accused, followed = self._misfit is not None, False
        self._misfit = None
        floor, allowed = self.followed.floor, np.zeros(())
        for kind in (1, 0):
            straight = np.linalg.norm(told[0], axis=-1) if kind == 0 else angle_of(told[1])
            bend = np.sqrt(np.maximum(paths[..., kind] ** 2 - straight**2, 0.0))
            fastest = np.max(paths[..., kind] / durations, axis=-1, keepdims=True)
            # A tolerated error of the heading displaces the end of the path, too.
            astray = allowed * paths[..., 0] if self.followed.own_axes and kind == 0 else 0.0
            allowed = (
                floor[kind]
                + self._tolerance * paths[..., kind]
                + paths[..., kind + 2]
                + self.followed.jitter * fastest
                + CORNERS * bend
                + astray
            )
            excess = off[kind] / allowed
            lag = int(np.argmin(excess.max(axis=1)))
            worst = int(np.argmax(excess[lag]))
            if excess[lag, worst] > 1:
                self._misfit = _misfit(kind, told[kind][lag, worst], went[kind][worst], float(durations[worst]))
                if min(self._misfit.told, self._misfit.went) < floor[kind]:  # the lag is unknown
                    self._misfit = _misfit(kind, told[kind][0, worst], went[kind][worst], float(durations[worst]))
            elif durations[0] >= PROVEN * self._parts[0] and paths[lag, 0, kind] > 3 * floor[kind]:
                followed = True
        if self._misfit is not None:
            self.alarms += not accused
        elif followed:
            self.alarms = 0

    def _between(self, places: Vector, turns: Vector) -> tuple[Vector, Vector]:
        """Displacements (..., n, 3) and rotations (..., n, 4) from each of n poses to the last one, of n + 1."""
        back, moved = conjugate(turns[..., :-1, :]), places[..., -1:, :] - places[..., :-1, :]
        if self.followed.own_axes:
            return rotate(back, moved), multiply(back, turns[..., -1:, :])
        return moved, multiply(turns[..., -1:, :], back)


def _misfit(kind: int, told: Vector, went: Vector, duration: float) -> Misfit:
    if kind:
        told, went = (rotation_vector_from_quaternion(np.roll(one, -1)) for one in (told, went))  # w last there
    length, gone = float(np.linalg.norm(told)), float(np.linalg.norm(went))
    return Misfit(kind == 1, length, gone, float(told @ went) / length if length > 0 else 0.0, duration)


def _in_words(misfit: Misfit, followed: Followed, slowed: str | None) -> str:
    turns, told, went, along, duration = misfit
    unit, scale = ("degrees", 180 / math.pi) if turns else ("mm", 1000.0)
    within, subject = f"within {duration:.1f} s", f"The {followed.name}"
    follow_time = f"{followed.prefix}follow_time"
    if told < STANDSTILL * followed.floor[turns]:
        went_words = f"{'turned by' if turns else 'went'} {went * scale:.0f} {unit} {within}"
        return (
            f"{subject} moves although it is commanded to stand still: it {went_words} ({follow_time}). "
            f"{followed.loose}"
        )
    order = f"commanded {'to turn by ' if turns else ''}{told * scale:.0f} {unit} {within}, "
    beside = math.degrees(math.acos(max(-1.0, min(1.0, along / went)))) if went > 0 else 0.0
    done = f"{'turned by' if turns else 'went'} {went * scale:.0f} {unit}"
    if slowed is not None and along < told:
        question = slowed
    elif went < 0.1 * told:
        question = followed.blocked
    elif went > told / 3 and beside > 30:
        done += f" {'about another axis' if turns else 'in another direction'}, {beside:.0f} degrees off"
        question = followed.misdirected
    else:
        question = followed.slow if went < told else followed.fast
    return f"{subject} does not follow: {order}{done} ({follow_time}, {followed.prefix}follow_tolerance). {question}"
