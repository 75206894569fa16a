"""Paces the simulation: in lock step with the messages of other nodes, or by the wall clock. Without ROS."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import Protocol

from rt_vla_ros.control.controller import ACTIVE
from rt_vla_ros.control.status import State
from rt_vla_ros.control.twist import Twist
from rt_vla_ros.sim.world import STEP_NS

# At most this many steps are made up for at once: the simulation falls behind instead.
MOST_AT_ONCE = 5
WINDOW_NS = 5_000_000_000


@dataclass(frozen=True)
class StepStatus:
    """The fields of a ControllerStatus used by the lock step; times in [ns]."""

    stamp_ns: int
    action_stamp_ns: int
    refused_stamp_ns: int
    state: int
    commanding: bool
    gripper_commanded: bool


class SteppedSimulation(Protocol):
    """A simulation with steps of 20 ms; time_ns is the current simulated time."""

    @property
    def time_ns(self) -> int: ...
    def publish_images(self) -> None: ...
    def publish_clock(self, time_ns: int) -> None: ...
    def advance(self, twist: Twist | None, gripper: float | None) -> None: ...


def steps_per_action(period: float, step_ns: int = STEP_NS) -> int:
    """The number of 20 ms steps of an action with this period [s], rounded up with a tolerance of a 20th of a step.

    With fewer, the next image would come before the policy's next step is due, and simulated time would stop forever.
    """
    return max(1, math.ceil(period * 1e9 / step_ns - 0.05))


class LockStep:
    """The lock-step schedule.

    When a decision is due, the images are published and time stops until the controller follows or refuses an action on
    them, or follows a human command of that time. Then, for every step, the clock is published, and the controller's
    command is awaited and applied. If an action terminates in between, the images are published at that time. During
    human control, every step also waits for the human command for the clock at its start, so that the simulation
    does not run faster than the human's commands.

    A run is therefore a function of the scene and the policy, not of the speed of the processes.
    """

    def __init__(self, simulation: SteppedSimulation, period_ns: int) -> None:
        self._simulation = simulation
        self._steps_per_action = period_ns // STEP_NS
        self._status: StepStatus | None = None
        self._twists: dict[int, Twist] = {}
        self._grippers: list[float] = []
        self._left = 0  # steps until the next image
        self._awaited_ns = 0  # stamp of the awaited command

    def begin(self) -> None:
        """Stops time until an action on the current images is followed."""
        self._left, self._status = 0, None
        self._twists.clear()
        self._grippers.clear()
        self.repeat()

    def repeat(self) -> None:
        """Publishes the last messages again, for late-joining nodes."""
        self._simulation.publish_clock(self._awaited_ns if self._left else self._simulation.time_ns)
        if not self._left:
            self._simulation.publish_images()

    def on_status(self, status: StepStatus) -> None:
        """Handles a status, published after a tick or after receiving an action or a human command.

        In the latter case nothing is sent to the arm; the commands of that tick may still arrive.
        """
        before = self._status
        if before is not None and before.stamp_ns == status.stamp_ns:
            commanding = before.commanding or status.commanding
            gripper_commanded = before.gripper_commanded or status.gripper_commanded
            status = replace(status, commanding=commanding, gripper_commanded=gripper_commanded)
        self._status = status
        self._proceed()

    def on_twist(self, stamp_ns: int, twist: Twist) -> None:
        """Handles the controller's command for the step that ends at `stamp_ns`."""
        self._twists[stamp_ns] = twist
        self._proceed()

    def on_gripper(self, closedness: float) -> None:
        """Handles a gripper command, 0 open ... 1 closed."""
        self._grippers.append(closedness)
        self._proceed()

    def _proceed(self) -> None:
        status = self._status
        if status is None:
            return
        if not self._left:
            followed = status.action_stamp_ns == self._simulation.time_ns and status.state in (*ACTIVE, State.HUMAN)
            if followed or (status.refused_stamp_ns == self._simulation.time_ns and status.state == State.FAULT):
                self._left = self._steps_per_action
                self._await_next()
        elif status.stamp_ns == self._awaited_ns and not self._waits_for_human(status):
            # Messages of different topics may arrive out of order.
            has_twist = not status.commanding or self._awaited_ns in self._twists
            if has_twist and (not status.gripper_commanded or self._grippers):
                self._step(status)

    def _waits_for_human(self, status: StepStatus) -> bool:
        return status.state == State.HUMAN and status.action_stamp_ns < self._simulation.time_ns

    def _step(self, status: StepStatus) -> None:
        twist = self._twists.get(self._awaited_ns) if status.commanding else None
        gripper = self._grippers[-1] if self._grippers else None  # may come from a tick that was not awaited
        self._grippers.clear()
        self._twists = {stamp: twist for stamp, twist in self._twists.items() if stamp > self._awaited_ns}
        self._simulation.advance(twist, gripper)
        self._left = 0 if status.state == State.TERMINATED else self._left - 1
        if self._left:
            self._await_next()
        else:
            self._simulation.publish_images()

    def _await_next(self) -> None:
        self._awaited_ns = self._simulation.time_ns + STEP_NS
        self._simulation.publish_clock(self._awaited_ns)


class WallPace:
    """Paces steps of `step_ns` [ns] by a monotonic clock."""

    def __init__(self, step_ns: int) -> None:
        self._step_ns = step_ns
        self._next_ns: int | None = None
        self._made: deque[tuple[int, int]] = deque()  # (time, steps)

    def restart(self) -> None:
        """Restarts counting at the next call of `due`."""
        self._next_ns = None
        self._made.clear()

    def due(self, now_ns: int) -> int:
        """The number of steps due now; they are counted as done."""
        due_ns = now_ns if self._next_ns is None else self._next_ns
        behind = (now_ns - due_ns) // self._step_ns + 1
        steps = max(0, min(behind, MOST_AT_ONCE))
        self._next_ns = now_ns + self._step_ns if behind > MOST_AT_ONCE else due_ns + steps * self._step_ns
        self._made.append((now_ns, steps))
        while now_ns - self._made[0][0] > WINDOW_NS:
            self._made.popleft()
        return steps

    @property
    def factor(self) -> float | None:
        """Real-time factor over the last 5 s; None during the first second."""
        if not self._made or self._made[-1][0] - self._made[0][0] < 1_000_000_000:
            return None
        wall_ns = self._made[-1][0] - self._made[0][0]
        return (sum(steps for _, steps in self._made) - self._made[0][1]) * self._step_ns / wall_ns
