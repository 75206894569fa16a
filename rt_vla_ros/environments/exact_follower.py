"""What a benchmark does with a policy's actions: every step exactly, at once, in equal parts over its ticks."""

from __future__ import annotations

import numpy as np

from rt_vla_ros.action_space.chunk import KEEP_GRIPPER, ActionChunk, EndEffectorStep
from rt_vla_ros.control.status import Command, State


class ExactFollower:
    """See evaluation.rollout.Follower. Nothing smooths, limits or watches: benchmarks publish figures without.

    Times as with the Controller: step i of a chunk is for the time from its image's stamp + i * period on, a single
    step from its acceptance on. A newer chunk replaces the one before.
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
        """A benchmark refuses no action of a policy that it serves."""
        self._chunk, self._from = chunk, now if len(chunk.steps) == 1 else stamp
        self._look(now)
        return None

    def tick(self, now: float) -> Command:
        """Of the tick that ends at `now` [s]."""
        step = self._look(now - self._tick)
        chunk = self._chunk
        if step is None or chunk is None or self.state is State.TERMINATED:
            still = np.zeros(3)
            return Command(still, still, "", None, self.state, "", self.state is State.TERMINATED, False)
        gripper = None if step.gripper == KEEP_GRIPPER else step.gripper
        # Whole ticks: as steps_per_action counts them, so that the parts of a step are the step.
        ticks = max(1, round(chunk.period / self._tick))
        span = ticks * self._tick
        linear, angular = step.translation / span, step.rotation / span
        return Command(linear, angular, chunk.frame_id, gripper, self.state, "", False, True)

    def _look(self, time: float) -> EndEffectorStep | None:
        """The step that is due at that time; one that terminates ends it all."""
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
