"""The gripper interfaces of arms, action servers and a topic, behind one protocol."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from rt_vla_ros.arms.gripper_goals import GoalOutcome, GripperGoals
from rt_vla_ros.nodes.start_error import StartError


class GripperServer(Protocol):
    """Sends goals and reports their results to GripperGoals. name: of the action or topic, as on the graph."""

    name: str

    def ready(self) -> bool:
        """Whether a server is available."""

    def send(self, number: int, closed: float) -> None:
        """Sends a goal, 0 open ... 1 closed."""

    def cancel(self) -> None:
        """Cancels the last goal."""


class TopicGripper:
    """Publishes positions, as ros2_control's forward_command_controller takes them: there is no result."""

    def __init__(self, node: Node, goals: GripperGoals, settings: Mapping[str, Any]) -> None:
        self._goals, self._settings = goals, settings
        self._publisher = node.create_publisher(Float64MultiArray, settings["server"], 10)
        self.name = self._publisher.topic_name

    def ready(self) -> bool:
        """See GripperServer."""
        return bool(self._publisher.get_subscription_count() > 0)

    def send(self, number: int, closed: float) -> None:
        """See GripperServer."""
        self._publisher.publish(Float64MultiArray(data=[position(self._settings, closed)]))
        self._goals.ended(number, GoalOutcome.REACHED)

    def cancel(self) -> None:
        """There is nothing to cancel."""


class ActionGripper:
    """Sends goals to action servers.

    choose: the client for a goal, by whether it closes, and the goal. read: interprets a result.
    """

    def __init__(
        self,
        name: str,
        goals: GripperGoals,
        clients: tuple[ActionClient, ...],
        choose: Callable[[float, bool], tuple[ActionClient, Any]],
        read: Callable[[Any], tuple[GoalOutcome, str]],
    ) -> None:
        self._goals, self._clients, self._choose, self._read = goals, clients, choose, read
        self._handle: Any = None
        self._cancel_number = 0  # a goal that is to be canceled as soon as it is accepted
        self._number = 0
        self.name = name

    def ready(self) -> bool:
        """See GripperServer."""
        return all(client.server_is_ready() for client in self._clients)

    def send(self, number: int, closed: float) -> None:
        """See GripperServer."""
        client, goal = self._choose(closed, self._goals.closing)
        self._number, self._handle = number, None
        client.send_goal_async(goal).add_done_callback(lambda future: self._answered(number, future))

    def cancel(self) -> None:
        """See GripperServer."""
        self._cancel_number = self._number
        if self._handle is not None:
            self._handle.cancel_goal_async()

    def _answered(self, number: int, future: Future) -> None:
        handle = future.result()
        if handle is None or not handle.accepted:
            self._goals.rejected(number)
            return
        if number == self._number:
            self._handle = handle
        if number == self._cancel_number:
            handle.cancel_goal_async()
        handle.get_result_async().add_done_callback(lambda result: self._ended(number, result))

    def _ended(self, number: int, future: Future) -> None:
        answer = future.result()
        if answer is None:
            self._goals.ended(number, GoalOutcome.FAILED, "it returned no result")
        elif answer.status == GoalStatus.STATUS_CANCELED:
            self._goals.ended(number, GoalOutcome.CANCELED)
        else:
            outcome, said = self._read(answer.result)
            self._goals.ended(number, outcome, said)


def position(settings: Mapping[str, Any], closed: float) -> float:
    """0 open ... 1 closed -> the joint's position or the gap's width [m] or [rad]."""
    return float(settings["open_position"] + closed * (settings["closed_position"] - settings["open_position"]))


def _read_command(result: Any) -> tuple[GoalOutcome, str]:
    if result.reached_goal:
        return GoalOutcome.REACHED, ""
    if result.stalled:
        return GoalOutcome.STALLED, ""
    return GoalOutcome.FAILED, "it neither reached the goal nor stalled"


def _read_franka(result: Any) -> tuple[GoalOutcome, str]:
    return (GoalOutcome.REACHED if result.success else GoalOutcome.FAILED), result.error


def _parallel_gripper(node: Node, goals: GripperGoals, settings: Mapping[str, Any]) -> GripperServer:
    action = action_type("control_msgs", "ParallelGripperCommand", "ros2_control's gripper controllers")
    client = ActionClient(node, action, settings["server"])

    def choose(closed: float, _closing: bool) -> tuple[ActionClient, Any]:
        command = JointState(name=[settings["joint"]], position=[position(settings, closed)])
        if settings["max_velocity"] > 0:
            command.velocity = [settings["max_velocity"]]
        if settings["max_effort"] > 0:
            command.effort = [settings["max_effort"]]
        return client, action.Goal(command=command)

    return ActionGripper(node.resolve_topic_name(settings["server"]), goals, (client,), choose, _read_command)


def _gripper_command(node: Node, goals: GripperGoals, settings: Mapping[str, Any]) -> GripperServer:
    action = action_type("control_msgs", "GripperCommand", "gripper controllers")
    client = ActionClient(node, action, settings["server"])

    def choose(closed: float, _closing: bool) -> tuple[ActionClient, Any]:
        goal = action.Goal()
        goal.command.position, goal.command.max_effort = position(settings, closed), settings["max_effort"]
        return client, goal

    return ActionGripper(node.resolve_topic_name(settings["server"]), goals, (client,), choose, _read_command)


def _franka(node: Node, goals: GripperGoals, settings: Mapping[str, Any]) -> GripperServer:
    """Grasp where it closes, with any width of an object; Move where it opens."""
    grasp = action_type("franka_msgs", "Grasp", "franka_ros2's gripper")
    move = action_type("franka_msgs", "Move", "franka_ros2's gripper")
    clients = (
        ActionClient(node, grasp, f"{settings['server']}/grasp"),
        ActionClient(node, move, f"{settings['server']}/move"),
    )

    def choose(closed: float, closing: bool) -> tuple[ActionClient, Any]:
        width, speed = position(settings, closed), settings["max_velocity"]
        if not closing:
            return clients[1], move.Goal(width=width, speed=speed)
        goal = grasp.Goal(width=width, speed=speed, force=settings["max_effort"])
        goal.epsilon.inner = goal.epsilon.outer = abs(settings["open_position"] - settings["closed_position"])
        return clients[0], goal

    return ActionGripper(node.resolve_topic_name(settings["server"]), goals, clients, choose, _read_franka)


_MAKERS = {
    "parallel_gripper_command": _parallel_gripper,
    "gripper_command": _gripper_command,
    "franka": _franka,
    "topic": TopicGripper,
}


def make_gripper_server(node: Node, goals: GripperGoals, settings: Mapping[str, Any]) -> GripperServer:
    """What the parameters `kind` and `server` name. Raises StartError if its action's package is not installed."""
    make: Callable[[Node, GripperGoals, Mapping[str, Any]], GripperServer] = _MAKERS[settings["kind"]]
    return make(node, goals, settings)


def action_type(package: str, name: str, of: str) -> Any:
    """An action's class. Raises StartError, with what to install, where its package is not there."""
    try:
        return getattr(importlib.import_module(f"{package}.action"), name)
    except ImportError as error:
        debian = f"ros-$ROS_DISTRO-{package.replace('_', '-')}"
        raise StartError(
            f"{name} of {of} is defined in {package}, which is not installed: sudo apt install {debian} ({error})."
        ) from error
