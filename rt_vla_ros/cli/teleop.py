"""Move the arm with the keyboard instead of the policy; no joystick needed.

    rt-vla teleop                         # needs a running smoother_node
    rt-vla teleop --frame tool0           # in the axes of the tool

The arm moves while a key is held. The first key takes over from the policy, which resumes after p.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import TwistStamped
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Bool, Empty, Float64
from std_srvs.srv import Trigger

from rt_vla_ros.cli.stop import found, smoothers, stop_smoothers
from rt_vla_ros.cli.terminal_keys import END, Keys, raw_keys
from rt_vla_ros.control.status import State
from rt_vla_ros.msg import ControllerStatus
from rt_vla_ros.progress import Progress
from zenoh_ros.commands.errors import CliError
from zenoh_ros.commands.graph import absolute, graph_node, wait_until
from zenoh_ros.commands.numbers import positive_float
from zenoh_ros.wire.printable import printable

PERIOD = 0.05  # between two messages [s]
CALLBACKS = 4  # between two messages
LACKING = "no smoother_node was found on this graph: start it first (`rt-vla run smoother_node`)."
LISTENER = 2.0  # until somebody listens [s]
MOVES = 0.2  # for how long a key moves the arm, where it is not repeated [s]
HOLDS = 1.0  # for how long after the last key the deadman is held [s]
RESTARTED = f"The smoother was restarted: release all keys for {HOLDS:g} s to resume control."
FASTER, SLOWEST, FASTEST = 1.25, 0.1, 10.0  # of the speed that was given
DIRECTIONS = dict(zip("wsadrfouikjl", [(axis, sign) for axis in range(6) for sign in (1, -1)], strict=True))
HELP = """\
  w s   forward, back       i k   pitch           c v   close, open the gripper
  a d   left, right         o u   roll            + -   faster, slower
  r f   up, down            j l   yaw             p     resume the policy
  space stop the arm        q     quit"""


class KeyStick:
    """Keys as a joystick: centered if no key was pressed for MOVES, released if none was for HOLDS.

    Times are from any one clock [s].
    """

    def __init__(self, linear: float, angular: float) -> None:
        """Speeds at full deflection [m/s], [rad/s]."""
        self._speeds, self._factor = (linear, angular), 1.0
        self._direction: tuple[int, int] | None = None
        self._pressed = -np.inf

    def press(self, key: str, at: float) -> bool:
        """Whether the key moves the stick."""
        if key in ("+", "=", "-"):
            self._factor = float(np.clip(self._factor * FASTER ** (-1 if key == "-" else 1), SLOWEST, FASTEST))
            return True
        if key not in DIRECTIONS:
            return False
        self._direction, self._pressed = DIRECTIONS[key], at
        return True

    def touch(self, at: float) -> None:
        """Register another key that counts as holding the deadman switch."""
        self._direction, self._pressed = None, at

    def release(self) -> None:
        """Release the stick."""
        self._direction, self._pressed = None, -np.inf

    def held(self, at: float) -> bool:
        """Whether the deadman switch is held."""
        return at - self._pressed < HOLDS

    def velocity(self, at: float) -> NDArray[np.float64]:
        """Linear [m/s] and angular [rad/s], shape (6,)."""
        velocity = np.zeros(6)
        if self._direction is not None and at - self._pressed < MOVES:
            axis, sign = self._direction
            velocity[axis] = sign * self._speeds[axis >= 3] * self._factor
        return velocity


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--linear", type=positive_float, default=0.05, metavar="M/S", help="linear speed (default 0.05)"
    )
    parser.add_argument(
        "--angular", type=positive_float, default=0.3, metavar="RAD/S", help="angular speed (default 0.3)"
    )
    parser.add_argument("--frame", default="", help="TF frame of the directions (default: the smoother's teleop_frame)")
    parser.add_argument("--namespace", default="", help="namespace of the smoother (default: none)")
    parser.add_argument(
        "--use-sim-time", action="store_true", help="use simulation time from /clock, if the smoother does"
    )


def run(args: argparse.Namespace) -> int:
    """Run until q. Raises CliError without a terminal or without a smoother."""
    with raw_keys("rt-vla teleop") as keys, graph_node("rt_vla_teleop") as node:
        if args.use_sim_time:
            node.set_parameters([Parameter("use_sim_time", value=True)])
        desk = Desk(node, args)
        names = found(node, LACKING)
        desk.wait_for_listener()
        try:
            desk.run(keys, names)
        finally:
            desk.let_go()
    return 0


class Desk:
    """Turns keys into messages."""

    def __init__(self, node: Node, args: argparse.Namespace) -> None:
        self._node, self._frame = node, args.frame
        self._stick, self._progress = KeyStick(args.linear, args.angular), Progress()
        space = absolute(args.namespace).rstrip("/") if args.namespace else ""
        self._twists = node.create_publisher(TwistStamped, f"{space}/teleop_twist", 10)
        self._deadman = node.create_publisher(Bool, f"{space}/teleop_deadman", 10)
        self._gripper = node.create_publisher(Float64, f"{space}/teleop_gripper", 10)
        self._stops = node.create_publisher(Empty, f"{space}/stop", 10)
        lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        node.create_subscription(ControllerStatus, f"{space}/controller_status", self._on_status, lasting)
        self._resumes: list[Any] = []
        self._space = space
        self._session = 0  # of the smoother; 0: it has not said one

    def wait_for_listener(self) -> None:
        """Raises CliError if none appears."""
        if not wait_until(lambda: self._twists.get_subscription_count() > 0, LISTENER):
            raise CliError(
                f"no smoother listens on {self._twists.topic_name}: is its teleop_timeout 0, or is it in another "
                "--namespace?"
            )

    def run(self, keys: Keys, names: list[str]) -> None:
        """Run until q. names: of the smoothers found."""
        self._progress.line(f"Controlling {' and '.join(names)}; the arm moves while a key is held:\n{HELP}")
        while True:
            pressed = keys.within(PERIOD)
            if "q" in pressed or "\x03" in pressed or END in pressed:
                return
            self._obey(pressed, names)
            self._say()
            for _ in range(CALLBACKS):
                rclpy.spin_once(self._node, timeout_sec=0.0)

    def let_go(self) -> None:
        """Final messages: stop the motion."""
        self._stick.release()
        self._say()
        self._progress.end_line()

    def _obey(self, pressed: Iterable[str], names: list[str]) -> None:
        at = time.monotonic()
        for key in pressed:
            if key == " ":
                self._stop(names)
            elif key == "p":
                self._resume(names)
            elif key in ("c", "v"):
                self._stick.touch(at)
                self._deadman.publish(Bool(data=True))
                self._gripper.publish(Float64(data=1.0 if key == "c" else 0.0))
            else:
                self._stick.press(key, at)

    def _say(self) -> None:
        at = time.monotonic()
        message = TwistStamped()
        message.header.stamp, message.header.frame_id = self._node.get_clock().now().to_msg(), self._frame
        linear, angular = message.twist.linear, message.twist.angular
        linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = map(float, self._stick.velocity(at))
        self._deadman.publish(Bool(data=self._stick.held(at)))
        self._twists.publish(message)

    def _stop(self, names: list[str]) -> None:
        self._stick.release()
        self._stops.publish(Empty())  # at once; the services say whether it was taken
        self._progress.end_line()
        try:
            stop_smoothers(self._node, smoothers(self._node) or names)
        except CliError as error:
            self._progress.line(str(error))

    def _resume(self, names: list[str]) -> None:
        self._stick.release()
        self._say()
        for name in names:
            if name.rpartition("/")[0] == self._space:
                client = self._node.create_client(Trigger, f"{name}/resume")
                if client.wait_for_service(timeout_sec=1.0):
                    client.call_async(Trigger.Request()).add_done_callback(self._on_resumed)
                self._resumes.append(client)

    def _on_resumed(self, future: Any) -> None:
        self._progress.line(printable(future.result().message))

    def _on_status(self, status: ControllerStatus) -> None:
        if self._session and status.session and status.session != self._session:
            self._progress.line(RESTARTED)
        self._session = status.session or self._session
        state = State(status.state).name if status.state in list(State) else str(status.state)
        if status.state == State.STOPPED:
            state += " until ~/release is called"
        self._progress.update(printable(f"{state}: {status.reason}"))
