"""RT-2 for several robots: one model decodes for all of them in a batch, each has its own prompt and draft."""

from __future__ import annotations

from collections.abc import Sequence

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.policies.act_requests import ActRequest, check_requests
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.rt2.policy import RT2Policy, act_together

MAX_BATCH_SIZE = 32


class SharedRT2:
    """Implements policies.shared.SharedPolicy. The given policy must not be used otherwise."""

    max_batch_size = MAX_BATCH_SIZE

    def __init__(self, policy: RT2Policy) -> None:
        """Raises BatchError for a model that cannot be batched, and what RT2Policy.reset raises."""
        policy.check_together()
        self.name, self.card, self._policy = policy.name, policy.card, policy

    def session(self) -> RT2Policy:
        """See SharedPolicy."""
        return self._policy.another()

    def act(self, requests: Sequence[ActRequest]) -> list[ActionChunk | Exception]:
        """See SharedPolicy."""
        check_requests(requests, self.max_batch_size, self._has)
        asking = [(session, seen) for session, seen in requests if isinstance(session, RT2Policy)]
        return act_together(asking) if asking else []

    def _has(self, session: Policy) -> bool:
        return isinstance(session, RT2Policy) and session.parts is self._policy.parts
