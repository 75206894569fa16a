"""The time series of a run: enough to draw it afterwards, and to compare it with another run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.action import EndEffectorAction

SAME_TIME = 1e-6  # simulated time is a sum of steps [s]


@dataclass
class Trajectory:
    """Events of a run, each with the simulated time since the reset [s].

    states: generalised positions of the simulator, shape (nq,). images: the policy's, RGB. actions: with the
    latency from the image's arrival at the policy [s].
    """

    states: list[tuple[float, NDArray[np.float64]]] = field(default_factory=list)
    images: list[tuple[float, NDArray[np.uint8]]] = field(default_factory=list)
    actions: list[tuple[float, EndEffectorAction, float]] = field(default_factory=list)

    @property
    def time(self) -> float:
        """Simulated time of the newest state [s]."""
        return self.states[-1][0] if self.states else 0.0

    def until(self, end: float) -> Trajectory:
        """The part up to `end` [s]; of the actions, those that started before."""
        return Trajectory(
            states=[event for event in self.states if event[0] < end + SAME_TIME],
            images=[event for event in self.images if event[0] < end + SAME_TIME],
            actions=[event for event in self.actions if event[0] < end - SAME_TIME],
        )


def fingerprint(actions: Iterable[EndEffectorAction]) -> str:
    """SHA-256 over every value of the actions, tokens included, in hexadecimal."""
    digest = hashlib.sha256()
    for action in actions:
        numbers = [*action.translation, *action.rotation, action.gripper, action.confidence, action.period]
        digest.update(np.array([*numbers, float(action.terminate)], "<f8").tobytes())
        digest.update(np.array([len(action.tokens), *action.tokens], "<i8").tobytes())
    return digest.hexdigest()
