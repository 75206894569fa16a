"""Asks a teacher what it would do in every state of an episode."""

from __future__ import annotations

from typing import Any

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import EndEffectorStep
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy, PortablePolicy
from rt_vla_ros.runtime.confidence_gate import legal_doubt
from rt_vla_ros.training.checks import TrainingError


class AskedTeacher:
    """Answers as if the teacher controlled the arm from the beginning of the episode.

    A teacher that decides every k steps (`execute_steps`) sees every k-th image in its history. To be asked at every
    step, it has k histories, which are continued in turn.
    """

    def __init__(self, policy: Policy, card: ActionCard) -> None:
        """card: of the observations. Raises TrainingError for a policy whose history is out of reach, if it matters."""
        self.policy, self._every = policy, policy.card.execute_steps
        if self._every > 1 and not isinstance(policy, PortablePolicy):
            raise TrainingError(
                f"The teacher {policy.name!r} decides every {self._every} steps. To be asked at every step, it must be "
                "loaded here: give its checkpoint instead of a server or an engine."
            )
        known = [(one.name, one.unit, one.source) for one in card.state]
        self._state = [known.index((one.name, one.unit, one.source)) for one in policy.card.state]
        self._histories: list[Any] = []
        self._asked = 0

    def reset(self, instruction: str) -> None:
        """An episode begins. Raises ValueError for an instruction that the teacher does not accept."""
        self.policy.reset(instruction)
        if self._every > 1:
            assert isinstance(self.policy, PortablePolicy)
            self._histories = [self.policy.snapshot()] * self._every
        self._asked = 0

    def plan(self, observation: Observation, steps: int) -> list[EndEffectorStep]:
        """The teacher's next steps, at most its horizon; after a terminate, all further steps terminate.

        observation: one period after the previous one. Raises what `Policy.act` raises, and TrainingError for a model
        that hardly writes actions unconstrained, such as one that only answers questions.
        """
        own = self.policy.card
        state = None if observation.state is None or not own.state else observation.state[self._state]
        seen = Observation({one.name: observation.images[one.name] for one in own.cameras}, observation.stamp, state)
        chunk = self.policy.act(seen) if self._every == 1 else self._continued(self._asked % self._every, seen)
        self._asked += 1
        if doubt := legal_doubt(chunk.legal_probability):
            raise TrainingError(f"The policy {self.policy.name!r} is no teacher of actions. {doubt}")
        end = chunk.terminates_at
        last = len(chunk.steps) - 1 if end is None else end
        return [chunk.steps[min(number, last)] for number in range(steps)]

    def _continued(self, history: int, observation: Observation) -> Any:
        assert isinstance(self.policy, PortablePolicy)
        self.policy.restore(self._histories[history])
        chunk = self.policy.act(observation)
        self._histories[history] = self.policy.snapshot()
        return chunk
