"""An arm that stands still and says where: its description, its joint states and the pose of its tip."""

from __future__ import annotations

from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from support.node_bench import NodeBench
from support.smoother_rig import transform
from tf2_ros import StaticTransformBroadcaster

from rt_vla_ros.arms.panda_urdf import NAMES, READY, TIP, panda_urdf
from rt_vla_ros.nodes.conversions import time_message

PANDA = panda_urdf(shapes=True)


class PlayedArm:
    """positions: of its joints. silent: no joint states are sent."""

    def __init__(self, bench: NodeBench) -> None:
        self.positions, self.silent = list(READY), False
        self._node = bench.world
        lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._descriptions = self._node.create_publisher(String, "robot_description", lasting)
        self._semantics = self._node.create_publisher(String, "robot_description_semantic", lasting)
        self._states = self._node.create_publisher(JointState, "joint_states", 10)
        self._node.create_timer(0.02, self._on_tick, clock=Clock(clock_type=ClockType.STEADY_TIME))
        tip = transform("panda_link0", TIP)
        tip.transform.translation.x, tip.transform.translation.z = 0.307, 0.59
        self._frames = StaticTransformBroadcaster(self._node)
        self._frames.sendTransform([transform("base_link", "panda_link0"), tip])

    def describe(self, urdf: str = PANDA) -> None:
        self._descriptions.publish(String(data=urdf))

    def disable(self, *pairs: tuple[str, str]) -> None:
        """An SRDF."""
        lines = "".join(f'<disable_collisions link1="{one}" link2="{two}" reason="Never"/>' for one, two in pairs)
        self._semantics.publish(String(data=f'<robot name="panda">{lines}</robot>'))

    def _on_tick(self) -> None:
        if not self.silent:
            message = JointState(name=list(NAMES), position=list(self.positions))
            message.header.stamp = time_message(self._node.get_clock().now().nanoseconds)
            self._states.publish(message)
