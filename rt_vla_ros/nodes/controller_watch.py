"""Polls ros2_control's controller manager for whether the controller accepts our commands."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.clock import Clock, ClockType

from rt_vla_ros.arms.controller_check import ListedController, judge
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.nodes.start_error import StartError

POLL_PERIOD, ASK_PERIOD = 0.2, 1.0  # [s]
# After this time [s] without an answer the state is unknown, and a pending request is sent again.
ANSWER_TIMEOUT = 5.0
SWITCH_AGAIN = 5.0  # [s]
TAKEN = "It was deactivated by another client: the bridge does not activate it again."


def controller_services() -> Any:
    """The module controller_manager_msgs.srv. Raises StartError if it is not installed."""
    try:
        import controller_manager_msgs.srv as services
    except ImportError as error:
        raise StartError(
            f"The messages of ros2_control are not installed ({error}): "
            "sudo apt install ros-$ROS_DISTRO-controller-manager-msgs"
        ) from error
    return services


class ControllerWatch:
    """problem: why the controller takes no commands, as a sentence; None while it takes them.

    warning: what is dangerous about the controller though it takes them, as a sentence.
    """

    def __init__(
        self, node: GuardedNode, manager: str, controller: str, interface: str, *, may_switch: Callable[[], bool]
    ) -> None:
        """manager: the controller manager's name. may_switch: whether the controller is activated where it is not,
        until it was active once: who deactivates it then has taken the arm over.

        Raises StartError without ros2_control's messages.
        """
        services = controller_services()
        self._node, self._name, self._interface, self._switching = node, controller, interface, may_switch
        self._list_type, self._switch_type = services.ListControllers, services.SwitchController
        self._list = node.create_client(self._list_type, f"{manager}/list_controllers")
        self._switch = node.create_client(self._switch_type, f"{manager}/switch_controller")
        # As the user would write it behind `-c`.
        self._manager = str(node.resolve_service_name(f"{manager}/list_controllers")).rpartition("/")[0]
        self._joints: tuple[str, ...] = ()
        self._asked: tuple[Any, float] | None = None  # the future, and when
        self._answered = self._switched = float("-inf")
        self._verdict: str | None = "The controller manager has not been queried yet."
        self._switch_problem = ""
        self._was_active = False
        self.warning: str | None = None
        node.create_timer(POLL_PERIOD, self._poll, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def problem(self) -> str | None:
        """See the class."""
        if time.monotonic() - self._answered > ANSWER_TIMEOUT:
            return f"No controller manager answers at {self._manager!r}: is ros2_control_node running?"
        return self._verdict

    def watch(self, joints: Sequence[str]) -> None:
        """Starts watching. joints: in the order of the commands."""
        self._joints, self._answered = tuple(joints), float("-inf")
        self._drop()

    def _poll(self) -> None:
        now = time.monotonic()
        if self._asked is not None:
            future, since = self._asked
            if future.done():
                self._asked = None
                self._answered = now
                self._judge(future.result(), now)
            elif now - since > ANSWER_TIMEOUT:
                self._drop()
        elif self._joints and now - self._answered >= ASK_PERIOD and self._list.service_is_ready():
            self._asked = self._list.call_async(self._list_type.Request()), now

    def _drop(self) -> None:
        if self._asked is not None:
            self._list.remove_pending_request(self._asked[0])
            self._asked = None

    def _judge(self, response: Any, now: float) -> None:
        listed = [
            ListedController(
                one.name, one.state, one.type, tuple(one.claimed_interfaces), tuple(one.required_command_interfaces)
            )
            for one in response.controller
        ]
        verdict = judge(listed, self._name, self._joints, self._interface, self._manager)
        self._verdict = verdict.problem
        if verdict.warning is not None and verdict.warning != self.warning:
            self._node.get_logger().warning(verdict.warning)
        self.warning = verdict.warning
        if verdict.problem is None:
            self._switch_problem, self._was_active = "", True
        elif self._switching() and verdict.activate and self._was_active:
            self._verdict = f"{verdict.problem} {TAKEN}"
        elif self._switching() and verdict.activate:
            self._verdict = f"{verdict.problem} {self._switch_problem}".rstrip()
            if now - self._switched >= SWITCH_AGAIN and self._switch.service_is_ready():
                self._switched = now
                self._ask_to_switch(verdict.activate, verdict.deactivate)

    def _ask_to_switch(self, activate: Sequence[str], deactivate: Sequence[str]) -> None:
        request = self._switch_type.Request(
            activate_controllers=list(activate),
            deactivate_controllers=list(deactivate),
            strictness=self._switch_type.Request.STRICT,
        )
        request.timeout.sec = int(SWITCH_AGAIN)
        less = f", deactivating {', '.join(deactivate)}" if deactivate else ""
        self._node.get_logger().info(f"Activating the controller {self._name}{less}.")
        self._switch.call_async(request).add_done_callback(self._on_switched)

    def _on_switched(self, future: Any) -> None:
        response = future.result()
        if response is not None and not response.ok:
            said = getattr(response, "message", "")  # humble has none
            self._switch_problem = f"The controller manager rejected the switch{': ' if said else ''}{said}"
        self._answered = min(self._answered, time.monotonic() - ASK_PERIOD)
