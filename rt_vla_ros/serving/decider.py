"""What decides for the robots of a served policy: a model in this process, or replicas in others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.policies.act_requests import ActRequest
from rt_vla_ros.policies.policy import (
    WARM_UP_INSTRUCTION,
    AnsweringPolicy,
    Policy,
    PolicyLateError,
    PolicyLostError,
    WarmUpPolicy,
)
from rt_vla_ros.policies.shared import ContinuousPolicy, RunningDecisions, SharedPolicy, share_policy
from rt_vla_ros.runtime.warm_up import warm_up


class LateRequestError(PolicyLateError):
    """The decision was too late or no longer needed; the message says which."""


class ReplicaLostError(PolicyLostError):
    """A replica has ended, or did not answer, so that nothing was decided; another one may."""


class Decider(Protocol):
    """A loaded and warm policy.

    answers: whether its model answers questions. warm_up_instruction: see WarmUpPolicy.
    max_batch_size: maximum number of requests of one `decide`. most_replicas: maximum number of `replicas`.
    """

    name: str
    card: ActionCard
    answers: bool
    warm_up_instruction: str
    max_batch_size: int
    most_replicas: int

    @property
    def replicas(self) -> int:
        """How many batches can be decided at the same time now."""

    @property
    def alive(self) -> bool:
        """False if it can never decide again."""

    def session(self) -> Policy:
        """See SharedPolicy."""

    def decide(self, requests: Sequence[ActRequest], patience: float) -> list[ActionChunk | Exception]:
        """See SharedPolicy.act; called in `most_replicas` threads, with different sessions.

        patience: time after which an answer is of no use any more [s]. Raises ReplicaLostError.
        """

    def running(self) -> RunningDecisions | None:
        """For a thread that decides continuously, instead of `decide`; None: it decides whole batches."""

    def close(self) -> None:
        """Ends it."""


class LocalDecider:
    """A Decider with the model in this process; it decides in the thread that creates it."""

    most_replicas = replicas = 1
    alive = True

    def __init__(
        self,
        policy: Policy,
        *,
        threads: int = 0,
        batched: bool = True,
        whole_batches: bool = False,
        share: Callable[[Policy], SharedPolicy] | None = None,
    ) -> None:
        """Warms the policy up; it must not be used any more.

        threads: of torch, see policies.threads.choose_threads. batched: see share_policy, which `share` replaces.
        whole_batches: whether to finish a batch before the next one starts.
        """
        warm_up(policy, threads)
        self.name, self.card, self.answers = policy.name, policy.card, isinstance(policy, AnsweringPolicy)
        self.warm_up_instruction = (
            policy.warm_up_instruction if isinstance(policy, WarmUpPolicy) else WARM_UP_INSTRUCTION
        )
        self._shared = share_policy(policy, batched=batched) if share is None else share(policy)
        self._whole_batches = whole_batches
        self.max_batch_size = self._shared.max_batch_size

    def session(self) -> Policy:
        """See Decider."""
        return self._shared.session()

    def decide(self, requests: Sequence[ActRequest], patience: float) -> list[ActionChunk | Exception]:
        """See Decider."""
        return self._shared.act(requests)

    def running(self) -> RunningDecisions | None:
        """See Decider."""
        if self._whole_batches or not isinstance(self._shared, ContinuousPolicy):
            return None
        return self._shared.running()

    def close(self) -> None:
        """See Decider."""
