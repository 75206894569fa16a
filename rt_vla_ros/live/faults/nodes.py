"""The processes of `rt-vla bench faults` that fail on command.

`python -m rt_vla_ros.live.faults.nodes policy|camera|gripper|servo --ros-args ...`. They listen to the topic `fault`
(String): "policy nan", "policy huge", "policy done", "policy close" (the gripper), "camera frozen", "camera slow",
"camera silent", "servo halt", and "none" for all.
"""

from __future__ import annotations

import importlib
import sys
from typing import NoReturn

import numpy as np

from rt_vla_ros import ros

ros.ensure()

from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep  # noqa: E402
from rt_vla_ros.nodes.policy_node import PolicyNode  # noqa: E402
from rt_vla_ros.nodes.running import ProgramNode, end_process, run  # noqa: E402
from rt_vla_ros.observations.observation import Observation  # noqa: E402
from rt_vla_ros.policies.policy import Policy  # noqa: E402
from rt_vla_ros.policies.tabletop_card import tabletop_card  # noqa: E402

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
SPEED, TURN_AROUND = 0.06, 5  # of the tool [m/s]; steps of 0.2 s from one turning point to the next
ELSEWHERE = {  # with messages that ROS 2 does not always have
    "gripper": ("rt_vla_ros.live.faults.gripper", "KillableGripper"),
    "servo": ("rt_vla_ros.live.faults.servo", "FaultyServo"),
}
SLOW = 10  # a slow camera sends one of this many images


class Swing:
    """Moves the tool back and forth along y without end. fault: the injected fault."""

    name = "swing"
    card = tabletop_card("swing")

    def __init__(self) -> None:
        self.fault = ""
        self._count = 0

    def reset(self, instruction: str) -> None:
        """See policies.policy.Policy."""

    def act(self, observation: Observation) -> ActionChunk:
        """See policies.policy.Policy."""
        self._count += 1
        side = 1 if (self._count // TURN_AROUND) % 2 else -1
        way = np.array([0.0, side * SPEED * self.card.period, 0.0])
        way = {"nan": np.full(3, np.nan), "huge": np.full(3, 3.0)}.get(self.fault, way)
        closed = 1.0 if self.fault == "close" else 0.0
        step = EndEffectorStep(way, np.zeros(3), closed, terminate=self.fault == "done")
        return ActionChunk((step,), self.card.period, frame_id=self.card.frame_id)


class FaultyPolicyNode(PolicyNode):
    """The real policy node with a test policy."""

    def __init__(self) -> None:
        self._swing = Swing()
        super().__init__()
        self.create_subscription(String, "fault", self._on_fault, 10)

    def _load_policy(self) -> Policy:
        return self._swing

    def _on_fault(self, message: String) -> None:
        self._swing.fault = message.data.removeprefix("policy ") if message.data.startswith("policy ") else ""


class FaultyCamera(ProgramNode):
    """Forwards the simulated camera's images."""

    def __init__(self) -> None:
        super().__init__("faulty_camera")
        self._fault, self._count = "", 0
        self._frozen: Image | None = None
        self._publisher = self.create_publisher(Image, "seen_image", NEWEST)
        self.create_subscription(Image, "image", self._on_image, NEWEST)
        self.create_subscription(String, "fault", self._on_fault, 10)

    def _on_fault(self, message: String) -> None:
        self._fault = message.data.removeprefix("camera ") if message.data.startswith("camera ") else ""
        self._frozen = None

    def _on_image(self, message: Image) -> None:
        self._count += 1
        if self._fault == "silent" or (self._fault == "slow" and self._count % SLOW):
            return
        if self._fault == "frozen":
            self._frozen = self._frozen or message
            message.data = self._frozen.data
        self._publisher.publish(message)


def main() -> NoReturn:
    """Runs the program."""
    what = sys.argv.pop(1)
    if what in ELSEWHERE:
        module, name = ELSEWHERE[what]
        end_process(run(getattr(importlib.import_module(module), name)))
    end_process(run({"policy": FaultyPolicyNode, "camera": FaultyCamera}[what]))


if __name__ == "__main__":
    main()
