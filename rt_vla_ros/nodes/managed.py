"""Managed nodes: unconfigured, inactive, active; their transitions, and when a node makes them by itself."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy._rclpy_pybind11 import RCLError
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.task import Future
from std_srvs.srv import SetBool

from rt_vla_ros.nodes.parameters import Parameter, check_value
from rt_vla_ros.nodes.running import ProgramNode
from rt_vla_ros.nodes.start_error import StartError

AUTOSTART = Parameter(
    "autostart",
    True,
    "Configure and activate automatically; otherwise wait for `ros2 lifecycle set` or a lifecycle manager.",
)
SUCCESS, FAILURE, ERROR = (
    TransitionCallbackReturn.SUCCESS,
    TransitionCallbackReturn.FAILURE,
    TransitionCallbackReturn.ERROR,
)
_SLOW = {"configure": Transition.TRANSITION_CONFIGURE, "cleanup": Transition.TRANSITION_CLEANUP}


class ManagedNode(LifecycleNodeMixin, ProgramNode):  # type: ignore[misc]
    """A node that others configure, activate, deactivate, clean up and shut down; `~/enable` does the middle two.

    A subclass has AUTOSTART among its parameters, calls `start` at the end of its `__init__`, asks `is_open` before it
    does anything, and overrides those of configure, activate, deactivate and cleanup in which there is something to
    do. configure and cleanup may take long: they run in a thread of their own, one at a time, and callbacks go on.

    title: what is enabled and disabled, for the sentences. purpose: what for.
    problem: why the last configure failed, as a sentence; None if it did not.
    """

    title = "The node"
    purpose = "to execute instructions"
    problem: str | None = None

    def __init__(self, name: str) -> None:
        """The services are in their own group: one that waits for a transition keeps nothing out."""
        ProgramNode.__init__(self, name)
        self._waiting_group = ReentrantCallbackGroup()
        LifecycleNodeMixin.__init__(self, callback_group=self._waiting_group)
        self._change, self._service_change_state.callback = (
            self._service_change_state.callback,
            self._guard(self._on_change_state, "The service ~/change_state", ChangeState.Response),
        )
        self._doing = ""  # the transition that the thread is at
        self._done: Future[bool] = Future()
        self._succeeded = self._starting = self._alone = self._closed = False
        self._over = self.create_guard_condition(self._guard(self._on_over, "The end of a transition", lambda: None))
        self._changeable: dict[str, Parameter] = {}
        self._values: dict[str, Any] = {}
        self.create_service(SetBool, "~/enable", self._on_enable)

    def start(self, table: Sequence[Parameter], values: dict[str, Any]) -> None:
        """Begins the node's life: with `autostart`, on the way to active.

        table: its parameters; those that are not read_only can be changed while it is unconfigured. values: theirs,
        which are read again at each configure.
        """
        self._changeable = {parameter.name: parameter for parameter in table if not parameter.read_only}
        self._values = values
        self.add_on_set_parameters_callback(self._check_change)
        if values[AUTOSTART.name]:
            self._starting = self._alone = True
            self._transit("configure")

    # What a node does -------------------------------------------------------------------------------------------------

    def configure(self) -> None:
        """Prepares the node. Raises ValueError, OSError or StartError, with a message, if it cannot."""

    def activate(self) -> None:
        """Starts the node's work. Raises ValueError, with a message, if it cannot."""

    def deactivate(self, sentence: str) -> None:
        """Stops all motion; sentence: why. Also called if nothing moves."""

    def cleanup(self) -> None:
        """Releases what configure acquired, completely or partly."""

    # What it asks -----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """unconfigured, inactive, active or finalized; or one in between: configuring, cleaningup ..."""
        return str(self._state_machine.current_state[1])

    @property
    def is_open(self) -> bool:
        """Whether what comes is to be worked at: the node is active, or about to be by itself."""
        return not self._closed and (self._starting or self.state == "active")

    @property
    def refusal(self) -> str | None:
        """Why the node does nothing, as a sentence that says what to call; None if it is open."""
        if self.is_open:
            return None
        if self._closed:
            return f"{self.title} was shut down."
        if self.state == "inactive":
            enable = self.resolve_service_name("~/enable")
            return f"{self.title} is disabled; call {enable} {self.purpose}."
        if self.state == "unconfigured":
            return f"The node is unconfigured: `ros2 lifecycle set {self.get_fully_qualified_name()} configure`."
        return f"The node is {self.state}."

    def refuse_change(self, name: str) -> str | None:
        """Why a parameter cannot be changed though the node is unconfigured, as a sentence; None if it can."""
        return None

    @property
    def _disabled(self) -> str:
        return f"{self.title} was disabled."

    # Transitions ------------------------------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See rclpy.lifecycle."""
        self.problem = None
        self._values.update({name: self.get_parameter(name).value for name in self._changeable})
        try:
            self.configure()
        except Exception as error:
            if self._closed:
                return FAILURE
            known = isinstance(error, StartError | ValueError | OSError)
            self.problem = str(error) if known else self.callback_failed("Configuration", error)
            if self._alone:
                self.failure = self.problem
            else:
                self.get_logger().error(self.problem)
            with contextlib.suppress(Exception):
                self.cleanup()
            return FAILURE
        return SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See rclpy.lifecycle."""
        try:
            self.activate()
        except (StartError, ValueError) as error:
            self.get_logger().error(str(error))
            return FAILURE
        except Exception as error:
            self.callback_failed("Activation", error)
            return ERROR
        return LifecycleNodeMixin.on_activate(self, state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See rclpy.lifecycle."""
        return self._try("Deactivation", lambda: self.deactivate(self._disabled), state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See rclpy.lifecycle."""
        return self._try("Cleanup", self.cleanup, state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See rclpy.lifecycle; the process ends."""
        self._starting, self.finished = False, True
        return self._try("Shutdown", lambda: self.deactivate("The node was shut down."), state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See rclpy.lifecycle: what may move is stopped, and everything rebuilt by the next configure."""
        self._starting = False
        stopped = self._try("Stopping after an error", lambda: self.deactivate("A transition failed."), state)
        return SUCCESS if self._try("Cleanup after an error", self.cleanup, state) == stopped == SUCCESS else FAILURE

    def _try(self, what: str, act: Callable[[], None], state: LifecycleState) -> TransitionCallbackReturn:
        try:
            act()
        except Exception as error:
            self.callback_failed(what, error)
            return ERROR
        return SUCCESS

    def _transit(self, what: str) -> Future[bool]:
        """Whether the transition succeeds, when it is over."""
        self._doing, self._done = what, Future()
        threading.Thread(target=self._work, args=(what,), name="transition", daemon=True).start()
        return self._done

    def _work(self, what: str) -> None:
        try:
            self._succeeded = (self.trigger_configure if what == "configure" else self.trigger_cleanup)() == SUCCESS
        except Exception as error:
            self._succeeded = False
            if not self._closed:
                self.callback_failed(f"The transition {what}", error)
        with contextlib.suppress(Exception):  # the node is gone
            self._over.trigger()

    def _on_over(self) -> None:
        self._doing, starting = "", self._starting
        if starting and self.state == "inactive":
            self.trigger_activate()
        self._starting = self._alone = False
        if starting and not self.is_open:  # what began in the hope that it would be, must not go on later
            self.deactivate(self.problem or self._disabled)
        self._done.set_result(self._succeeded)

    async def _on_change_state(self, request: ChangeState.Request, response: ChangeState.Response) -> Any:
        """Any number is answered; in rclpy one that does not fit ends the node."""
        asked = request.transition
        # The label counts where both are given, as in rclpy.
        slow = next(
            (name for name, number in _SLOW.items() if asked.label == name or asked == Transition(id=number)), ""
        )
        available = {number for number, *_ in self._state_machine.available_transitions}
        if self._doing or (slow and _SLOW[slow] not in available):
            self.get_logger().warning(
                f"The transition {asked.label or asked.id} is not available: the node is {self.state}."
            )
            response.success = False
        elif slow:
            response.success = await self._transit(slow)
        else:
            try:
                response = self._change(request, response)
            except RCLError as error:
                self.get_logger().warning(
                    f"The transition {asked.id} is not available: the node is {self.state}. {error}"
                )
                response.success = False
        return response

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        response.success = True
        if not request.data:
            self._starting = False
            self.trigger_deactivate() if self.state == "active" else self.deactivate(self._disabled)
            response.success, response.message = self.state != "active", "disabled, the arm was commanded to stop"
        elif self._doing == "configure":
            self._starting, response.message = True, "enabled as soon as it is configured"
        elif self.state in ("inactive", "active"):
            response.success = self.state == "active" or self.trigger_activate() == SUCCESS
            response.message = "enabled" if response.success else "the node could not be activated, see its log"
        else:
            response.success, response.message = False, self.refusal or ""
        return response

    def _check_change(self, parameters: Sequence[Any]) -> SetParametersResult:
        for parameter in parameters:
            known = self._changeable.get(parameter.name)
            if known is None:
                continue
            if self._doing or self.state != "unconfigured":
                name = self.get_fully_qualified_name()
                reason = (
                    f"{known.name} can be changed while the node is unconfigured, and it is {self.state}: "
                    f"`ros2 lifecycle set {name} deactivate`, then `cleanup`."
                )
                return SetParametersResult(successful=False, reason=reason)
            try:
                check_value(known, parameter.value)
            except StartError as error:
                return SetParametersResult(successful=False, reason=str(error))
            if (refused := self.refuse_change(known.name)) is not None:
                return SetParametersResult(successful=False, reason=refused)
        return SetParametersResult(successful=True)

    def close(self) -> None:
        """See ProgramNode; call it first."""
        self._closed, self._starting = True, False
