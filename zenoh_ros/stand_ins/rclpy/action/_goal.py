"""A goal on the server side, and its states."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from action_msgs.msg import GoalStatus

from rclpy._rclpy_pybind11 import RCLError

if TYPE_CHECKING:
    from rclpy.action.server import ActionServer


class GoalEvent(Enum):
    """Events that change the state of a goal."""

    EXECUTE = 1
    CANCEL_GOAL = 2
    SUCCEED = 3
    ABORT = 4
    CANCELED = 5


_ACCEPTED, _EXECUTING = GoalStatus.STATUS_ACCEPTED, GoalStatus.STATUS_EXECUTING
_CANCELING = GoalStatus.STATUS_CANCELING
_NEXT = {
    (_ACCEPTED, GoalEvent.EXECUTE): _EXECUTING,
    (_ACCEPTED, GoalEvent.CANCEL_GOAL): _CANCELING,
    (_EXECUTING, GoalEvent.CANCEL_GOAL): _CANCELING,
    (_EXECUTING, GoalEvent.SUCCEED): GoalStatus.STATUS_SUCCEEDED,
    (_EXECUTING, GoalEvent.ABORT): GoalStatus.STATUS_ABORTED,
    (_CANCELING, GoalEvent.SUCCEED): GoalStatus.STATUS_SUCCEEDED,
    (_CANCELING, GoalEvent.ABORT): GoalStatus.STATUS_ABORTED,
    (_CANCELING, GoalEvent.CANCELED): GoalStatus.STATUS_CANCELED,
}
_NAMES = {
    getattr(GoalStatus, name): name.removeprefix("STATUS_") for name in dir(GoalStatus) if name.startswith("STATUS_")
}


class ServerGoalHandle:
    """An accepted goal; created by ActionServer. Its methods are thread-safe."""

    def __init__(self, action_server: ActionServer, goal_info: Any, goal_request: Any) -> None:
        self._action_server = action_server
        self._goal_info = goal_info
        self._goal_request = goal_request
        self._status: int = _ACCEPTED
        self._ended_ns: int | None = None  # on the node's clock
        self._destroyed = False
        self._lock = threading.Lock()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ServerGoalHandle) and bool(self.goal_id == other.goal_id)

    __hash__ = None  # type: ignore[assignment]

    @property
    def request(self) -> Any:
        """The goal message."""
        return self._goal_request

    @property
    def goal_id(self) -> Any:
        """The goal's unique_identifier_msgs/UUID."""
        return self._goal_info.goal_id

    @property
    def is_active(self) -> bool:
        """Whether the goal is not in a terminal state yet."""
        return not self._destroyed and self._status in (_ACCEPTED, _EXECUTING, _CANCELING)

    @property
    def is_cancel_requested(self) -> bool:
        """Whether a cancel request was accepted and the goal has not ended yet."""
        return self.status == _CANCELING

    @property
    def status(self) -> int:
        """One of the STATUS_ constants of action_msgs/GoalStatus."""
        return GoalStatus.STATUS_UNKNOWN if self._destroyed else self._status

    @property
    def _is_cancelable(self) -> bool:
        return self.status in (_ACCEPTED, _EXECUTING)

    def execute(self, execute_callback: Callable[[ServerGoalHandle], Any] | None = None) -> None:
        """Execute the goal by the server's callback, or by this one, while its node's executor spins."""
        if not self.is_cancel_requested:
            self._update_state(GoalEvent.EXECUTE)
        self._action_server.notify_execute(self, execute_callback)

    def publish_feedback(self, feedback: Any) -> None:
        """Publish feedback to the clients.

        Raises:
            TypeError: it is not this action's Feedback.
        """
        action_type = self._action_server.action_type
        if not isinstance(feedback, action_type.Feedback):
            raise TypeError(f"expected {action_type.__name__}.Feedback, got {type(feedback)}")
        if not self._destroyed:
            message = action_type.Impl.FeedbackMessage(goal_id=self.goal_id, feedback=feedback)
            self._action_server._feedback.publish(message)

    def succeed(self) -> None:
        """Set the state to succeeded."""
        self._update_state(GoalEvent.SUCCEED)

    def abort(self) -> None:
        """Set the state to aborted."""
        self._update_state(GoalEvent.ABORT)

    def canceled(self) -> None:
        """Set the state to canceled."""
        self._update_state(GoalEvent.CANCELED)

    def destroy(self) -> None:
        """Destroy the goal handle."""
        self._destroyed = True

    def _update_state(self, event: GoalEvent) -> None:
        """Raises RCLError for an invalid transition."""
        with self._lock:
            if self._destroyed:
                return
            following = _NEXT.get((self._status, event))
            if following is None:
                raise RCLError(
                    f"goal_handle attempted invalid transition from state {_NAMES[self._status]} with event "
                    f"{event.name}"
                )
            self._status = following
            if not self.is_active:
                self._ended_ns = self._action_server._now_ns()
        self._action_server._publish_status()
