"""The processes under test, and a node that injects faults and watches the arm."""

from __future__ import annotations

import copy
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock as ClockMsg
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64, String
from std_srvs.srv import Trigger

from rt_vla_ros.live.faults.motion import ArmMotion
from rt_vla_ros.live.faults.processes import NODES, SET_UPS, command
from rt_vla_ros.live.private_graph import PrivateGraph
from rt_vla_ros.live.wire import Wire
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.msg import ControllerStatus
from rt_vla_ros.nodes.conversions import nanoseconds, time_message
from rt_vla_ros.srv import ResetScene

NAMESPACE = "/rt_vla_faults"
START_UP = 120.0  # [s]
GRIPPER_PATIENCE = 12.0  # the timeout of a goal, and more [s]
FARTHEST = 0.15  # of an action: the smoother's max_translation [m]
CLOCK_PERIOD = 0.005  # [s]
OPEN, CLOSED = 0.04, 0.0  # the gripper bridge's open_position and closed_position [m]


class FaultGraph:
    """Starts the processes; `processes` are the current ones. motion: of the arm since the last `forget`.
    said: messages of the nodes since then, and when each first came [ns]. Raises RuntimeError if something does not
    start.
    """

    def __init__(self, graph: PrivateGraph, log: Path, seed: int) -> None:
        self._graph, self._log, self._random = graph, log, random.Random(seed)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.motion = ArmMotion()
        self.said: dict[str, int] = {}
        self.ended_ns: int | None = None  # arrival of an action that terminates or is invalid
        self.clock_offset_ns = 0
        self.wire = Wire(int(graph.variables["RT_VLA_ROS_ROUTER"].rpartition(":")[2]))
        self._set_up, self._texts = "", 0
        self._action: ChunkMsg | None = None  # the last one
        self._ended: set[tuple[str, int]] = set()  # publisher and number of ended requests
        self._gripper_goal: float | None = None  # position of the last goal that its server began [m]
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node("faults", namespace=NAMESPACE)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        node = self.node
        self._instructions = node.create_publisher(String, "instruction", 10)
        self._faults = node.create_publisher(String, "fault", 10)
        node.create_subscription(JointState, "joint_states", self._on_joints, 100)
        node.create_subscription(ControllerStatus, "controller_status", self._on_status, 100)
        node.create_subscription(ChunkMsg, "action", self._on_action, 100)
        node.create_subscription(Float64, "gripper_goal", self._on_gripper_goal, 10)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 100)
        services = ("smoother_node/stop", "smoother_node/release", "policy_node/stop")
        self._clients = {name: node.create_client(Trigger, name) for name in services}
        self._reset = node.create_client(ResetScene, "sim_arm_node/reset_scene")
        self._damaged = {
            name: node.create_publisher(kind, name, 10)
            for name, kind in (("action", ChunkMsg), ("instruction", String), ("seen_image", Image))
        }
        self._clock = node.create_publisher(ClockMsg, "/clock", 1)
        node.create_timer(CLOCK_PERIOD, self._tell_time, clock=Clock(clock_type=ClockType.STEADY_TIME))
        for name in NODES:
            self._start(name)

    def close(self) -> None:
        """Leaves the graph; the processes are PrivateGraph's to end."""
        self.wire.close()
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown()

    def _start(self, name: str) -> None:
        variables: dict[str, str] = {}
        if (name, self._set_up) == ("policy", "wire"):
            router = f"tcp/127.0.0.1:{self.wire.port}"
            variables = {"RT_VLA_ROS_ROUTER": router, "ZENOH_CONFIG_OVERRIDE": "mode='client'"}
        self.processes[name] = self._graph.start(
            *command(name, self._set_up, NAMESPACE), log=self._log, variables=variables
        )

    def set_up(self, how: str) -> None:
        """how: one of SET_UPS. Ends the processes that are others in it; `set_in_motion` starts them."""
        if how == self._set_up:
            return
        for name in {name for one in (how, self._set_up) for name in (*SET_UPS[one].changed, *SET_UPS[one].added)}:
            if (process := self.processes.pop(name, None)) is not None:
                process.kill()
                process.wait()
        self._set_up, self.clock_offset_ns = how, 0
        self.wire.restore()

    def _tell_time(self) -> None:
        if self._set_up == "clock":
            self._clock.publish(ClockMsg(clock=time_message(time.time_ns() + self.clock_offset_ns)))

    def kill_gripper(self) -> None:
        """Has the policy close the gripper, and kills its server during that goal."""
        self._gripper_goal = None
        self.tell("policy close")
        if not self.spin(
            GRIPPER_PATIENCE, lambda: self._gripper_goal == CLOSED
        ):  # the request may be over: a busy host
            self.set_in_motion()
            self.spin(START_UP, lambda: self._gripper_goal == CLOSED)
        self.processes["gripper"].kill()
        self.spin(GRIPPER_PATIENCE, lambda: self.heard_ns("The gripper's action server") is not None)

    def restart_gripper(self) -> None:
        """Starts the gripper's server again, which gets the newest goal anew, and has the policy open the gripper."""
        self._gripper_goal = None
        self._start("gripper")
        self.spin(START_UP, lambda: self._gripper_goal == CLOSED)
        self.tell("policy none")
        self.spin(START_UP, lambda: self._gripper_goal == OPEN)
        self.said.clear()
        self.spin(GRIPPER_PATIENCE, lambda: self.heard_ns("The gripper follows its commands") is not None)

    def orphans(self) -> int:
        """Number of ended processes that left a child behind."""
        return sum(process.poll() is not None and _group_lives(process.pid) for process in self.processes.values())

    def _on_joints(self, message: JointState) -> None:
        self.motion.add(nanoseconds(message.header.stamp), float(np.abs(message.velocity[:7]).max()))

    def _on_status(self, message: ControllerStatus) -> None:
        ended = {(refused.publisher, refused.request): refused.reason for refused in message.refused}
        self._hear(message.reason, *(ended[request] for request in ended.keys() - self._ended))
        self._ended.update(ended)

    def _on_action(self, message: ChunkMsg) -> None:
        self._action = message if message.steps else self._action
        far = any(not abs(step.translation.y) < FARTHEST for step in message.steps)
        if self.ended_ns is None and (message.terminate or far):
            self.ended_ns = time.time_ns()

    def _on_gripper_goal(self, message: Float64) -> None:
        self._gripper_goal = message.data

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self._hear(*(status.message for status in message.status))

    def _hear(self, *sentences: str) -> None:
        for sentence in sentences:
            self.said.setdefault(sentence, time.time_ns())

    def heard_ns(self, pattern: str) -> int | None:
        """When a message that the regular expression matches first came; None: not yet."""
        return min((when for said, when in self.said.items() if re.search(pattern, said)), default=None)

    def spin(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Spins for this long, or until the condition holds; whether it does."""
        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() >= end:
                return False
            self._executor.spin_once(timeout_sec=0.02)
        return True

    def forget(self) -> None:
        """Forgets motion and messages so far."""
        self.motion = ArmMotion()
        self.said.clear()
        self.ended_ns = None

    # Faults --------------------------------------------------------------------------------------------------------

    def to_start(self) -> bool:
        """Puts a running arm back to its initial pose: a policy that is restarted in every trial swings to one side.

        False while the arm is being started, in this pose. Raises RuntimeError.
        """
        if not self._reset.service_is_ready():
            return False
        answer = self._reset.call_async(ResetScene.Request())
        if not self.spin(5.0, answer.done) or not answer.result().success:
            raise RuntimeError("The simulated arm was not put back to its initial pose.")
        return True

    def set_in_motion(self) -> None:
        """Restarts ended processes, and publishes new instructions until the arm moves. Raises RuntimeError."""
        for name in (*NODES, *SET_UPS[self._set_up].added):
            if name not in self.processes or self.processes[name].poll() is not None:
                self._start(name)
        end = time.monotonic() + START_UP
        while time.monotonic() < end:
            self._texts += 1
            self._instructions.publish(String(data=f"swing {self._texts}"))
            self.forget()
            if self.spin(3.0, lambda: self.motion.moves()):
                return
        raise RuntimeError(f"The arm did not move within {START_UP:.0f} s: {'; '.join(sorted(self.said))}")

    def tell(self, what: str) -> None:
        """Publishes a fault to policy and camera."""
        self._faults.publish(String(data=what))

    def call(self, service: str) -> None:
        """Does not wait for the answer."""
        self._clients[service].call_async(Trigger.Request())

    def release(self) -> None:
        """Releases any stop and waits for it."""
        future = self._clients["smoother_node/release"].call_async(Trigger.Request())
        self.spin(5.0, future.done)

    def flood(self, count: int) -> None:
        """Publishes this many different instructions in a second."""
        begin = time.monotonic()
        for index in range(count):
            self._instructions.publish(String(data=f"flood {self._texts} {index}"))
            time.sleep(max(0.0, begin + index / count - time.monotonic()))
        self._texts += 1

    def rival(self, seconds: float) -> None:
        """Publishes another policy's actions on the same topic, with recent stamps, for this long."""
        end = time.monotonic() + seconds
        while self._action is not None and time.monotonic() < end:
            message = copy.deepcopy(self._action)
            message.publisher, message.request = f"{NAMESPACE}/rival_node#1", self._texts
            message.steps[0].translation.x, message.steps[0].terminate = 0.01, False
            self._damaged["action"].publish(message)
            self.spin(0.1)

    def fuzz(self, count: int) -> None:
        """Publishes this many messages with truncated, changed or random bytes to policy and smoother."""
        whole = {
            "action": serialize_message(ChunkMsg(ensemble="newest", tokens=[1, 2, 3])),
            "instruction": serialize_message(String(data="pick up the red cube")),
            "seen_image": serialize_message(Image(height=2, width=2, encoding="rgb8", step=6, data=bytes(12))),
        }
        for index in range(count):
            name = self._random.choice(list(whole))
            self._damaged[name].publish(damaged(whole[name], self._random))
            if index % 10 == 0:
                self.spin(0.03)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def damaged(message: bytes, source: random.Random) -> bytes:
    """Truncated, with some bytes changed, or with random ones after the header."""
    data = bytearray(message)
    how = source.randrange(3)
    if how == 0:
        return bytes(data[: source.randrange(4, len(data))])
    if how == 1:
        for _ in range(source.randrange(1, 8)):
            data[source.randrange(4, len(data))] = source.randrange(256)
        return bytes(data)
    return bytes(data[:4]) + source.randbytes(source.randrange(1, 64))
