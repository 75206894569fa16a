"""A Decider whose model is in replicas. The robots' histories stay here, so that a replica can be lost or replaced."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.act_requests import ActRequest
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.serving.cluster.replica import ActCall, ReplicaFacts
from rt_vla_ros.serving.decider import LateRequestError, ReplicaLostError
from rt_vla_ros.serving.refusal import Refusal

RESETTING = 60.0  # longest time for a new instruction, which may record CUDA graphs [s]
ASKING = 120.0  # [s]
DESCRIBING = 60.0  # [s]
ATTEMPTS = 3  # of a call that has no deadline


class Replicas(Protocol):
    """Processes with a PolicyReplica each. most: maximum number of them."""

    most: int

    @property
    def running(self) -> int:
        """Number of replicas that are ready."""

    @property
    def alive(self) -> bool:
        """False if there will never be a replica again."""

    def call(self, method: str, *arguments: Any, patience: float) -> Any:
        """The result of a method of one of them. patience: longest time [s]. Raises ReplicaLostError."""

    def close(self) -> None:
        """Ends them."""


class ClusterDecider:
    """Implements Decider."""

    def __init__(self, replicas: Replicas) -> None:
        """replicas: at least one is ready."""
        self._replicas, self.most_replicas = replicas, replicas.most
        facts: ReplicaFacts = self.call("describe", patience=DESCRIBING)
        self.name, self.card, self.answers = facts.name, facts.card, facts.answers
        self.warm_up_instruction, self.max_batch_size = facts.warm_up_instruction, facts.max_batch_size

    @property
    def replicas(self) -> int:
        """See Decider."""
        return self._replicas.running

    @property
    def alive(self) -> bool:
        """See Decider."""
        return self._replicas.alive

    def session(self) -> Policy:
        """See Decider."""
        return AnsweringClusterSession(self) if self.answers else ClusterSession(self)

    def decide(self, requests: Sequence[ActRequest], patience: float) -> list[ActionChunk | Exception]:
        """See Decider."""
        sessions = [session for session, _ in requests if isinstance(session, ClusterSession)]
        begun = [session.requests for session in sessions]
        calls = [ActCall(one.key, one.snapshot, seen) for one, (_, seen) in zip(sessions, requests, strict=True)]
        outcomes: list[ActionChunk | Exception] = []
        for session, number, result in zip(
            sessions, begun, self._replicas.call("act", calls, patience=patience), strict=True
        ):
            if session.requests != number:  # it got another instruction meanwhile
                outcomes.append(LateRequestError("A new instruction was set."))
                continue
            session.snapshot = result.snapshot
            outcomes.append(result.outcome.error() if isinstance(result.outcome, Refusal) else result.outcome)
        return outcomes

    def running(self) -> None:
        """See Decider."""

    def call(self, method: str, *arguments: Any, patience: float) -> Any:
        """A call without a deadline: tries another replica if one is lost. Raises ReplicaLostError, and its errors."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                result = self._replicas.call(method, *arguments, patience=patience)
            except ReplicaLostError:
                if attempt == ATTEMPTS:
                    raise
            else:
                break
        if isinstance(result, Refusal):
            raise result.error()
        return result

    def close(self) -> None:
        """See Decider."""
        self._replicas.close()


class ClusterSession:
    """A robot's Policy. key: its name in the replicas. snapshot: its history. requests: number of instructions."""

    def __init__(self, decider: ClusterDecider) -> None:
        self.name, self.card = decider.name, decider.card
        self.key, self.snapshot, self.requests = uuid.uuid4().hex, None, 0
        self._decider = decider

    def reset(self, instruction: str) -> None:
        """See Policy."""
        self.requests += 1
        self.snapshot = None
        self.snapshot = self._decider.call("reset", self.key, instruction, patience=RESETTING)

    def act(self, observation: Observation) -> ActionChunk:
        """See Policy; without batching."""
        (outcome,) = self._decider.decide([(self, observation)], RESETTING)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class AnsweringClusterSession(ClusterSession):
    """Implements AnsweringPolicy, too."""

    def ask(self, images: Mapping[str, NDArray[np.uint8]], question: str) -> str:
        """See AnsweringPolicy."""
        return str(self._decider.call("ask", dict(images), question, patience=ASKING))
