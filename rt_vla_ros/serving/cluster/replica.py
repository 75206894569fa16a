"""The model in a replica's process. It keeps no state that could be lost: every request brings the robot's history."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros import __version__
from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import AnsweringPolicy, Policy, PortablePolicy
from rt_vla_ros.serving.decider import LocalDecider
from rt_vla_ros.serving.refusal import Refusal

T = TypeVar("T")
MOST_SESSIONS = 512  # for which a replica keeps the prepared instruction
OMP_THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class ReplicaSource:
    """What a replica loads. checkpoint: name, directory or name on the Hub. options: of load_policy.

    model: SHA-256 that its weights must have; None: any. batched, threads: see LocalDecider. version: of this package.
    omp_threads: value of OMP_NUM_THREADS for torch; None: unset.
    """

    checkpoint: str
    options: Mapping[str, Any]
    model: str | None
    batched: bool = True
    threads: int = 0
    version: str = __version__
    omp_threads: str | None = field(default_factory=lambda: os.environ.get(OMP_THREADS))


@dataclass(frozen=True)
class ReplicaFacts:
    """See Decider."""

    name: str
    card: ActionCard
    answers: bool
    warm_up_instruction: str
    max_batch_size: int


@dataclass(frozen=True)
class ActCall:
    """A robot's request. session: its key. snapshot: see PortablePolicy; None before the first reset."""

    session: str
    snapshot: Any
    observation: Observation


@dataclass(frozen=True)
class ActResult:
    """outcome: the decision, or why there is none. snapshot: of the session afterwards."""

    outcome: ActionChunk | Refusal
    snapshot: Any


class PolicyReplica:
    """Decides for sessions that are kept elsewhere."""

    def __init__(self, source: ReplicaSource) -> None:
        """Loads the policy. Raises ValueError for other weights or another version than the server's."""
        self._model = ThreadPoolExecutor(1, "model")
        self._sessions: OrderedDict[str, PortablePolicy] = OrderedDict()
        self._decider = self._model.submit(_opened, source).result()
        self._portable()

    async def describe(self) -> ReplicaFacts:
        """Facts about the policy."""
        one = self._decider
        return ReplicaFacts(one.name, one.card, one.answers, one.warm_up_instruction, one.max_batch_size)

    async def reset(self, session: str, instruction: str) -> Any:
        """Starts a request: its snapshot, or a Refusal."""
        return await self._in_model(lambda: self._reset(session, instruction))

    async def act(self, calls: Sequence[ActCall]) -> list[ActResult]:
        """Decides for all sessions in one batch; an error affects only its session."""
        return await self._in_model(lambda: self._act(calls))

    async def ask(self, images: Mapping[str, NDArray[np.uint8]], question: str) -> str | Refusal:
        """See AnsweringPolicy; decisions go on meanwhile."""
        answering = await self._in_model(self._decider.session)
        assert isinstance(answering, AnsweringPolicy)
        try:
            return await asyncio.to_thread(answering.ask, images, question)
        except Exception as error:  # reported to the robot that asked
            return Refusal.of(error)

    async def _in_model(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._model, function)

    def _reset(self, key: str, instruction: str) -> Any:
        session = self._session(key)
        try:
            session.reset(instruction)
        except Exception as error:  # reported to the robot
            return Refusal.of(error)
        return session.snapshot()

    def _act(self, calls: Sequence[ActCall]) -> list[ActResult]:
        sessions: dict[int, PortablePolicy] = {}
        outcomes: dict[int, ActionChunk | Exception] = {}
        for place, call in enumerate(calls):
            try:
                sessions[place] = self._continued(call)
            except Exception as error:  # reported to the robot; the others continue
                outcomes[place] = error
        try:
            requests: list[tuple[Policy, Observation]] = [(sessions[i], calls[i].observation) for i in sessions]
            found: Sequence[ActionChunk | Exception] = self._decider.decide(requests, 0.0) if requests else []
        except Exception as error:  # of the whole batch, such as out of memory
            found = [error] * len(sessions)
        outcomes |= zip(sessions, found, strict=True)
        return [_result(outcomes[i], sessions.get(i), call.snapshot) for i, call in enumerate(calls)]

    def _continued(self, call: ActCall) -> PortablePolicy:
        if call.snapshot is None:
            return self._portable()
        session = self._session(call.session)
        session.restore(call.snapshot)
        return session

    def _session(self, key: str) -> PortablePolicy:
        session = self._sessions.pop(key) if key in self._sessions else self._portable()
        self._sessions[key] = session
        while len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return session

    def _portable(self) -> PortablePolicy:
        session = self._decider.session()
        if not isinstance(session, PortablePolicy):
            raise ValueError(f"{session.name} cannot run in replicas: its history cannot move between processes.")
        return session


def _result(outcome: ActionChunk | Exception, session: PortablePolicy | None, before: Any) -> ActResult:
    after = before if session is None or before is None else session.snapshot()
    return ActResult(Refusal.of(outcome) if isinstance(outcome, Exception) else outcome, after)


def _opened(source: ReplicaSource) -> LocalDecider:
    if source.version != __version__:
        raise ValueError(f"The server has rt_vla_ros {source.version}, this replica's machine {__version__}.")
    if source.omp_threads is None:
        os.environ.pop(OMP_THREADS, None)  # Ray sets it to 1; torch reads it when it is imported
    from rt_vla_ros.evaluation.provenance import checkpoint_hash
    from rt_vla_ros.policies.load import load_policy

    model = checkpoint_hash(source.checkpoint)
    if source.model not in (None, model):
        raise ValueError(
            f"The weights of {source.checkpoint} on this replica's machine are not those of the server "
            f"({str(model)[:12]} instead of {str(source.model)[:12]}). Copy them, or restart the server."
        )
    policy = load_policy(source.checkpoint, **source.options)
    return LocalDecider(policy, threads=source.threads, batched=source.batched)
