"""The processes of `rt-vla bench node`: `python -m rt_vla_ros.live.bench_nodes camera|echo|policy --ros-args ...`.

camera: VGA images at 30 Hz, and a transform that has the frame of the actions. echo: the plainest subscriber and
publisher, answers every image. policy: the real policy node with a policy that acts on every third image, never ends,
and says in `plan` how long it thought.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from array import array
from typing import NoReturn

import numpy as np

from rt_vla_ros import ros

ros.ensure()

from geometry_msgs.msg import TransformStamped, TwistStamped  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from tf2_ros import StaticTransformBroadcaster  # noqa: E402

from rt_vla_ros.action_space.card import ActionCard  # noqa: E402
from rt_vla_ros.action_space.chunk import ActionChunk  # noqa: E402
from rt_vla_ros.action_space.frames import BASE_LINK  # noqa: E402
from rt_vla_ros.nodes.policy_node import PolicyNode  # noqa: E402
from rt_vla_ros.nodes.running import ProgramNode, end_process, run  # noqa: E402
from rt_vla_ros.observations.observation import Observation  # noqa: E402
from rt_vla_ros.policies.policy import Policy  # noqa: E402

WIDTH, HEIGHT, RATE = 640, 480, 30.0
ACTION_RATE = 10.0  # three images for each action, so that the newest one is always there when the policy is free
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class BenchCamera(ProgramNode):
    """Publishes noise, of which one pixel changes from image to image, stamped when it is published."""

    def __init__(self) -> None:
        super().__init__("bench_camera")
        pixels = np.random.default_rng(0).integers(0, 256, HEIGHT * WIDTH * 3, np.uint8)
        self._image = Image(
            height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH, data=array("B", pixels.tobytes())
        )
        self._publisher = self.create_publisher(Image, "image", NEWEST)
        transform = TransformStamped(child_frame_id=BASE_LINK)  # the smoother refuses frames that TF does not know
        transform.header.frame_id = "world"
        self._transforms = StaticTransformBroadcaster(self)
        self._transforms.sendTransform(transform)
        self.create_timer(1 / RATE, self._on_timer)

    def _on_timer(self) -> None:
        self._image.data[0] ^= 1  # one that changed in nothing would count as frozen
        self._image.header.stamp = self.get_clock().now().to_msg()
        self._publisher.publish(self._image)


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
    """A policy that never ends and tells in `plan` how long each step took [ns]."""

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
    """The policy node as it is, but for the policy."""

    def _load_policy(self) -> Policy:
        return Stopwatch(super()._load_policy())


def main() -> NoReturn:
    """The program."""
    end_process(run({"camera": BenchCamera, "echo": BenchEcho, "policy": BenchPolicyNode}[sys.argv.pop(1)]))


if __name__ == "__main__":
    main()
