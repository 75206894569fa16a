"""RT-2 for several robots: one model decodes for all of them in a batch, each has its own prompt and draft."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.policies.act_requests import ActRequest, check_requests
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.rt2.decoding.engine import Decoded
from rt_vla_ros.policies.rt2.decoding.joint import OutputRequest
from rt_vla_ros.policies.rt2.policy import RT2Policy

MAX_BATCH_SIZE = 32
Found = dict[RT2Policy, Decoded | Exception]
"""Finished outputs, or why there is none."""


class SharedRT2:
    """Implements policies.shared.ContinuousPolicy. The given policy must not be used otherwise."""

    max_batch_size = MAX_BATCH_SIZE

    def __init__(self, policy: RT2Policy) -> None:
        """Raises BatchError for a model that cannot be batched, and what RT2Policy.reset raises."""
        policy.check_together()
        self.name, self.card, self._policy = policy.name, policy.card, policy

    def session(self) -> RT2Policy:
        """See SharedPolicy."""
        return self._policy.another()

    def running(self) -> RunningRT2:
        """See ContinuousPolicy."""
        return RunningRT2(self._policy)

    def act(self, requests: Sequence[ActRequest]) -> list[ActionChunk | Exception]:
        """See SharedPolicy."""
        running = self.running()
        outcomes = dict(running.step(requests))
        while len(outcomes) < len(requests):
            outcomes |= running.step(())
        return [outcomes[session] for session, _ in requests]


class RunningRT2:
    """Implements policies.shared.RunningDecisions."""

    def __init__(self, policy: RT2Policy) -> None:
        """policy: of the model; it decides nothing itself."""
        self._policy, self._decoding = policy, policy.joint_decoding()

    def admits(self, count: int) -> bool:
        """See RunningDecisions."""
        return self._decoding.admits(count)

    def step(self, joining: Sequence[ActRequest]) -> Iterator[tuple[Policy, ActionChunk | Exception]]:
        """See RunningDecisions."""
        unfinished = self._decoding.unfinished
        check_requests(joining, MAX_BATCH_SIZE - len(unfinished), self._has)
        if any(session in unfinished for session, _ in joining):
            raise ValueError("got a request of a session whose decision is not complete; it must wait for that one")
        if unfinished:
            with self._policy.control():
                found = self._more()
            yield from _outcomes(found)
        if joining:
            with self._policy.control():
                found = self._begin(joining)
            yield from _outcomes(found)

    def drop(self, session: Policy) -> None:
        """See RunningDecisions."""
        if session in self._decoding.unfinished:
            self._decoding.drop(session)

    def _more(self) -> Found:
        unfinished = self._decoding.unfinished
        try:
            return {**self._decoding.more()}
        except Exception as error:  # such as out of memory: no robot gets an action
            return dict.fromkeys(unfinished, error)

    def _begin(self, joining: Sequence[ActRequest]) -> Found:
        found, requests, before = Found(), dict[RT2Policy, OutputRequest](), self._decoding.unfinished
        for session, observation in joining:
            assert isinstance(session, RT2Policy)
            try:
                requests[session] = session.request(observation)
            except Exception as error:  # reported to the robot that sent this; the others continue
                found[session] = error
        try:
            return {**found, **self._decoding.begin(requests)} if requests else found
        except Exception as error:
            lost = set(before).difference(self._decoding.unfinished)
            return found | dict.fromkeys([*requests, *lost], error)

    def _has(self, session: Policy) -> bool:
        return isinstance(session, RT2Policy) and session.parts is self._policy.parts


def _outcomes(found: Found) -> Iterator[tuple[Policy, ActionChunk | Exception]]:
    for session, one in found.items():
        yield session, _finished(session, one) if isinstance(one, Decoded) else one


def _finished(session: RT2Policy, decoded: Decoded) -> ActionChunk | Exception:
    try:
        return session.finish(decoded)
    except Exception as error:  # such as a DecodingError; the others continue
        return error
