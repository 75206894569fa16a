"""An ordinary ROS node that gives an instruction, watches what becomes of it and writes it down."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import Trigger

from rt_vla_ros.evaluation.record import SAME_TIME, Trajectory
from rt_vla_ros.msg import ControllerStatus
from rt_vla_ros.msg import EndEffectorAction as ActionMsg
from rt_vla_ros.nodes import conversions as convert
from rt_vla_ros.nodes.images import rgb_from_image
from rt_vla_ros.srv import ResetScene, TaskOutcome


def nothing_wrong() -> None:
    """For a recorder that nobody else watches over."""


class Recorder:
    """Lives on the graph in `namespace`; `trajectory` grows while it spins.

    check: called again and again while something is waited for; what it raises ends the waiting.
    """

    check: Callable[[], None] = staticmethod(nothing_wrong)

    def __init__(self, namespace: str, name: str = "demo") -> None:
        self.trajectory = Trajectory()
        self.action_stamps: list[int] = []  # of the images that the recorded actions were made from [ns]
        self.status: ControllerStatus | None = None
        self.refusal = ""  # why the smoother refused an action of this scene, the last time that it did
        self.policy_failure = ""
        self.policy_ready = False
        self._node = Node(name, namespace=namespace)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        node, newest = self._node, QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._instructions = node.create_publisher(String, "instruction", 10)
        self._reset = node.create_client(ResetScene, "sim_arm_node/reset_scene")
        self._outcome = node.create_client(TaskOutcome, "sim_arm_node/outcome")
        self._stop = node.create_client(Trigger, "policy_node/stop")
        self._restart = node.create_client(Trigger, "policy_node/restart")
        node.create_subscription(Image, "image", self._on_image, newest)
        node.create_subscription(ActionMsg, "action", self._on_action, 100)
        node.create_subscription(ControllerStatus, "controller_status", self._on_status, 10)
        node.create_subscription(Float64MultiArray, "sim_arm_node/state", self._on_state, 100)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    # What comes in ---------------------------------------------------------------------------------------------------

    def _on_image(self, message: Image) -> None:
        self.trajectory.images.append((self.trajectory.time, rgb_from_image(message).copy()))

    def _on_action(self, message: ActionMsg) -> None:
        latency = convert.seconds(convert.nanoseconds(message.latency))
        self.action_stamps.append(convert.nanoseconds(message.header.stamp))
        self.trajectory.actions.append((self.trajectory.time, convert.action_from_message(message), latency))

    def _on_status(self, message: ControllerStatus) -> None:
        self.status = message
        if message.state == ControllerStatus.FAULT and convert.nanoseconds(message.refused_stamp) > 0:
            self.refusal = message.reason

    def _on_state(self, message: Float64MultiArray) -> None:
        values = np.array(message.data, np.float64)
        self.trajectory.states.append((float(values[0]), values[1:]))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith("policy_node"):
                values = {pair.key: pair.value for pair in status.values}
                self.policy_ready = self.policy_ready or bool(values.get("policy"))
                self.policy_failure = status.message if "cannot be loaded" in status.message else ""

    # What goes out ---------------------------------------------------------------------------------------------------

    @property
    def nodes(self) -> set[str]:
        """Names of the nodes on the graph."""
        return set(self._node.get_node_names())

    @property
    def terminated(self) -> bool:
        """Whether the arm stands still because the policy said that it is done."""
        return self.status is not None and self.status.state == ControllerStatus.TERMINATED

    def wait(self, condition: Callable[[], bool], deadline: float) -> bool:
        """Spins until the condition holds; False where `deadline` (time.monotonic) comes first."""
        while not condition():
            if time.monotonic() >= deadline:
                return False
            self.check()
            self._executor.spin_once(timeout_sec=0.05)
        return True

    def actions_before(self, end: float) -> int:
        """How many of the actions were made from images of before `end` [s]; the first one's image is that of 0 s."""
        end_ns = self.action_stamps[0] + round((end - SAME_TIME) * 1e9) if self.action_stamps else 0
        return sum(stamp < end_ns for stamp in self.action_stamps)

    def lay_scene(self, suite: str, seed: int, instruction: str, deadline: float) -> str | None:
        """Begins a scene at time 0, and the trajectory with it; None, or why it cannot be."""
        request = ResetScene.Request(suite=suite, seed=seed, instruction=instruction)
        response = self._call(self._reset, request, deadline)
        if response is None:
            return "the simulated arm did not answer"
        # The first image of the scene comes before the answer, and in lock-step only once.
        self.action_stamps, self.refusal = [], ""
        self.trajectory = Trajectory(images=[(0.0, pixels) for _, pixels in self.trajectory.images[-1:]])
        return None if response.success else str(response.message)

    def instruct(self, instruction: str, deadline: float) -> bool:
        """Publishes the instruction once somebody listens, as a user would."""
        if not self.wait(lambda: self._instructions.get_subscription_count() > 0, deadline):
            return False
        self._instructions.publish(String(data=instruction))
        return True

    def stop_policy(self, deadline: float) -> bool:
        """Ends the running request; whether the policy node answered."""
        return self._call(self._stop, Trigger.Request(), deadline) is not None

    def restart_policy(self, deadline: float) -> bool:
        """Carries out the last instruction again, from its start; whether the policy node does."""
        response = self._call(self._restart, Trigger.Request(), deadline)
        return response is not None and bool(response.success)

    def judge(self, deadline: float, *, terminated: bool) -> TaskOutcome.Response | None:
        """The outcome by now; None where the arm does not answer. terminated: whether the policy ended the request."""
        return self._call(self._outcome, TaskOutcome.Request(terminated=terminated), deadline)

    def _call(self, client: Client, request: object, deadline: float) -> Any:
        if not self.wait(client.service_is_ready, deadline):
            return None
        future = client.call_async(request)
        return future.result() if self.wait(future.done, deadline) else None

    def close(self) -> None:
        """Leaves the graph."""
        self._executor.shutdown()
        self._node.destroy_node()


def join(namespace: str, name: str = "demo") -> Recorder:
    """Brings this process onto the graph."""
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)  # the command handles Ctrl-C
    return Recorder(namespace, name)


def leave(recorder: Recorder) -> None:
    """The reverse of `join`."""
    recorder.close()
    rclpy.try_shutdown()
