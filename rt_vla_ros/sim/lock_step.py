"""Lock step: simulated time advances only when all messages of a step have arrived. No ROS here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from rt_vla_ros.control.controller import ACTIVE
from rt_vla_ros.control.status import State
from rt_vla_ros.control.twist import Twist
from rt_vla_ros.sim.world import STEP_NS


@dataclass(frozen=True)
class StepStatus:
    """The fields of a ControllerStatus that lock step needs; times in [ns]."""

    stamp_ns: int
    action_stamp_ns: int
    refused_stamp_ns: int
    state: int
    commanding: bool
    gripper_commanded: bool


class SteppedSimulation(Protocol):
    """The simulation that the schedule steps."""

    @property
    def time_ns(self) -> int:
        """The current simulated time."""

    def publish_images(self) -> None:
        """Publish the current images."""

    def publish_clock(self, time_ns: int) -> None:
        """Publish the clock."""

    def advance(self, twist: Twist | None, gripper: float | None) -> None:
        """One step of 20 ms."""


def steps_per_action(period: float) -> int:
    """How many steps of 20 ms an action with this period [s] lasts: the fewest that it fits in, up to 1 ms.

    With fewer, the next image would come before the policy's next step is due, and time would stand still for good.
    """
    return max(1, math.ceil(period * 1e9 / STEP_NS - 0.05))


class LockStep:
    """The schedule: every policy period the images are published, and time stops until the controller follows, or
    refuses, an action on them; then for every step the clock is published, and the controller's command for it is
    awaited and applied.

    So a run is a function of the scene and the policy, not of the speed of the processes.
    """

    def __init__(self, simulation: SteppedSimulation, period_ns: int) -> None:
        self._simulation = simulation
        self._steps_per_action = period_ns // STEP_NS
        self._status: StepStatus | None = None
        self._twists: dict[int, Twist] = {}
        self._grippers: list[float] = []
        self._left = 0  # steps until the next image
        self._awaited_ns = 0  # stamp of the command that is awaited

    def begin(self) -> None:
        """Time stops here until an action on the current images is followed."""
        self._left = 0
        self._status = None
        self._twists.clear()
        self._grippers.clear()
        self.repeat()

    def repeat(self) -> None:
        """Publishes the last messages again, for nodes that joined late."""
        if self._left:
            self._simulation.publish_clock(self._awaited_ns)
        else:
            self._simulation.publish_clock(self._simulation.time_ns)
            self._simulation.publish_images()

    def on_status(self, status: StepStatus) -> None:
        """The controller has ticked or has taken an action."""
        self._status = status
        self._proceed()

    def on_twist(self, stamp_ns: int, twist: Twist) -> None:
        """The controller's command for the step that ends at `stamp_ns`."""
        self._twists[stamp_ns] = twist
        self._proceed()

    def on_gripper(self, closedness: float) -> None:
        """0 open ... 1 closed."""
        self._grippers.append(closedness)
        self._proceed()

    def _proceed(self) -> None:
        status = self._status
        if status is None:
            return
        if not self._left:
            followed = status.action_stamp_ns == self._simulation.time_ns and status.state in ACTIVE
            if followed or (status.refused_stamp_ns == self._simulation.time_ns and status.state == State.FAULT):
                self._left = self._steps_per_action
                self._await_next()
        elif status.stamp_ns == self._awaited_ns and self._complete(status):
            self._step(status)

    def _complete(self, status: StepStatus) -> bool:
        """Messages of different topics overtake each other."""
        twist = not status.commanding or self._awaited_ns in self._twists
        return twist and (not status.gripper_commanded or bool(self._grippers))

    def _step(self, status: StepStatus) -> None:
        twist = self._twists.get(self._awaited_ns) if status.commanding else None
        gripper = self._grippers.pop(0) if status.gripper_commanded else None
        self._twists = {stamp: twist for stamp, twist in self._twists.items() if stamp > self._awaited_ns}
        self._simulation.advance(twist, gripper)
        self._left -= 1
        if self._left:
            self._await_next()
        else:
            self._simulation.publish_images()

    def _await_next(self) -> None:
        self._awaited_ns = self._simulation.time_ns + STEP_NS
        self._simulation.publish_clock(self._awaited_ns)
