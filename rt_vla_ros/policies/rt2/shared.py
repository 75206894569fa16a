"""RT-2 for several robots: one model decodes for all of them in a batch, each has its own prompt and draft."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.policies.act_requests import ActRequest, check_requests
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.rt2.decoding.engine import Decoded
from rt_vla_ros.policies.rt2.decoding.joint import OutputRequest
from rt_vla_ros.policies.rt2.policy import RT2Policy

MAX_BATCH_SIZE = 32
Outputs = dict[RT2Policy, Decoded | Exception]
"""Complete outputs, or why there is none."""


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
        while running.unfinished:
            outcomes |= running.step(())
        return [outcomes[session] for session, _ in requests]


class RunningRT2:
    """Implements policies.shared.RunningDecisions."""

    def __init__(self, policy: RT2Policy) -> None:
        """policy: of the model; it decides nothing itself."""
        self._policy, self._decoding = policy, policy.joint_decoding()
        self._lost: Outputs = {}

    @property
    def unfinished(self) -> tuple[RT2Policy, ...]:
        """Sessions whose decision is not complete."""
        return self._decoding.unfinished

    def admits(self, count: int) -> bool:
        """See RunningDecisions."""
        return self._decoding.admits(count)

    def step(self, joining: Sequence[ActRequest]) -> Iterator[tuple[Policy, ActionChunk | Exception]]:
        """See RunningDecisions."""
        unfinished = self.unfinished
        check_requests(joining, MAX_BATCH_SIZE - len(unfinished), self._has)
        if any(session in unfinished for session, _ in joining):
            raise ValueError("got a request of a session whose decision is not complete; it must wait for that one")
        found, self._lost = self._lost, {}
        yield from _outcomes(found)
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
        self._lost = {one: error for one, error in self._lost.items() if one is not session}
        if not isinstance(session, RT2Policy) or session not in self.unfinished:
            return
        others = [one for one in self.unfinished if one is not session]
        try:
            self._decoding.drop(session)
        except Exception as error:  # such as out of memory
            self._lost |= dict.fromkeys(others, error)

    def _more(self) -> Outputs:
        unfinished = self.unfinished
        try:
            return {**self._decoding.more()}
        except Exception as error:  # no robot gets an action
            return dict.fromkeys(unfinished, error)

    def _begin(self, joining: Sequence[ActRequest]) -> Outputs:
        found, requests = Outputs(), dict[RT2Policy, OutputRequest]()
        for session, observation in joining:
            assert isinstance(session, RT2Policy)
            try:
                requests[session] = session.request(observation)
            except Exception as error:  # reported to the robot that sent this; the others continue
                found[session] = error
        return found | self._begin_together(requests)

    def _begin_together(self, requests: Mapping[RT2Policy, OutputRequest]) -> Outputs:
        if not requests:
            return {}
        before = self.unfinished
        try:
            return {**self._decoding.begin(requests)}
        except Exception as error:
            lost = set(before).difference(self.unfinished)
            if lost or len(requests) == 1:
                return dict.fromkeys([*requests, *lost], error)
        found = Outputs()
        for session, request in requests.items():  # one of them may be the cause
            found |= self._begin_together({session: request})
        return found

    def _has(self, session: Policy) -> bool:
        return isinstance(session, RT2Policy) and session.parts is self._policy.parts


def _outcomes(found: Outputs) -> Iterator[tuple[Policy, ActionChunk | Exception]]:
    for session, one in found.items():
        yield session, _finished(session, one) if isinstance(one, Decoded) else one


def _finished(session: RT2Policy, decoded: Decoded) -> ActionChunk | Exception:
    try:
        return session.finish(decoded)
    except Exception as error:  # such as a DecodingError; the others continue
        return error
