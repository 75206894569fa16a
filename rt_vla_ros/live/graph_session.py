"""An ordinary ROS node that instructs policy, smoother and simulated arm, and records their behavior."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from sensor_msgs.msg import Image
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import Trigger

from rt_vla_ros.evaluation.record import SAME_TIME, Trajectory
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.msg import ControllerStatus
from rt_vla_ros.nodes import conversions as convert
from rt_vla_ros.nodes.images import rgb_from_image
from rt_vla_ros.progress import Progress
from rt_vla_ros.sim.scenes import Scene
from rt_vla_ros.srv import Ask, ResetScene, TaskOutcome
from zenoh_ros.commands.errors import CliError

NODES = {"policy_node", "smoother_node", "sim_arm_node"}
START_UP = 120.0  # for three processes on a slow machine [s]
ANSWER = 20.0  # for a service [s]
STALL = 30.0  # without any progress [s]


class RunFailed(Exception):
    """The run cannot continue; the message says why."""


def tail(log: Path, lines: int = 8) -> str:
    """The end of a log, indented."""
    kept = [line for line in log.read_text(errors="replace").splitlines() if line.strip()][-lines:]
    return "\n".join("    " + line[:300] for line in kept)


class GraphSession:
    """A node in `namespace` on a private graph, `node`; `trajectory` grows while it spins.

    While it waits, a process that ends raises RunFailed, a policy that cannot be loaded CliError.
    """

    def __init__(self, namespace: str, launched: subprocess.Popen[bytes], progress: Progress) -> None:
        """Brings this process onto the graph. launched: the process that started the nodes."""
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)  # the command handles Ctrl-C
        self.progress, self._launched = progress, launched
        self._there: set[str] = set()
        self.trajectory = Trajectory()
        self.action_stamps: list[int] = []  # of the images that the recorded actions were made from [ns]
        self._status: ControllerStatus | None = None
        self.refusal = ""  # the smoother's last reason to refuse an action of this scene
        self.terminated = False  # whether the arm stands still because the policy said that it is done
        self._policy_failure, self._policy_ready = "", False
        self._policy_error = ""  # why the policy node does not act, by its diagnostics
        self.node = Node("session", namespace=namespace)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        node, newest = self.node, QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._instructions = node.create_publisher(String, "instruction", 10)
        self._reset = node.create_client(ResetScene, "sim_arm_node/reset_scene")
        self._outcome = node.create_client(TaskOutcome, "sim_arm_node/outcome")
        self._restart = node.create_client(Trigger, "policy_node/restart")
        self._ask = node.create_client(Ask, "policy_node/ask")
        node.create_subscription(Image, "image", self._on_image, newest)
        node.create_subscription(ChunkMsg, "action", self._on_action, 100)
        node.create_subscription(ControllerStatus, "controller_status", self._on_status, 10)
        node.create_subscription(Float64MultiArray, "sim_arm_node/state", self._on_state, 100)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_image(self, message: Image) -> None:
        self.trajectory.images.append((self.trajectory.time, rgb_from_image(message).copy()))

    def _on_action(self, message: ChunkMsg) -> None:
        latency = convert.seconds(convert.nanoseconds(message.latency))
        self.action_stamps.append(convert.nanoseconds(message.header.stamp))
        self.trajectory.actions.append((self.trajectory.time, convert.chunk_from_message(message), latency))

    def _on_status(self, message: ControllerStatus) -> None:
        self._status = message
        self.terminated = message.state == ControllerStatus.TERMINATED
        refused, accepted = map(convert.nanoseconds, (message.refused_stamp, message.action_stamp))
        # A fault after a later action was accepted is about something else.
        if message.state == ControllerStatus.FAULT and refused > 0 and refused >= accepted:
            self.refusal = message.reason

    def _on_state(self, message: Float64MultiArray) -> None:
        values = np.array(message.data, np.float64)
        self.trajectory.states.append((float(values[0]), values[1:]))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith("policy_node"):
                values = {pair.key: pair.value for pair in status.values}
                self._policy_ready = self._policy_ready or bool(values.get("policy"))
                self._policy_error = status.message if status.level == DiagnosticStatus.ERROR else ""
                self._policy_failure = status.message if "cannot be loaded" in status.message else ""

    def wait(self, condition: Callable[[], bool], seconds: float = ANSWER) -> bool:
        """Spins until the condition holds; False if `seconds` of wall time pass first."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() >= deadline:
                return False
            self._check()
            self._executor.spin_once(timeout_sec=0.05)
        return True

    def actions_before(self, end: float) -> int:
        """How many of the actions were made from images of before `end` [s]; the first one's image is that of 0 s."""
        end_ns = self.action_stamps[0] + round((end - SAME_TIME) * 1e9) if self.action_stamps else 0
        return sum(stamp < end_ns for stamp in self.action_stamps)

    def has_ended(self) -> bool:
        """Whether the newest action ends the request, and the simulation has come to the end of its last step."""
        if not self.trajectory.actions or (end := self.trajectory.actions[-1][1].terminates_at) is None:
            return False
        begun = (self.action_stamps[-1] - self.action_stamps[0]) / 1e9  # the first one's image is that of 0 s
        return not end or self.trajectory.time > begun + end * self.trajectory.actions[-1][1].period + SAME_TIME

    def _check(self) -> None:
        if self._policy_failure:
            raise CliError(self._policy_failure)
        if self._launched.poll() is not None:
            raise RunFailed(f"The processes exited unexpectedly (status {self._launched.returncode}).")
        if gone := self._there - set(self.node.get_node_names()):
            raise RunFailed(f"The process of {' and '.join(sorted(gone))} has exited.")

    def wait_for_nodes(self) -> None:
        """Waits until all nodes are there, the policy is ready and a first image was received."""
        begin = time.monotonic()

        def ready() -> bool:
            for name in sorted((NODES & set(self.node.get_node_names())) - self._there):
                self._there.add(name)
                self.progress.line(f"  {name} is up ({time.monotonic() - begin:.0f} s).")
            return self._there == NODES and self._policy_ready and bool(self.trajectory.images)

        if not self.wait(ready, START_UP):
            missing = ", ".join(sorted(NODES - self._there)) or "the policy or a first image"
            raise RunFailed(f"No sign of {missing} after {START_UP:.0f} s.")

    def watch(self, limit: float, pause: float, terminated: Callable[[], bool]) -> bool:
        """Waits until `terminated` or `limit` (simulated [s]); whether it was the former. pause: between two polls
        [s]. Raises RunFailed if there is no progress.
        """
        seen, changed = -1, time.monotonic()
        while self.trajectory.time < limit:
            if terminated():
                return True
            events = len(self.trajectory.states) + len(self.trajectory.actions)
            if events != seen:
                seen, changed = events, time.monotonic()
            elif time.monotonic() - changed > STALL:
                smoother = self._status.reason if self._status is not None else "the smoother is silent"
                raise RunFailed(f"No progress for {STALL:.0f} s: {self._policy_error or smoother}")
            self.wait(lambda: False, pause)
        return False

    def lay_scene(self, scene: Scene, instruction: str = "") -> None:
        """Resets the scene at time 0, and the trajectory. Raises RunFailed."""
        response = self.call(
            self._reset, ResetScene.Request(suite=scene.suite, seed=scene.seed, instruction=instruction)
        )
        # The first image of the scene comes before the answer, and in lock-step only once.
        self.action_stamps, self.refusal = [], ""
        self.trajectory = Trajectory(images=[(0.0, pixels) for _, pixels in self.trajectory.images[-1:]])
        if response is None or not response.success:
            why = "the simulated arm did not answer" if response is None else response.message
            raise RunFailed(f"The scene could not be reset: {why}.")

    def instruct(self, instruction: str, *, again: bool = False) -> None:
        """Publishes the instruction once there is a subscriber; raises RunFailed if there is none. again: it is that
        of the previous request, which the policy node would take for a repetition.
        """
        if again:
            response = self.call(self._restart, Trigger.Request())
            heard = response is not None and response.success
        else:
            heard = self.wait(lambda: self._instructions.get_subscription_count() > 0)
        if not heard:
            raise RunFailed("No subscriber on the instruction topic; is policy_node running?")
        if not again:
            self._instructions.publish(String(data=instruction))

    def ask(self, question: str) -> Future[Ask.Response] | None:
        """Asks the policy about its images and returns at once; None if the service is not available yet."""
        return self._ask.call_async(Ask.Request(question=question)) if self._ask.service_is_ready() else None

    def end_request(self) -> None:
        """Ends the running request; the smoother is not stopped by that. Raises RunFailed."""
        self._instructions.publish(String(data=""))
        if not self.wait(lambda: any(action.terminate for _, action, _ in self.trajectory.actions[-1:])):
            raise RunFailed("The policy node did not end the request at the time limit.")

    def judge(self, *, terminated: bool) -> TaskOutcome.Response:
        """The outcome by now. terminated: whether the policy ended the request. Raises RunFailed."""
        verdict = self.call(self._outcome, TaskOutcome.Request(terminated=terminated))
        if verdict is None:
            raise RunFailed("The simulated arm did not report the task outcome.")
        return verdict

    def call(self, client: Client, request: object) -> Any:
        """The answer of a service; None if none came."""
        if not self.wait(client.service_is_ready):
            return None
        future = client.call_async(request)
        return future.result() if self.wait(future.done) else None

    def __enter__(self) -> GraphSession:
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the graph."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown()
