"""What an evaluation asks of an environment: lay a task from a seed, show it, act in it, say how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.control.status import Command
from rt_vla_ros.observations.image import Pixels
from rt_vla_ros.runtime.policy_stepper import StateSource

SUCCESS, STOPPED_EARLY, TIMEOUT, FAILED = "success", "stopped_early", "timeout", "environment_failed"


class EnvironmentFailure(RuntimeError):
    """The environment's process crashed or hung in an episode; the message says which and what it said last."""


class EnvironmentRefusal(ValueError):
    """What was asked of an environment cannot be had; the message says what there is and what to do."""


@dataclass(frozen=True)
class LaidTask:
    """An episode that is about to begin. name: by which results are grouped. time_limit: simulated [s]."""

    seed: int
    instruction: str
    name: str
    time_limit: float


@dataclass(frozen=True)
class Ending:
    """How an episode ended. value: the word in records and reports. sentence: what it means."""

    value: str
    sentence: str


class Environment(Protocol):
    """A world with a robot and tasks, in simulated time that passes in steps of tick_ns [ns].

    outcomes: all words for how an episode may end, but `environment_failed`. about: what a report says of it.
    """

    tick_ns: int
    outcomes: tuple[str, ...]

    @property
    def about(self) -> Mapping[str, Any]: ...

    def refuse(self, card: ActionCard) -> None:
        """Raises ActionCardError, with everything that it cannot serve, for a policy of another card."""

    def lay(self, task: str, seed: int) -> LaidTask:
        """The same start for the same task and seed. Raises EnvironmentRefusal for an unknown task."""

    def see(self, camera: str) -> Pixels:
        """The camera's image of now, RGB, uint8, shape (H, W, 3), the first row on top."""

    def do(self, command: Command) -> None:
        """One tick at the command's velocity."""

    @property
    def ended(self) -> bool:
        """Whether the environment itself ended the episode, whatever the policy does."""

    def states(self, card: ActionCard) -> StateSource | None:
        """The robot's state for a policy whose card asks for it, else None."""

    def outcome(self, *, terminated: bool) -> Ending:
        """terminated: whether the policy ended the episode."""

    def close(self) -> None:
        """Releases everything."""
