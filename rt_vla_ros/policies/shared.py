"""One set of weights for several robots: a session for each, and decisions for many of them at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
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

    def act(self, requests: Sequence[ActRequest]) -> list[ActionChunk | Exception]:
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
        self._policy, self._new = policy, new_session
        self._sessions: WeakSet[Policy] = WeakSet()

    def session(self) -> Policy:
        """See SharedPolicy."""
        if self._new is None and self._sessions:
            raise SharingError(
                f"The policy {self.name} keeps the history of one robot, and one robot has it already; load it once "
                "more for another one."
            )
        session = OnlySession(self._policy) if self._new is None else self._new()
        self._sessions.add(session)
        return session

    def act(self, requests: Sequence[ActRequest]) -> list[ActionChunk | Exception]:
        """See SharedPolicy."""
        check_requests(requests, self.max_batch_size, self._sessions.__contains__)
        return [outcome(session, observation) for session, observation in requests]


class OnlySession:
    """Stands for a policy that serves one robot, so that it is known when that robot has left."""

    def __init__(self, policy: Policy) -> None:
        self.name, self.card, self._policy = policy.name, policy.card, policy

    def reset(self, instruction: str) -> None:
        """See Policy."""
        self._policy.reset(instruction)

    def act(self, observation: Observation) -> ActionChunk:
        """See Policy."""
        return self._policy.act(observation)


def share_policy(policy: Policy, *, batched: bool = True) -> SharedPolicy:
    """The policy for several robots; it must not be used for itself any more.

    batched: whether several robots are decided for in one pass, where the policy can and gives each what it would get
    alone; else one after the other, and the log says why.
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
            logger.warning(
                "%s decides for one robot after the other, a model of the type %r: %s", policy.name, kind, error
            )
    return OneByOne(policy, policy.another)
