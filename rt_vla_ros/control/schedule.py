"""Which steps of which chunks are due at a time, and their combined command."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import KEEP_GRIPPER, ActionChunk, EndEffectorStep

Vector = NDArray[np.float64]


def to_nanosecond(seconds: float) -> float:
    """Makes a run bit-identical for any start of its clock and for both [s] and [ns]."""
    return round(seconds, 9)


@dataclass(frozen=True)
class Demand:
    """The combined command from a time on.

    until: when a step begins or ends next [s]; infinite: never.
    velocity: linear [m/s] and angular [rad/s], shape (6,); None if no chunk has a step.
    gripper: 0 open ... 1 closed; None: unchanged. terminate: the instruction is done.
    """

    until: float
    velocity: Vector | None = None
    gripper: float | None = None
    terminate: bool = False


class TimedChunk:
    """A chunk on the controller's clock.

    edges: when its steps begin, and when the last one that is followed ends [s].
    cut: max_age excludes some of its steps.
    """

    def __init__(self, chunk: ActionChunk, stamp: float, now: float, max_age: float) -> None:
        """stamp: when step 0 begins [s]; a single step begins `now` and may take longer than max_age [s]."""
        self.chunk, self.stamp, self.cut = chunk, stamp, False
        if len(chunk.steps) == 1:
            self.edges = [now, to_nanosecond(now + chunk.period)]
        else:
            edges = [to_nanosecond(stamp + i * chunk.period) for i in range(len(chunk.steps) + 1)]
            limit = to_nanosecond(stamp + max_age)
            self.cut = edges[-1] > limit
            self.edges = [*(edge for edge in edges if edge < limit), limit] if self.cut else edges
        steps = [[*step.translation, *step.rotation] for step in chunk.steps]
        self._velocities: Vector = np.array(steps, dtype=np.float64) / chunk.period  # (steps, 6)
        last = chunk.terminates_at  # step that terminates
        self._terminates_at = math.inf if last is None else to_nanosecond(self.edges[0] + last * chunk.period)
        self._extra: Vector = np.zeros(6)  # velocity beside those of the steps ...
        self._caught_up = -math.inf  # ... up to this time [s]

    def catch_up(self, demanded: Vector, now: float) -> None:
        """Compensates for latency: steps are displacements from the arm's position on the image.

        demanded: displacement (6,) demanded of the arm from the stamp until `now` [s], by the chunks before. Its
        difference from that of the chunk's past steps is the position error. It is made up for within a period, or
        half of the image's age if that is longer. Only a chunk without motion leaves the arm where it is.
        """
        if not self._velocities.any():
            return
        edges = np.array(self.edges)
        passed = np.clip(now - edges[:-1], 0.0, np.diff(edges))  # [s] of each step
        missing = passed @ self._velocities[: len(passed)] - demanded
        duration = max(self.chunk.period, (now - self.stamp) / 2)
        self._extra, self._caught_up = missing / duration, to_nanosecond(now + duration)

    @property
    def end(self) -> float:
        """When its last step ends [s]."""
        return self.edges[-1]

    def step(self, time: float) -> int | None:
        """Number of the step that is due at a time."""
        number = bisect_right(self.edges, time) - 1
        return number if 0 <= number < len(self.edges) - 1 else None

    def velocity(self, time: float, number: int) -> Vector:
        """Its velocity while a step is due, shape (6,)."""
        velocity: Vector = self._velocities[number] + (self._extra if time < self._caught_up else 0.0)
        return velocity

    def next_edge(self, time: float) -> float:
        """When its command changes next, after `time` [s]; infinite: never."""
        number = bisect_right(self.edges, time)
        edge = self.edges[number] if number < len(self.edges) else math.inf
        return min(edge, self._caught_up) if time < self._caught_up else edge

    def remaining(self, now: float) -> list[tuple[int, Vector, float]]:
        """What is left of each step from `now` [s] on, up to one that terminates: its number, the displacement (6,)
        and the time that it takes [s].
        """
        found = []
        for number, (begin, end) in enumerate(pairwise(self.edges)):
            begin, end = max(begin, now), min(end, self._terminates_at)
            if begin < end:
                extra = max(0.0, min(end, self._caught_up) - begin) * self._extra
                found.append((number, (end - begin) * self._velocities[number] + extra, end - begin))
        return found

    def terminated(self, time: float) -> bool:
        """Whether the terminating step has come due by a time, even if all steps have ended."""
        return time >= self._terminates_at


class Schedule:
    """The chunks that are followed: the newest `chunks` of the ensemble that have begun, and later ones."""

    def __init__(self) -> None:
        self._chunks: list[TimedChunk] = []  # oldest first
        self.last: TimedChunk | None = None  # the one that ends last

    def clear(self) -> None:
        """Drops all chunks."""
        self._chunks, self.last = [], None

    def add(self, chunk: ActionChunk, stamp: float, now: float, max_age: float, demanded: Vector | None = None) -> None:
        """Adds the newest chunk, or a longer version of it.

        demanded: displacement (6,) demanded of the arm from `stamp` until `now` [s]; None if unknown.
        """
        before = self._chunks[:-1] if self.extends(chunk, stamp) else self._chunks
        timed = timed_chunk(chunk, stamp, now, max_age, demanded)
        self._keep([*(one for one in before if one.chunk.frame_id == chunk.frame_id), timed])

    def extends(self, chunk: ActionChunk, stamp: float) -> bool:
        """Whether it is the newest chunk again with further steps."""
        if not self._chunks or self._chunks[-1].stamp != stamp:
            return False
        known = self._chunks[-1].chunk
        return (
            len(chunk.steps) > len(known.steps)
            and _kind(chunk) == _kind(known)
            and all(map(_same_step, known.steps, chunk.steps))
        )

    def refuse(self, chunk: ActionChunk, now: float) -> str | None:
        """Why a chunk cannot be combined with its ensemble, as a sentence, else None."""
        for older in self._chunks if chunk.ensemble.chunks > 1 else ():
            for name, new, old in zip(("period", "frame", "ensemble"), _kind(chunk), _kind(older.chunk), strict=True):
                if new != old and older.end > now:
                    return f"The action's {name} is {new}, but {old} in an earlier chunk of its ensemble."
        return None

    def at(self, time: float) -> Demand:
        """The command from `time` [s] on; call it in order of time."""
        begun = [one for one in self._chunks if one.edges[0] <= time]
        if begun:
            begun = begun[-begun[-1].chunk.ensemble.chunks :]
            self._keep([*begun, *(one for one in self._chunks if one.edges[0] > time)])
        until = min((one.next_edge(time) for one in self._chunks), default=math.inf)
        due = [(one, number) for one in begun if (number := one.step(time)) is not None]
        # The newest chunk has priority even if it came too late to have a step for now.
        if any(one.terminated(time) for one in (*begun[-1:], *(one for one, _ in due[-1:]))):
            return Demand(until, terminate=True)
        if not due:
            return Demand(until)
        return _combined([(one, number) for one, number in due if not one.terminated(time)], time, until)

    def _keep(self, chunks: list[TimedChunk]) -> None:
        self._chunks, self.last = chunks, max(chunks, key=lambda one: one.end)


def timed_chunk(
    chunk: ActionChunk, stamp: float, now: float, max_age: float, demanded: Vector | None = None
) -> TimedChunk:
    """See TimedChunk and Schedule.add."""
    timed = TimedChunk(chunk, stamp, now, max_age)
    if demanded is not None and len(chunk.steps) > 1 and chunk.ensemble.rule == "compensated":
        timed.catch_up(demanded, now)
    return timed


def _combined(due: list[tuple[TimedChunk, int]], time: float, until: float) -> Demand:
    """The weighted means of velocities and of gripper targets; a step that keeps the gripper is ignored."""
    weights = due[-1][0].chunk.ensemble.weights(len(due))
    velocity: Vector = weights @ np.array([one.velocity(time, number) for one, number in due])
    targets = np.array([one.chunk.steps[number].gripper for one, number in due])
    say = np.where(targets == KEEP_GRIPPER, 0.0, weights)
    return Demand(until, velocity, float(say @ targets / say.sum()) if say.any() else None)


def _kind(chunk: ActionChunk) -> tuple[object, ...]:
    ensemble = chunk.ensemble
    return f"{chunk.period} s", repr(chunk.frame_id), f"{ensemble.rule} {ensemble.weight} over {ensemble.chunks}"


def _same_step(one: EndEffectorStep, other: EndEffectorStep) -> bool:
    return (
        np.array_equal(one.translation, other.translation)
        and np.array_equal(one.rotation, other.rotation)
        and np.array_equal(one.base, other.base)
        and (one.gripper, one.terminate) == (other.gripper, other.terminate)
    )
