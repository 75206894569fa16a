"""Shares one set of weights between several robots: a session for each, and batched decisions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable
from weakref import WeakSet

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.act_requests import ActRequest, check_requests, outcome
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.rt1.policy import RT1Policy
from rt_vla_ros.policies.rt1.shared import SharedRT1

logger = logging.getLogger(__name__)


@runtime_checkable
class SharedPolicy(Protocol):
    """Decides for several robots with one network. One thread calls it and its sessions.

    Every robot gets the same tokens as it would alone, regardless of the batch.
    """

    @property
    def name(self) -> str:
        """See Policy."""

    @property
    def card(self) -> ActionCard:
        """See Policy; the same for every session."""

    @property
    def max_batch_size(self) -> int:
        """Maximum number of requests of one `act`; 1 if batching has no benefit."""

    def session(self) -> Policy:
        """A policy for one more robot, with its own instruction and history. It ends when it is garbage-collected.

        Raises SharingError if no further session is possible.
        """

    def act(self, requests: Sequence[ActRequest]) -> list[ActionChunk | Exception]:
        """The result or error of the session's `act` for each request, in order; an error affects only that robot.

        Raises ValueError, without any decision, for more requests than `max_batch_size`, two requests of one session,
        or a session of another policy.
        """


class RunningDecisions(Protocol):
    """Decisions in progress, which others may join between two steps. Used in one thread.

    Every robot gets the same tokens as it would alone, regardless of when others join.
    """

    def admits(self, count: int) -> bool:
        """Whether so many others should join now, or rather wait for the end of those in progress, to save time."""

    def step(self, joining: Sequence[ActRequest]) -> Iterator[tuple[Policy, ActionChunk | Exception]]:
        """One further pass for all, and the first for those who join; yields each robot's result once it is complete.

        Must be exhausted. Raises ValueError as SharedPolicy.act; a session joins again only after its result.
        """

    def drop(self, session: Policy) -> None:
        """Ends a session's unfinished decision, if any; to be called before its `reset`."""


@runtime_checkable
class ContinuousPolicy(SharedPolicy, Protocol):
    """A SharedPolicy whose decisions take several passes, which decisions that begin later can share."""

    def running(self) -> RunningDecisions:
        """Decisions in progress, at first none."""


class SharingError(ValueError):
    """The policy cannot serve one more robot; the message says why."""


class OneByOne:
    """A SharedPolicy that decides for one robot at a time."""

    max_batch_size = 1

    def __init__(self, policy: Policy, new_session: Callable[[], Policy] | None = None) -> None:
        """policy: provides name and card. new_session: creates a policy with the same weights and its own history;
        None: the policy itself is the only session.
        """
        self.name, self.card = policy.name, policy.card
        self._policy, self._new = policy, new_session
        self._sessions: WeakSet[Policy] = WeakSet()

    def session(self) -> Policy:
        """See SharedPolicy."""
        if self._new is None and self._sessions:
            raise SharingError(
                f"The policy {self.name} supports only one robot and is in use; load it again for another robot."
            )
        session = OnlySession(self._policy) if self._new is None else self._new()
        self._sessions.add(session)
        return session

    def act(self, requests: Sequence[ActRequest]) -> list[ActionChunk | Exception]:
        """See SharedPolicy."""
        check_requests(requests, self.max_batch_size, self._sessions.__contains__)
        return [outcome(session, observation) for session, observation in requests]


class OnlySession:
    """A proxy for a policy that serves one robot; its garbage collection tells that the robot has left."""

    def __init__(self, policy: Policy) -> None:
        self.name, self.card, self._policy = policy.name, policy.card, policy

    def reset(self, instruction: str) -> None:
        """See Policy."""
        self._policy.reset(instruction)

    def act(self, observation: Observation) -> ActionChunk:
        """See Policy."""
        return self._policy.act(observation)


def share_policy(policy: Policy, *, batched: bool = True) -> SharedPolicy:
    """Shares a policy between several robots; the policy itself must not be used any more.

    batched: whether to decide for several robots in one pass, if the policy supports it and the results are the same as
    alone; otherwise it decides for one at a time, and the reason is logged.
    """
    if isinstance(policy, RT1Policy):
        return SharedRT1(policy) if batched else OneByOne(policy, policy.another)
    if not hasattr(policy, "parts"):  # the vision-language models of transformers take seconds to import
        return OneByOne(policy)
    from rt_vla_ros.policies.rt2.decoding.batch import BatchError
    from rt_vla_ros.policies.rt2.policy import RT2Policy
    from rt_vla_ros.policies.rt2.shared import SharedRT2

    if not isinstance(policy, RT2Policy):
        return OneByOne(policy)
    if batched:
        try:
            return SharedRT2(policy)
        except BatchError as error:
            kind = policy.parts.model.config.model_type
            logger.warning("%s (model_type %r) decides for one robot at a time: %s", policy.name, kind, error)
    return OneByOne(policy, policy.another)
