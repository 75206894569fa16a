"""The interface of environments for evaluation: reset to a task and seed, observe, act, judge."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.control.status import Command
from rt_vla_ros.observations.image import Pixels
from rt_vla_ros.runtime.policy_stepper import StateSource

SUCCESS, STOPPED_EARLY, TIMEOUT, FAILED = "success", "stopped_early", "timeout", "environment_failed"
REFUSED = "instruction_refused"


class EnvironmentFailure(RuntimeError):
    """The environment crashed, hung or raised in an episode; the message says what it said last."""


class EnvironmentRefusal(ValueError):
    """A request that an environment cannot fulfill; the message says what is available and what to do."""

    @classmethod
    def of_name(cls, problem: str, name: str, known: Sequence[str], listed: Sequence[str] = ()) -> EnvironmentRefusal:
        """For a name that is none of `known`: `problem`, the nearest of them, or what there is (listed, else known)."""
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f"Did you mean {', '.join(close)}?" if close else f"There is {', '.join(listed or known)}."
        return cls(f"{problem} {name!r}. {hint}")


@dataclass(frozen=True)
class LaidTask:
    """An episode about to start. name: for grouping results. time_limit: simulated [s]."""

    seed: int
    instruction: str
    name: str
    time_limit: float


@dataclass(frozen=True)
class Ending:
    """How an episode ended. value: the name in records and reports. sentence: its meaning."""

    value: str
    sentence: str


class Environment(Protocol):
    """A world with a robot and tasks, in simulated time with steps of tick_ns [ns].

    outcomes: all possible ones except `environment_failed` and `instruction_refused`. about: description for a report.
    """

    tick_ns: int
    outcomes: tuple[str, ...]

    @property
    def about(self) -> Mapping[str, Any]: ...

    def refuse(self, card: ActionCard) -> None:
        """Raises ActionCardError listing all mismatches if the environment cannot run a policy with this card."""

    def lay(self, task: str, seed: int) -> LaidTask:
        """Reset to the same start for the same task and seed. Raises EnvironmentRefusal for an unknown task."""

    def see(self, camera: str) -> Pixels:
        """The camera's current image, RGB, uint8, shape (H, W, 3), the first row on top."""

    def do(self, command: Command) -> None:
        """One tick at the command's velocity."""

    @property
    def ended(self) -> bool:
        """Whether the environment itself ended the episode, whatever the policy does."""

    def states(self, card: ActionCard) -> StateSource | None:
        """The robot's state if the policy's card needs it, else None."""

    def outcome(self, *, terminated: bool) -> Ending:
        """terminated: whether the policy ended the episode."""

    def close(self) -> None:
        """Releases everything."""
