"""ros2_control and a robot_state_publisher that are played: a joint group controller, its manager, its joint states."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
from controller_manager_msgs.msg import ControllerState
from controller_manager_msgs.srv import ListControllers, SwitchController
from geometry_msgs.msg import TwistStamped
from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile
from rt_vla_ros.msg import ArmStatus
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String
from support.node_bench import NodeBench

from rt_vla_ros.arms.panda_urdf import NAMES, READY, panda_urdf
from rt_vla_ros.nodes.conversions import time_message
from rt_vla_ros.nodes.ros2_control_bridge_node import Ros2ControlBridgeNode

STEP = 0.02  # [s]
TYPES = {
    "position": "position_controllers/JointGroupPositionController",
    "velocity": "velocity_controllers/JointGroupVelocityController",
}


class PlayedRos2Control:
    """Its joints follow the commands at once; what a velocity moves is integrated by the wall's clock.

    position: of the joints. commands: all that came. silent: no joint states are sent. spoiled: what they say instead
    of a joint's position, by its number. age: of their stamps [s].
    """

    def __init__(
        self,
        bench: NodeBench,
        interface: str,
        name: str,
        *,
        state: str = "active",
        joints: tuple[str, ...] = NAMES,
        kind: str = "",
    ) -> None:
        self._node, self._interface, self._joints = bench.world, interface, joints
        self.controller = ControllerState(name=name, state=state, type=kind or TYPES[interface])
        self.controller.required_command_interfaces = [f"{joint}/{interface}" for joint in joints]
        self.others: list[ControllerState] = []
        self.switches: list[tuple[list[str], list[str]]] = []
        self.position = np.array(READY)
        self._velocity = np.zeros(len(READY))
        self.commands: list[np.ndarray] = []
        self.silent, self.age, self.spoiled = False, 0.0, dict[int, float]()
        bench.world.create_service(ListControllers, "controller_manager/list_controllers", self._on_list)
        bench.world.create_service(SwitchController, "controller_manager/switch_controller", self._on_switch)
        self._states = bench.world.create_publisher(JointState, "joint_states", 10)
        self._node.create_subscription(Float64MultiArray, f"{name}/commands", self._on_command, 10)
        self._node.create_timer(STEP, self._on_tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_list(self, _request: Any, response: Any) -> Any:
        active = self.controller.state == "active"
        self.controller.claimed_interfaces = self.controller.required_command_interfaces if active else []
        response.controller = [self.controller, *self.others]
        return response

    def _on_switch(self, request: Any, response: Any) -> Any:
        activate, deactivate = list(request.activate_controllers), list(request.deactivate_controllers)
        self.switches.append((activate, deactivate))
        for one in (self.controller, *self.others):
            one.state = "active" if one.name in activate else "inactive" if one.name in deactivate else one.state
            one.claimed_interfaces = one.claimed_interfaces if one.state == "active" else []
        response.ok = True
        return response

    def _on_command(self, message: Float64MultiArray) -> None:
        command = np.array(message.data)
        assert np.isfinite(command).all()
        self.commands.append(command)
        if self.controller.state != "active":
            return
        if self._interface == "position":
            self.position = command
        else:
            self._velocity = command

    def _on_tick(self) -> None:
        self.position = self.position + STEP * self._velocity
        if self.silent:
            return
        message = JointState(name=[*self._joints, "panda_finger_joint1"])
        message.header.stamp = time_message(self._node.get_clock().now().nanoseconds - round(self.age * 1e9))
        said = [self.spoiled.get(number, position) for number, position in enumerate(self.position.tolist())]
        message.position = [*said, 0.02]
        self._states.publish(message)


class BridgeRig:
    """A bridge between a smoother and a ros2_control that are played."""

    def __init__(self, bench: NodeBench, interface: str, urdf: str = "", **options: Any) -> None:
        self.bench, self.interface = bench, interface
        name = f"forward_{interface}_controller"
        self.arm = PlayedRos2Control(bench, interface, name, **options)
        self.statuses = bench.listen(ArmStatus, "arm_status")
        lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._descriptions = bench.world.create_publisher(String, "robot_description", lasting)
        self.describe(urdf or panda_urdf())
        self.node = bench.add(Ros2ControlBridgeNode())
        self.smoother = bench.publisher(TwistStamped, "delta_twist_cmds")

    def describe(self, urdf: str) -> None:
        self._descriptions.publish(String(data=urdf))

    def until_ready(self) -> None:
        self.bench.until(lambda: self.statuses and self.statuses[-1].ready, "it does not become ready")

    def until_not_ready(self, words: str) -> str:
        """The reason."""

        def said() -> bool:
            return bool(self.statuses) and not self.statuses[-1].ready and words in self.statuses[-1].reason

        self.bench.until(said, f"it does not say {words!r}: {self.statuses[-1:]}")
        return str(self.statuses[-1].reason)

    def send(self, *twist: float, frame: str = "panda_link0", age: float = 0.0) -> None:
        """One velocity."""
        message = TwistStamped()
        message.header.frame_id = frame
        message.header.stamp = time_message(self.node.get_clock().now().nanoseconds - round(age * 1e9))
        linear, angular = message.twist.linear, message.twist.angular
        linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = map(float, twist)
        self.smoother.publish(message)

    def drive(self, *twist: float, seconds: float = 0.5, **options: Any) -> None:
        for _ in range(round(seconds / 0.02)):
            self.send(*twist, **options)
            self.bench.spin_for(0.02)


POSE = """
import json, sys
import numpy as np, pinocchio as pin
urdf, tip, poses = json.loads(sys.stdin.read())
model = pin.buildModelFromXML(urdf)
data, frame = model.createData(), model.getFrameId(tip)
told = []
for position in poses:
    pin.framesForwardKinematics(model, data, np.array(position))
    told.append(data.oMf[frame].homogeneous.tolist())
print(json.dumps(told))
"""


def tip_poses(positions: list[np.ndarray], urdf: str = "", tip: str = "panda_link8") -> np.ndarray:
    """Homogeneous transforms of the tip by Pinocchio, in a process of its own, shape (n, 4, 4)."""
    text = json.dumps([urdf or panda_urdf(), tip, [position.tolist() for position in positions]])
    done = subprocess.run([sys.executable, "-c", POSE], input=text, capture_output=True, text=True, check=True)
    return np.array(json.loads(done.stdout))
