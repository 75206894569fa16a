"""A human's commands for the smoother node: `teleop_twist` with a deadman, or a joystick."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from geometry_msgs.msg import Twist, TwistStamped
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Joy
from std_msgs.msg import Bool, Float64, Header

from rt_vla_ros.action_space.frames import BASE_LINK
from rt_vla_ros.control.controller import Controller
from rt_vla_ros.control.joy_map import JoyReader, read_joy_map
from rt_vla_ros.control.status import State
from rt_vla_ros.control.takeover import TOPIC, HumanTwist, Takeover, TakeoverSettings
from rt_vla_ros.nodes.conversions import seconds, stamp_seconds, twist_from_message
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.nodes.sources import Sources
from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.nodes.transform_tree import TransformTree, rotation_of

CHECK_PERIOD = 0.1  # of who publishes [s]
STOP_BUTTON = "The stop button of the joystick was pressed."


class Teleop:
    """Feeds a Takeover. stop: latches a stop with a reason. heard: called after each received command.

    resume: gives the arm back, like the service, and returns its reply.
    """

    def __init__(
        self,
        node: GuardedNode,
        controller: Controller,
        tree: TransformTree,
        values: Mapping[str, Any],
        stop: Callable[[str], object],
        heard: Callable[[], None],
        resume: Callable[[], str],
    ) -> None:
        """values: the smoother's parameters. Raises StartError."""
        self._resume = resume
        self._node, self._controller, self._tree, self._stop, self._heard = node, controller, tree, stop, heard
        self._workspace_frame = values["workspace_frame"].lstrip("/")
        self._default_frame = values["teleop_frame"].lstrip("/") or self._workspace_frame or BASE_LINK
        settings = TakeoverSettings(values["teleop_timeout"], values["teleop_deadman"])
        self._takeover = Takeover(controller, settings, stop)
        self._simulated = bool(node.get_parameter("use_sim_time").value)
        self._reader = JoyReader(read_joy_map(_joy_map(values["joy_map"]))) if values["joy_map"] else None
        self._misfit: str | None = None  # of a joystick and its map
        newest = QoSProfile(depth=1)  # messages queued while this process was delayed would be too old
        twists = node.create_subscription(TwistStamped, "teleop_twist", self._on_twist, newest)
        unstamped = node.create_subscription(Twist, "teleop_twist_unstamped", self._on_unstamped, newest)
        sticks, switches = [twists.topic_name, unstamped.topic_name], list[str]()
        if settings.deadman == TOPIC:
            switches.append(node.create_subscription(Bool, "teleop_deadman", self._on_deadman, newest).topic_name)
        if self._reader is not None:
            joy = node.create_subscription(Joy, "joy", self._on_joy, newest).topic_name
            # A press of the stop button counts however short and old it is.
            node.create_subscription(Joy, "joy", self._on_stop_button, QoSProfile(depth=50))
            sticks, switches = [*sticks, joy], [*switches, joy]
        # After the deadman's: an executor calls them in this order where both have come.
        node.create_subscription(Float64, "teleop_gripper", self._on_gripper, newest)
        self._sources = {"The human's velocities": Sources(node, *sticks), "The deadman": Sources(node, *switches)}
        self._rivals: str | None = None
        node.create_timer(CHECK_PERIOD, self._look_for_others, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def trouble(self) -> str | None:
        """A problem with the publishers, as a sentence, even if nobody holds the deadman."""
        return self._rivals or self._misfit

    def tick(self, denied: Callable[[], str | None]) -> None:
        """To be called before each tick of the controller. denied: why the arm may not move."""
        why_not = denied() if self._takeover.held else None
        self._takeover.tick(self._now(), self._at(), denied=why_not, rivals=self._rivals, turn=self._turn)

    def resume(self) -> str | None:
        """Why the policy may not act again, as a sentence; None if it may."""
        return self._takeover.resume(self._now())

    def _now(self) -> float:
        return seconds(int(self._node.get_clock().now().nanoseconds))

    def _at(self) -> float:
        """While a simulation waits, nobody counts as silent."""
        return self._now() if self._simulated else time.monotonic()

    def _turn(self, twist: HumanTwist) -> tuple[NDArray[np.float64], str] | str:
        """Transforms to the axes in which the arm is commanded: those of the actions, or of the walls."""
        source = twist.frame_id.lstrip("/") or self._default_frame
        target = self._controller.frame_id or self._workspace_frame or source
        if source == target.lstrip("/"):
            return twist.velocity, target
        placed = self._tree.lookup(target, source)
        if isinstance(placed, str):
            return f"The operator's command in the frame {source!r} cannot be executed: {placed}."
        return (twist.velocity.reshape(2, 3) @ rotation_of(placed.transform).T).ravel(), target

    def _on_twist(self, message: TwistStamped) -> None:
        stamp = stamp_seconds(message.header.stamp)
        given = twist_from_message(message)
        velocity = np.concatenate([given.linear, given.angular])
        self._take("teleop_twist", HumanTwist(velocity, given.frame_id, stamp, self._now() - stamp))

    def _on_unstamped(self, message: Twist) -> None:
        given = twist_from_message(TwistStamped(header=Header(), twist=message))
        velocity = np.concatenate([given.linear, given.angular])
        self._take("teleop_twist_unstamped", HumanTwist(velocity, "", self._now()))

    def _on_deadman(self, message: Bool) -> None:
        self._takeover.hold(message.data, self._at())
        self._heard()

    def _on_gripper(self, message: Float64) -> None:
        self._drop("teleop_gripper", self._takeover.gripper(message.data))

    def _on_joy(self, message: Joy) -> None:
        assert self._reader is not None
        self._misfit = self._reader.map.refuse(len(message.axes), len(message.buttons))
        if self._misfit is not None:
            self._drop("joy", self._misfit)
            return
        command = self._reader.read(message.axes, message.buttons)
        self._takeover.hold(command.held, self._at())
        stamp = stamp_seconds(message.header.stamp)
        twist = HumanTwist(command.velocity, self._reader.map.frame_id, stamp, self._now() - stamp)
        if command.held:
            self._take("joy", twist)
            if command.gripper is not None:
                self._takeover.gripper(command.gripper)
        elif command.resume and (stale := self._takeover.refuse(twist)) is not None:
            self._drop("joy", stale)
        elif command.resume:
            self._node.get_logger().info(f"The joystick's button: {self._resume()}.")
            self._heard()

    def _on_stop_button(self, message: Joy) -> None:
        assert self._reader is not None
        if self._reader.map.stops(message.buttons) and self._controller.state is not State.STOPPED:
            self._stop(STOP_BUTTON)

    def _take(self, topic: str, twist: HumanTwist) -> None:
        self._drop(topic, self._takeover.twist(twist, self._at()))
        self._heard()

    def _drop(self, topic: str, problem: str | None) -> None:
        if problem is not None:
            self._node.drop(topic, problem)

    def _look_for_others(self) -> None:
        self._rivals = None
        for what, sources in self._sources.items():
            names = sources.several()
            if names:
                self._rivals = f"{what} come{'s' * (what == 'The deadman')} from {len(names)} publishers, "
                self._rivals += f"{' and '.join(names)}: stop all but one."
                return


def make_teleop(
    node: GuardedNode,
    controller: Controller,
    tree: TransformTree,
    values: Mapping[str, Any],
    stop: Callable[[str], object],
    heard: Callable[[], None],
    resume: Callable[[], str],
) -> Teleop | None:
    """None if teleop_timeout is 0. See Teleop. Raises StartError."""
    if values["teleop_timeout"] == 0:
        return None
    try:
        return Teleop(node, controller, tree, values, stop, heard, resume)
    except (ValueError, OSError) as error:
        raise StartError(f"Invalid parameters of the smoother: {error}.") from error


def _joy_map(given: str) -> Path:
    """A path, or the name of a map in config/joy."""
    if Path(given).is_file():
        return Path(given)
    try:
        folder = Path(get_package_share_directory("rt_vla_ros")) / "config" / "joy"
    except PackageNotFoundError:
        folder = Path()
    known = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if given not in known:
        raise ValueError(f"joy_map is {given!r}, expected an existing file or one of {', '.join(known) or 'none'}")
    return known[given]
