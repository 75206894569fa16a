"""Processes of the benchmarks: `python -m rt_vla_ros.live.bench_nodes camera|echo|policy|robot --ros-args ...`.

camera: VGA images at 30 Hz, and a transform that has the frame of the actions. robot: another camera, joint states and
TF at 100 Hz, for the recorder. echo: a minimal subscriber/publisher baseline, answers every image. policy: the real
policy node with a policy that acts on every third image, never ends, and reports its inference time in `plan`.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from array import array
from typing import NoReturn

from rt_vla_ros import ros

ros.ensure()

from geometry_msgs.msg import TransformStamped, TwistStamped  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import Image, JointState  # noqa: E402
from tf2_ros import StaticTransformBroadcaster, TransformBroadcaster  # noqa: E402

from rt_vla_ros.action_space.card import ActionCard  # noqa: E402
from rt_vla_ros.action_space.chunk import ActionChunk  # noqa: E402
from rt_vla_ros.action_space.frames import BASE_LINK  # noqa: E402
from rt_vla_ros.benchmarks.recorded_scene import (  # noqa: E402
    BASE,
    HEIGHT,
    IMAGE_RATE,
    JOINT_NAMES,
    STATE_RATE,
    TIP,
    WIDTH,
    moving_pictures,
    tip_at,
)
from rt_vla_ros.nodes.policy_node import PolicyNode  # noqa: E402
from rt_vla_ros.nodes.running import ProgramNode, end_process, run  # noqa: E402
from rt_vla_ros.observations.observation import Observation  # noqa: E402
from rt_vla_ros.policies.policy import Policy  # noqa: E402

WRIST = "wrist_image"  # topic of the second camera
ACTION_RATE = 10.0  # three images for each action, so that the newest one is always there when the policy is free
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class MovingPictures:
    """Publishes the images of a moving camera, stamped on publication."""

    def __init__(self, node: ProgramNode, topic: str, seed: int) -> None:
        self._node = node
        self._images = [
            Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH, data=array("B", one.tobytes()))
            for one in moving_pictures(seed)
        ]
        self._sent = 0
        self._publisher = node.create_publisher(Image, topic, NEWEST)
        node.create_timer(1 / IMAGE_RATE, self._on_timer)

    def _on_timer(self) -> None:
        image = self._images[self._sent % len(self._images)]
        self._sent += 1
        image.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(image)


class BenchCamera(ProgramNode):
    """The policy's camera, and the frame of the actions in TF: the smoother refuses frames unknown to TF."""

    def __init__(self) -> None:
        super().__init__("bench_camera")
        self._pictures = MovingPictures(self, "image", seed=0)
        transform = TransformStamped(child_frame_id=BASE_LINK)
        transform.header.frame_id = "world"
        self._transforms = StaticTransformBroadcaster(self)
        self._transforms.sendTransform(transform)


class BenchRobot(ProgramNode):
    """Further topics for a recorder: a second camera, and the joints and the tip of a moving arm."""

    def __init__(self) -> None:
        super().__init__("bench_robot")
        self._pictures = MovingPictures(self, WRIST, seed=1)
        self._joints = self.create_publisher(JointState, "joint_states", 10)
        self._transforms = TransformBroadcaster(self)
        self.create_timer(1 / STATE_RATE, self._on_timer)

    def _on_timer(self) -> None:
        now = self.get_clock().now()
        joints = JointState(name=list(JOINT_NAMES), position=[0.1] * len(JOINT_NAMES))
        tip = TransformStamped(child_frame_id=TIP)
        tip.header.frame_id = BASE
        tip.transform.translation.x, tip.transform.translation.z = tip_at(1e-9 * now.nanoseconds), 0.2
        tip.transform.rotation.w = 1.0
        joints.header.stamp = tip.header.stamp = now.to_msg()
        self._joints.publish(joints)
        self._transforms.sendTransform(tip)


class BenchEcho(ProgramNode):
    """Answers every image with a twist that carries its stamp."""

    def __init__(self) -> None:
        super().__init__("bench_echo")
        self._publisher = self.create_publisher(TwistStamped, "echo", 10)
        self.create_subscription(Image, "image", self._on_image, NEWEST)

    def _on_image(self, message: Image) -> None:
        answer = TwistStamped()
        answer.header.stamp = message.header.stamp
        self._publisher.publish(answer)


class Stopwatch:
    """A policy that never ends and reports in `plan` how long each step took [ns]."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.name = policy.name
        self.card: ActionCard = dataclasses.replace(policy.card, control_rate=ACTION_RATE)

    def reset(self, instruction: str) -> None:
        """See policies.policy.Policy."""
        self._policy.reset(instruction)

    def act(self, observation: Observation) -> ActionChunk:
        """See policies.policy.Policy."""
        started = time.monotonic_ns()
        chunk = self._policy.act(observation)
        steps = tuple(dataclasses.replace(step, terminate=False) for step in chunk.steps)
        took = str(time.monotonic_ns() - started)
        return dataclasses.replace(chunk, steps=steps, period=1 / ACTION_RATE, plan=took)


class BenchPolicyNode(PolicyNode):
    """The real policy node with a test policy."""

    def _load_policy(self) -> Policy:
        return Stopwatch(super()._load_policy())


def main() -> NoReturn:
    """The program."""
    end_process(
        run({"camera": BenchCamera, "echo": BenchEcho, "policy": BenchPolicyNode, "robot": BenchRobot}[sys.argv.pop(1)])
    )


if __name__ == "__main__":
    main()
