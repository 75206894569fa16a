"""The interfaces of a policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.observation import Observation

WARM_UP_INSTRUCTION, WARM_UP_RUNS = "warm up", 2
"""Default warm-up of a policy, see WarmUpPolicy."""


class PolicyLostError(ValueError):
    """There is no decision, and earlier decisions must not be executed any further; the message says why.

    A later observation may have one again, which then begins a new history.
    """


class PolicyLateError(ValueError):
    """There is no decision for this observation in time; the message says why. The next one may have one."""


@runtime_checkable
class Policy(Protocol):
    """Turns camera images and an instruction into actions; keeps its own history between calls."""

    @property
    def name(self) -> str:
        """Short name for messages and reports, such as "rt1-mini"."""

    @property
    def card(self) -> ActionCard:
        """Meaning of this policy's actions, and its cameras."""

    def reset(self, instruction: str) -> None:
        """Forget the history and take a new instruction.

        Raises ValueError if the instruction is unusable (empty, too long).
        """

    def act(self, observation: Observation) -> ActionChunk:
        """One decision: as many steps as the card's horizon.

        Raises RuntimeError before the first reset, ValueError for images the card does not allow, and PolicyLostError.
        """


@runtime_checkable
class WarmUpPolicy(Policy, Protocol):
    """A policy with its own warm-up, because it accepts only certain instructions or has several kinds of step.

    The first steps of a process are slow; they are made on black images before the policy counts as ready.
    """

    @property
    def warm_up_instruction(self) -> str:
        """One that `reset` takes; WARM_UP_INSTRUCTION for other policies."""

    @property
    def warm_up_runs(self) -> int:
        """Steps after which every kind of step has been made; the last one is a usual one. WARM_UP_RUNS for others."""


@runtime_checkable
class ListedPolicy(Policy, Protocol):
    """A policy that may accept only certain instructions, such as one with a table of sentence embeddings."""

    @property
    def instructions(self) -> Sequence[str]:
        """All that `reset` takes; empty where it takes any."""


@runtime_checkable
class StreamingPolicy(Policy, Protocol):
    """A policy that can return the first steps of a chunk while it decides the rest."""

    def act_streaming(self, observation: Observation) -> Iterator[ActionChunk]:
        """As `act`: its first steps as soon as they are known, if that is before the end, then all of it.

        A longer chunk begins with the steps of the shorter one. Raises what `act` raises, when it is iterated. The next
        `reset`, `act` or `act_streaming` ends an iterator that was left before its end.
        """


@runtime_checkable
class AnsweringPolicy(Policy, Protocol):
    """A policy whose model also answers questions about what the cameras see, from another thread than `act` too."""

    def ask(self, images: Mapping[str, NDArray[np.uint8]], question: str) -> str:
        """An answer in words. images: as in Observation. Raises ValueError, with a sentence."""


@runtime_checkable
class TimedPolicy(Policy, Protocol):
    """A policy that measures the parts of a decision's time, such as a remote one."""

    @property
    def parts_of_latency(self) -> Mapping[str, float]:
        """Of the last decision, by names such as "network" [s]; empty before the first."""
