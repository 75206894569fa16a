"""Samples of all parts of a policy's state, and the state at the time of an image."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.state import StateDimension
from rt_vla_ros.observations.robot_state import StateError, assemble
from rt_vla_ros.runtime.frame_buffer import explain_age
from rt_vla_ros.runtime.sample_history import SampleHistory

MISSED = 2.0
"""A part of the state that was silent for this long is reported as missing [s]."""


class StateSamples:
    """See policy_stepper.StateSource. Of each reading the sample nearest to the image's time is used, without
    interpolation. max_age: maximum distance of samples from the image's time [s]. keep: how long samples are kept [s].
    patience: at what age an image no longer waits for samples from its time or later [s].
    clock: the node's, the one of the stamps [ns]. changed: its lock guards the samples; it is notified of awaited
    ones. origin: the expected source of a dimension's samples, and why there are none, as a clause.
    """

    def __init__(
        self,
        dimensions: Sequence[StateDimension],
        *,
        max_age: float,
        keep: float,
        patience: float,
        clock: Callable[[], int],
        changed: threading.Condition,
        origin: Callable[[StateDimension], str],
    ) -> None:
        self._dimensions, self._max_age_ns, self._clock = dimensions, round(max_age * 1e9), clock
        self._changed, self._origin, self._patience_ns = changed, origin, round(patience * 1e9)
        self.readings = list(dict.fromkeys(one.reading for one in dimensions))
        self._samples = {name: SampleHistory(self._max_age_ns, round(keep * 1e9)) for name in self.readings}
        self._arrivals = dict.fromkeys(self.readings, time.monotonic())
        self._awaited = False

    def newest_ns(self, reading: str) -> int | None:
        """The newest stamp of a reading; None before its first sample."""
        return self._samples[reading].newest_ns

    def put(self, reading: str, stamp_ns: int, value: NDArray[np.float64]) -> None:
        """Adds a sample. value: as observations.robot_state.assemble takes it."""
        with self._changed:
            self._samples[reading].put(stamp_ns, value)
            self._arrivals[reading] = time.monotonic()
            if self._awaited:
                self._changed.notify_all()

    def is_known(self, stamp_ns: int, now_ns: int) -> bool:
        """See StateSource: of each reading, a sample from then or later is worth waiting for."""
        known = now_ns - stamp_ns > self._patience_ns or all(one.reaches(stamp_ns) for one in self._samples.values())
        self._awaited = not known
        return known

    def at(self, stamp_ns: int) -> NDArray[np.float64]:
        """See StateSource."""
        lacking = self.lacking(stamp_ns)
        if lacking:
            raise StateError(lacking[0])
        found = {name: value for name in self.readings if (value := self._samples[name].at(stamp_ns)) is not None}
        return assemble(self._dimensions, found)

    def lacking(self, stamp_ns: int) -> list[str]:
        """Which dimensions have no sample of that time, and why, as a sentence each."""
        return [self._lack(one) for one in self._dimensions if self._samples[one.reading].at(stamp_ns) is None]

    def trouble(self) -> str | None:
        """Which dimension has been silent for 2 s, and why, as a sentence; None if there is none."""
        now = time.monotonic()
        for one in self._dimensions:
            if now - self._arrivals[one.reading] > MISSED:
                return f"{one} has been missing for more than {MISSED:g} s: {self._origin(one)}."
        return None

    def _lack(self, dimension: StateDimension) -> str:
        """Why there is no sample for the image's time."""
        newest_ns = self.newest_ns(dimension.reading)
        if newest_ns is None:
            return f"{dimension} is missing: {self._origin(dimension)}."
        age_ns, limit = self._clock() - newest_ns, f"max_state_age ({self._max_age_ns / 1e9:g} s)"
        if abs(age_ns) <= self._max_age_ns:
            return f"{dimension} is stale: none of its values is within {limit} of the image's time."
        about, cause = explain_age(age_ns, "arm")
        return (
            f"{dimension} is stale: its newest value is {about}, further from the image's time than {limit}. The "
            f"policy waits for a recent one. {cause}"
        )
