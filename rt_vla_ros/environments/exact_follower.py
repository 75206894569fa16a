"""Executes a policy's actions as benchmarks do: exactly, immediately, in equal parts over the ticks of a step."""

from __future__ import annotations

import numpy as np

from rt_vla_ros.action_space.chunk import KEEP_GRIPPER, ActionChunk, EndEffectorStep
from rt_vla_ros.control.status import Command, State


class ExactFollower:
    """See evaluation.rollout.Follower. No smoothing, limits or watchdogs, as benchmark results are published without.

    Times as in the Controller: step i of a chunk starts at its image's timestamp + i * period, a single step at its
    acceptance. A newer chunk replaces the previous one.
    """

    def __init__(self, tick_ns: int) -> None:
        """tick_ns: of the environment [ns]."""
        self._tick = tick_ns / 1e9
        self.reset()

    def reset(self) -> None:
        """An episode begins."""
        self.state = State.IDLE
        self._chunk: ActionChunk | None = None
        self._from = 0.0  # when its first step is due [s]

    def accept(self, chunk: ActionChunk, *, stamp: float, now: float) -> str | None:
        """Accept every action."""
        self._chunk, self._from = chunk, now if len(chunk.steps) == 1 else stamp
        self._look(now)
        return None

    def tick(self, now: float) -> Command:
        """The command for the tick that ends at `now` [s]."""
        step = self._look(now - self._tick)
        chunk = self._chunk
        if step is None or chunk is None or self.state is State.TERMINATED:
            still = np.zeros(3)
            return Command(still, still, "", None, self.state, "", self.state is State.TERMINATED, False)
        gripper = None if step.gripper == KEEP_GRIPPER else step.gripper
        # Whole ticks, as counted by steps_per_action, so that the parts add up to the step.
        ticks = max(1, round(chunk.period / self._tick))
        span = ticks * self._tick
        linear, angular = step.translation / span, step.rotation / span
        return Command(linear, angular, chunk.frame_id, gripper, self.state, "", False, True)

    def _look(self, time: float) -> EndEffectorStep | None:
        """The step due at that time; a terminating one ends the episode."""
        if self._chunk is None or self.state is State.TERMINATED:
            return None
        number = int((time - self._from) / self._chunk.period + 1e-6)
        steps = self._chunk.steps
        last = self._chunk.terminates_at
        if last is not None and number >= last:
            self.state = State.TERMINATED
            return None
        self.state = State.MOVING if number < len(steps) else State.HOLDING
        return steps[number] if number < len(steps) else None
