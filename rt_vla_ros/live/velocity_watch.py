"""Receives the velocity commands of a graph's arm in a thread, with times of this machine's clock."""

from __future__ import annotations

import contextlib
import threading
import time

import rclpy
from geometry_msgs.msg import TwistStamped
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from rt_vla_ros.srv import ResetScene

MOVING = 1e-4  # [m/s] or [rad/s], above which the arm moves
FRESH = 0.5  # age of a command that still counts [s]


class VelocityWatch:
    """Initializes rclpy. speeds: when a command came, Unix time [s], and its largest part [m/s] or [rad/s]."""

    def __init__(self, name: str) -> None:
        """name: of its node, `node`, to which more may be added before anything is received."""
        rclpy.init(args=[])
        self.node = Node(name)
        self.speeds: list[tuple[float, float]] = []
        self.node.create_subscription(TwistStamped, "delta_twist_cmds", self._on_twist, 100)
        self._resets = self.node.create_client(ResetScene, "sim_arm_node/reset_scene")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._over = False
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leaves the graph."""
        self._over = True
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown()

    def lay_scene(self, instruction: str, longest: float) -> bool:
        """Resets the arm to its home pose with an empty gripper. Whether that succeeded within `longest` [s]."""
        if not self._resets.wait_for_service(timeout_sec=longest):
            return False
        future = self._resets.call_async(ResetScene.Request(seed=0, instruction=instruction))
        deadline = time.monotonic() + longest
        while not future.done() and time.monotonic() < deadline:
            time.sleep(0.02)
        return bool(future.done())

    def still_after(self, at: float) -> float | None:
        """When zero velocity was first commanded after this time, None if not yet. Unix times [s]."""
        return next((when for when, speed in self.speeds if when > at and speed == 0.0), None)

    @property
    def moves(self) -> bool:
        """Whether the newest command moves the arm."""
        return bool(self.speeds) and self.speeds[-1][1] > MOVING and time.time() - self.speeds[-1][0] < FRESH

    def _on_twist(self, message: TwistStamped) -> None:
        linear, angular = message.twist.linear, message.twist.angular
        values = (linear.x, linear.y, linear.z, angular.x, angular.y, angular.z)
        self.speeds.append((time.time(), max(map(abs, values))))

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):  # this process was interrupted
            while not self._over:
                self._executor.spin_once(timeout_sec=0.05)
