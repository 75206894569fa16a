"""Latency from a stick to the simulated arm over topics: three processes, repeated takeovers.

python -m rt_vla_ros.live.takeover_times [--times N]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from rt_vla_ros import ros

ros.ensure()

import rclpy  # noqa: E402
from geometry_msgs.msg import TwistStamped  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Bool  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from rt_vla_ros.live.private_graph import PrivateGraph  # noqa: E402
from rt_vla_ros.msg import ControllerStatus  # noqa: E402

NAMESPACE = "/rt_vla_takeover"
PATIENCE = 60.0  # [s]
STILL, MOVES = 1e-4, 2e-3  # of the fastest joint [rad/s]
STICK_PERIOD = 0.02  # [s]


class Stick(Node):  # type: ignore[misc]
    """A human's stick, and its view of the arm. Times are of the monotonic clock [s]."""

    def __init__(self) -> None:
        super().__init__("stick", namespace=NAMESPACE)
        self.held, self.speed = False, 0.0
        self.told_at: float | None = None  # a velocity went out
        self.moved_at: float | None = None
        self.heard = False  # of the smoother
        self._fastest = np.inf
        self._twists = self.create_publisher(TwistStamped, "teleop_twist", 10)
        self._deadman = self.create_publisher(Bool, "teleop_deadman", 10)
        self.create_subscription(TwistStamped, "delta_twist_cmds", self._on_velocity, 100)
        self.create_subscription(JointState, "joint_states", self._on_joints, 100)
        self.create_subscription(ControllerStatus, "controller_status", self._on_status, 100)
        self.resume = self.create_client(Trigger, "smoother_node/resume")
        self.create_timer(STICK_PERIOD, self.say)

    def say(self) -> None:
        """Publishes repeatedly, like a driver."""
        message = TwistStamped()
        message.header.stamp, message.twist.linear.z = self.get_clock().now().to_msg(), self.speed
        self._deadman.publish(Bool(data=self.held))
        self._twists.publish(message)

    @property
    def is_still(self) -> bool:
        """Whether the arm stands still."""
        return self._fastest < STILL

    def is_still_after(self, at: float) -> bool:
        """Whether it does so, and it is later than that."""
        return self.is_still and time.monotonic() > at

    def _on_velocity(self, message: TwistStamped) -> None:
        if self.told_at is None and message.twist.linear.z != 0:
            self.told_at = time.monotonic()

    def _on_joints(self, message: JointState) -> None:
        self._fastest = float(np.abs(message.velocity[:7]).max())
        if self.moved_at is None and self._fastest > MOVES:
            self.moved_at = time.monotonic()

    def _on_status(self, _message: ControllerStatus) -> None:
        self.heard = True


def until(node: Node, condition: Callable[[], object]) -> None:
    """Raises RuntimeError if it does not come true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("The graph did not start, or the arm does not follow.")
        rclpy.spin_once(node, timeout_sec=0.005)


def measure(stick: Stick, count: int, seed: int = 0) -> np.ndarray:
    """From the stick to the command, and to the joints' motion [s], shape (count, 2)."""
    rng, times = np.random.default_rng(seed), list[tuple[float, float]]()
    until(stick, lambda: stick.heard and stick.is_still)
    for number in range(count):
        pause = time.monotonic() + rng.uniform(0.2, 0.3)  # at any phase of the ticks
        until(stick, partial(stick.is_still_after, pause))
        stick.told_at = stick.moved_at = None
        stick.held, stick.speed = True, (0.05 if number % 2 else -0.05)
        began = time.monotonic()
        stick.say()
        until(stick, lambda: stick.told_at is not None and stick.moved_at is not None)
        assert stick.told_at is not None
        assert stick.moved_at is not None
        times.append((stick.told_at - began, stick.moved_at - began))
        stick.held, stick.speed = False, 0.0
        stick.say()
        until(stick, lambda: stick.is_still)
        answer = stick.resume.call_async(Trigger.Request())
        until(stick, answer.done)
    return np.array(times)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50, metavar="N")
    count = parser.parse_args().times
    with PrivateGraph() as graph, tempfile.TemporaryDirectory() as folder:
        for name in ("sim_arm_node", "smoother_node"):
            arguments = ("--ros-args", "-r", f"__ns:={NAMESPACE}")
            graph.start(f"rt_vla_ros.nodes.{name}", *arguments, log=Path(folder) / "log")
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        stick = Stick()
        until(stick, stick.resume.service_is_ready)
        times = measure(stick, count) * 1000
        stick.destroy_node()
        rclpy.try_shutdown()
    for what, values in zip(("a velocity goes out", "a joint moves"), times.T, strict=True):
        print(
            f"from the stick until {what}: median {np.median(values):.0f} ms, largest of {count} {values.max():.0f} ms"
        )


if __name__ == "__main__":
    main()
