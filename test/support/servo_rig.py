"""A bridge to Servo between a Servo that is played and a smoother that is played, or the real one."""

from __future__ import annotations

import time
from typing import Any

import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile
from rt_vla_ros.msg import ArmStatus, ControllerStatus
from std_msgs.msg import String
from support.node_bench import NodeBench
from support.servo_stand_in import StandInServo

from rt_vla_ros.control.status import State
from rt_vla_ros.nodes.servo_bridge_node import ServoBridgeNode


class PlayedLimits:
    """A smoother's node, of which only the parameters count."""

    def __init__(self, bench: NodeBench, **changed: float) -> None:
        self.node = bench.add(rclpy.create_node("smoother_node"))
        values = {"max_linear_velocity": 0.3, "max_angular_velocity": 1.0, "command_rate": 50.0} | changed
        for name, value in values.items():
            self.node.declare_parameter(name, value)


class ServoRig:
    """servo: None where none is started. limits: of the smoother that is played; None where there is none."""

    def __init__(self, bench: NodeBench, *, servo: StandInServo | None, limits: bool = True) -> None:
        self.bench, self.servo = bench, servo
        if limits:
            self.limits = PlayedLimits(bench)
        if servo is not None:
            bench.add(servo)
        self.statuses: list[ArmStatus] = bench.listen(ArmStatus, "arm_status")
        self.node = bench.add(ServoBridgeNode())
        lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.smoother = bench.publisher(ControllerStatus, "controller_status", lasting)
        self.instructions = bench.publisher(String, "instruction")

    def until_ready(self) -> None:
        self.bench.until(lambda: self.statuses and self.statuses[-1].ready, f"never ready: {self.said}")

    def until_said(self, words: str) -> float:
        """Until it is not ready for this reason; how long that took [s]."""
        begun = time.monotonic()
        self.bench.until(lambda: words in self.said, f"never said {words!r}, but {self.said!r}")
        assert not self.statuses[-1].ready
        return time.monotonic() - begun

    @property
    def said(self) -> str:
        return self.statuses[-1].reason if self.statuses else ""

    def smooth(self, state: State, *, commanding: bool = False, commander: str = "") -> None:
        """What the smoother says of itself."""
        self.smoother.publish(ControllerStatus(state=int(state), commanding=commanding, commander=commander))

    def keep_on(self, state: State, condition: Any, *, commanding: bool = False) -> None:
        """The smoother says so all the time, until something is so."""

        def said() -> Any:
            self.smooth(state, commanding=commanding)
            return condition()

        self.bench.until(said)
