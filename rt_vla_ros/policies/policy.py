"""The interfaces of policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.observation import Observation

WARM_UP_INSTRUCTION, WARM_UP_RUNS = "warm up", 2
"""Default warm-up of a policy, see WarmUpPolicy."""
NO_INSTRUCTION = "The policy has no instruction yet; call reset(instruction) first."


class PolicyLostError(ValueError):
    """The policy cannot decide, and the rest of earlier decisions must not be executed; the message says why.

    A later observation may get a decision again; it then starts a new history.
    """


class PolicyLateError(ValueError):
    """The decision for this observation came too late; the message says why. The next one may be in time."""


class PolicyFaultError(RuntimeError):
    """A fault of a policy in another process; the message is complete: the type of the error, and where it arose."""


@runtime_checkable
class Policy(Protocol):
    """Maps camera images and an instruction to actions; keeps its own history between calls."""

    @property
    def name(self) -> str:
        """Short name for messages and reports, such as "rt1-mini"."""

    @property
    def card(self) -> ActionCard:
        """The action card: the meaning of this policy's actions, and its cameras."""

    def reset(self, instruction: str) -> None:
        """Clears the history and sets a new instruction.

        Raises ValueError if the instruction is unusable (empty, too long).
        """

    def act(self, observation: Observation) -> ActionChunk:
        """Decides once: a chunk of as many steps as the card's horizon.

        Raises RuntimeError before the first reset, ValueError for images that do not match the card, and
        PolicyLostError.
        """


@runtime_checkable
class WarmUpPolicy(Policy, Protocol):
    """A policy with a custom warm-up, because it accepts only certain instructions or has several kinds of steps.

    The first steps of a process are slow, so they are run on black images before the policy is ready.
    """

    @property
    def warm_up_instruction(self) -> str:
        """An instruction that `reset` accepts; WARM_UP_INSTRUCTION for other policies."""

    @property
    def warm_up_runs(self) -> int:
        """Number of steps that covers every kind of step; the last one is typical. WARM_UP_RUNS for other policies."""


@runtime_checkable
class ListedPolicy(Policy, Protocol):
    """A policy that may accept only certain instructions, such as one with a table of sentence embeddings."""

    @property
    def instructions(self) -> Sequence[str]:
        """All instructions that `reset` accepts; empty if it accepts any."""


@runtime_checkable
class StreamingPolicy(Policy, Protocol):
    """A policy that can return the first steps of a chunk while the rest is still being decoded."""

    def act_streaming(self, observation: Observation) -> Iterator[ActionChunk]:
        """Like `act`, but yields the first steps of the chunk as soon as they are decoded, then the whole chunk.

        Each chunk extends the one before. Raises what `act` raises, during iteration. The next call of `reset`, `act`
        or `act_streaming` ends an iterator that was not exhausted.
        """


@runtime_checkable
class AnsweringPolicy(Policy, Protocol):
    """A policy whose model also answers questions about the camera images; `ask` and `act` may run in two threads."""

    def ask(self, images: Mapping[str, NDArray[np.uint8]], question: str) -> str:
        """Answers a question in words. images: as in Observation. Raises ValueError with a message for the user."""


@runtime_checkable
class PortablePolicy(Policy, Protocol):
    """A policy whose current request can be continued by another process with the same checkpoint."""

    def snapshot(self) -> Any:
        """The instruction and the history, without the network. It can be pickled, and later calls do not change it.

        Raises RuntimeError before the first reset.
        """

    def restore(self, snapshot: Any) -> None:
        """Continues the request: the next decision is the same as that of the policy of the snapshot."""


@runtime_checkable
class TimedPolicy(Policy, Protocol):
    """A policy that measures the components of its latency, such as a remote one."""

    @property
    def parts_of_latency(self) -> Mapping[str, float]:
        """Components of the last decision's latency by names such as "network" [s]; empty before the first decision."""
