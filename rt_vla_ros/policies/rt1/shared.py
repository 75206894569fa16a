"""RT-1 for several robots: one network processes their images in a batch, each robot has its own history."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.act_requests import ActRequest, check_requests
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.rt1.policy import Inputs, RT1Policy, probabilities_together

MAX_BATCH_SIZE = 32


class SharedRT1:
    """Implements policies.shared.SharedPolicy. The given policy must not be used otherwise."""

    max_batch_size = MAX_BATCH_SIZE

    def __init__(self, policy: RT1Policy) -> None:
        self.name, self.card, self._policy = policy.name, policy.card, policy

    def session(self) -> RT1Policy:
        """See SharedPolicy."""
        return self._policy.another()

    def act(self, requests: Sequence[ActRequest]) -> list[ActionChunk | Exception]:
        """See SharedPolicy."""
        check_requests(requests, self.max_batch_size, self._has)
        batch = [_Asking(session, observation) for session, observation in requests]
        seeing = [(robot.policy, robot.inputs) for robot in batch if robot.inputs is not None]
        if seeing:
            try:
                found = iter(probabilities_together(*zip(*seeing, strict=True)))
            except Exception as error:  # such as out of memory: no robot gets an action
                return [robot.error or error for robot in batch]
        return [robot.error or robot.decided(next(found)) for robot in batch]

    def _has(self, session: Policy) -> bool:
        return isinstance(session, RT1Policy) and session.network is self._policy.network


class _Asking:
    """One request. error: why it gets no action, or None."""

    def __init__(self, policy: Policy, observation: Observation) -> None:
        assert isinstance(policy, RT1Policy)
        self.policy, self._stamp = policy, observation.stamp
        self.inputs: Inputs | None = None
        self.error: Exception | None = None
        try:
            self.inputs = policy.take(observation)
        except Exception as error:  # reported to the robot that sent this; the others continue
            self.error = error

    def decided(self, probabilities: NDArray[np.float64]) -> ActionChunk | Exception:
        try:
            return self.policy.decide(probabilities, self._stamp)
        except Exception as error:
            return error
