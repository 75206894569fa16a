"""One set of weights for several robots: a session for each, and decisions for many of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy

Request = tuple[Policy, Observation]
"""A session, and what its robot sees now."""


@runtime_checkable
class SharedPolicy(Protocol):
    """Decides for several robots with one network. One thread calls it and its sessions.

    Every robot gets the tokens that it would get alone, whoever else is in a batch.
    """

    @property
    def name(self) -> str:
        """As of a Policy."""

    @property
    def card(self) -> ActionCard:
        """As of a Policy, and the same for every session."""

    @property
    def max_batch_size(self) -> int:
        """Requests of one `act`, at most; 1 where there is nothing to be gained by more."""

    def session(self) -> Policy:
        """A policy for one more robot, with its own instruction and history. It ends when it is dropped.

        Raises SharingError where there can be no further one.
        """

    def act(self, requests: Sequence[Request]) -> list[ActionChunk | Exception]:
        """For each request, in order, what its session's `act` returns or raises; a failure is that robot's alone.

        Raises ValueError, and decides nothing, for more requests than `max_batch_size`, for two of one session and for
        one of a session that is not this policy's.
        """


class SharingError(ValueError):
    """The policy cannot serve one more robot; the message says why."""


class OneByOne:
    """A SharedPolicy that decides for one robot after the other."""

    max_batch_size = 1

    def __init__(self, policy: Policy, new_session: Callable[[], Policy] | None = None) -> None:
        """policy: whose name and card these are. new_session: makes a policy with the same weights and a history of its
        own; None: the policy itself is the only session.
        """
        self.name, self.card = policy.name, policy.card
        self._new, self._only = new_session, policy
        self._taken = False

    def session(self) -> Policy:
        """See SharedPolicy."""
        if self._new is not None:
            return self._new()
        if self._taken:
            raise SharingError(
                f"The policy {self.name} keeps the history of one robot, which has it already; load it once more for "
                "another robot."
            )
        self._taken = True
        return self._only

    def act(self, requests: Sequence[Request]) -> list[ActionChunk | Exception]:
        """See SharedPolicy."""
        if len(requests) > self.max_batch_size:
            raise ValueError(f"got {len(requests)} requests, this policy takes {self.max_batch_size} at a time")
        return [outcome(session, observation) for session, observation in requests]


def outcome(session: Policy, observation: Observation) -> ActionChunk | Exception:
    """What `act` returns or raises."""
    try:
        return session.act(observation)
    except Exception as error:  # it is told to the robot that asked
        return error


def share_policy(policy: Policy, *, batched: bool = True) -> SharedPolicy:
    """The policy for several robots; it must not be used for itself any more.

    batched: whether several robots are decided for in one pass where the policy can; else one after the other.
    """
    return OneByOne(policy)
