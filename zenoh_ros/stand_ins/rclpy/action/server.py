"""Action servers."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from action_msgs.msg import GoalInfo, GoalStatus

from rclpy._rclpy_pybind11 import RCLError
from rclpy.action._entity import ActionEntity, Requests, settled
from rclpy.action._goal import GoalEvent, ServerGoalHandle
from rclpy.callback_groups import CallbackGroup
from rclpy.constants import S_TO_NS
from rclpy.qos import QoSProfile, qos_profile_action_status_default, qos_profile_services_default, to_wire
from rclpy.task import Future

if TYPE_CHECKING:
    from rclpy.node import Node

__all__ = ["ActionServer", "CancelResponse", "GoalEvent", "GoalResponse", "ServerGoalHandle"]


class GoalResponse(Enum):
    """Whether a goal is accepted."""

    REJECT = 1
    ACCEPT = 2


class CancelResponse(Enum):
    """Whether a goal may be canceled."""

    REJECT = 1
    ACCEPT = 2


def default_handle_accepted_callback(goal_handle: ServerGoalHandle) -> None:
    """Execute the goal at once."""
    goal_handle.execute()


def default_goal_callback(goal_request: Any) -> GoalResponse:
    """Accept every goal."""
    return GoalResponse.ACCEPT


def default_cancel_callback(cancel_request: ServerGoalHandle) -> CancelResponse:
    """Reject every cancel request."""
    return CancelResponse.REJECT


class ActionServer(ActionEntity):
    """Accepts goals, executes them and returns their results.

    Args:
        execute_callback: called with a ServerGoalHandle; returns the Result; may be a coroutine.
        goal_callback: called with a Goal; returns a GoalResponse; may be a coroutine.
        handle_accepted_callback: called with the ServerGoalHandle of an accepted goal; by default executes it.
        cancel_callback: called with a ServerGoalHandle; returns a CancelResponse; by default rejects.
        result_timeout: how long a result is available after the goal's end [s].
    """

    def __init__(
        self,
        node: Node,
        action_type: Any,
        action_name: str,
        execute_callback: Callable[[ServerGoalHandle], Any],
        *,
        callback_group: CallbackGroup | None = None,
        goal_callback: Callable[[Any], Any] | None = default_goal_callback,
        handle_accepted_callback: Callable[[ServerGoalHandle], Any] | None = default_handle_accepted_callback,
        cancel_callback: Callable[[ServerGoalHandle], Any] | None = default_cancel_callback,
        goal_service_qos_profile: QoSProfile = qos_profile_services_default,
        result_service_qos_profile: QoSProfile = qos_profile_services_default,
        cancel_service_qos_profile: QoSProfile = qos_profile_services_default,
        feedback_pub_qos_profile: QoSProfile = QoSProfile(depth=10),  # noqa: B008
        status_pub_qos_profile: QoSProfile = qos_profile_action_status_default,
        result_timeout: float = 900,
    ) -> None:
        super().__init__(node, callback_group, action_type)
        self.register_handle_accepted_callback(handle_accepted_callback)
        self.register_goal_callback(goal_callback)
        self.register_cancel_callback(cancel_callback)
        self.register_execute_callback(execute_callback)
        self._result_timeout_ns = int(result_timeout * S_TO_NS)
        self._goal_handles: dict[bytes, ServerGoalHandle] = {}
        self._result_futures: dict[bytes, Future[Any]] = {}
        self._lock = threading.Lock()
        self._destroyed = False
        self._logger = node.get_logger().get_child("action_server")
        travels = action_type.Impl
        names = {part: self._topic_name(action_name, part) for part in ("feedback", "status")}
        self._feedback = node.handle.create_publisher(
            names["feedback"], travels.FeedbackMessage, to_wire(feedback_pub_qos_profile)
        )
        self._statuses = node.handle.create_publisher(
            names["status"], travels.GoalStatusMessage, to_wire(status_pub_qos_profile)
        )

        def requests(service_type: Any, part: str, qos: QoSProfile, handle: Callable[[Any, Any], Any]) -> Requests:
            name, wake = self._service_name(action_name, part), node._wake_executor
            return Requests(node.handle.create_service(name, service_type, to_wire(qos), on_data=wake), handle)

        self._parts = (
            requests(travels.SendGoalService, "send_goal", goal_service_qos_profile, self._on_goal),
            requests(travels.CancelGoalService, "cancel_goal", cancel_service_qos_profile, self._on_cancel),
            requests(travels.GetResultService, "get_result", result_service_qos_profile, self._on_result_wanted),
        )
        node._add_action_entity(self)

    @property
    def action_type(self) -> Any:
        """The action class."""
        return self._action_type

    def register_handle_accepted_callback(self, handle_accepted_callback: Callable[..., Any] | None) -> None:
        """Set the callback for accepted goals; None for the default."""
        self._handle_accepted_callback = handle_accepted_callback or default_handle_accepted_callback

    def register_goal_callback(self, goal_callback: Callable[..., Any] | None) -> None:
        """Set the callback that accepts or rejects goals; None for the default."""
        self._goal_callback = goal_callback or default_goal_callback

    def register_cancel_callback(self, cancel_callback: Callable[..., Any] | None) -> None:
        """Set the callback that accepts or rejects cancel requests; None for the default."""
        self._cancel_callback = cancel_callback or default_cancel_callback

    def register_execute_callback(self, execute_callback: Callable[..., Any]) -> None:
        """Set the callback that executes goals.

        Raises:
            TypeError: it is not callable.
        """
        if not callable(execute_callback):
            raise TypeError("Failed to register goal execution callback: not callable")
        self._execute_callback = execute_callback

    def notify_execute(
        self, goal_handle: ServerGoalHandle, execute_callback: Callable[[ServerGoalHandle], Any] | None
    ) -> None:
        """Execute a goal while the node's executor spins; its result is the callback's return value."""
        executor = self._node.executor
        assert executor is not None, "an executor must spin the node"
        executor.create_task(self._execute, execute_callback or self._execute_callback, goal_handle)

    def notify_goal_done(self) -> None:
        """Does nothing: expired goals are removed at the next request."""

    def destroy(self) -> None:
        """Remove the server from the graph; running goals get no result."""
        self._destroyed = True
        super().destroy()
        for handle in self._goal_handles.values():
            handle.destroy()
        self._result_futures = {}
        self._feedback.close()
        self._statuses.close()

    async def _on_goal(self, request: Any, header: Any) -> None:
        self._forget_old()
        key = bytes(request.goal_id.uuid)
        accepted = False
        if key not in self._goal_handles:
            response = await settled(self._goal_callback(request.goal))
            if isinstance(response, GoalResponse):
                accepted = response is GoalResponse.ACCEPT
            else:
                self._logger.warning("Goal request callback did not return a GoalResponse type. Rejecting goal.")
        info = GoalInfo(goal_id=request.goal_id)
        if accepted:
            info.stamp = self._node.get_clock().now().to_msg()
            with self._lock:
                accepted = key not in self._goal_handles  # one with this id may have arrived meanwhile
                if accepted:
                    self._goal_handles[key] = ServerGoalHandle(self, info, request.goal)
                    self._result_futures[key] = Future()
        response_type = self._action_type.Impl.SendGoalService.Response
        self._reply(header, response_type(accepted=accepted, stamp=info.stamp))
        if accepted:
            await settled(self._handle_accepted_callback(self._goal_handles[key]))

    async def _execute(self, callback: Callable[[ServerGoalHandle], Any], goal_handle: ServerGoalHandle) -> None:
        key = bytes(goal_handle.goal_id.uuid)
        try:
            result = await settled(callback(goal_handle))
        except Exception as error:
            result = self._action_type.Result()
            self._logger.error(f"Error raised in execute callback: {error}")
            traceback.print_exc()
        if goal_handle.is_active:
            self._logger.warning(f"Goal state not set, assuming aborted. Goal ID: {goal_handle.goal_id.uuid}")
            goal_handle.abort()
        response = self._action_type.Impl.GetResultService.Response(status=goal_handle.status, result=result)
        future = self._result_futures.get(key)
        if future is not None:
            future.set_result(response)

    async def _on_cancel(self, request: Any, header: Any) -> None:
        response = self._action_type.Impl.CancelGoalService.Response()
        meant = self._meant(request.goal_info, response)
        canceling = []
        for handle in meant:
            answer = await settled(self._cancel_callback(handle))
            if answer is CancelResponse.ACCEPT and self._begin_to_cancel(handle):
                canceling.append(handle._goal_info)
        response.goals_canceling = canceling
        self._reply(header, response)

    def _begin_to_cancel(self, handle: ServerGoalHandle) -> bool:
        """False if the goal ended while the cancel callback ran."""
        try:
            handle._update_state(GoalEvent.CANCEL_GOAL)
        except RCLError:
            return False
        return True

    def _meant(self, info: Any, response: Any) -> list[ServerGoalHandle]:
        """The goals selected by a cancel request (see action_msgs/CancelGoal); sets the response's return code."""
        key, stamp_ns = bytes(info.goal_id.uuid), _nanoseconds(info.stamp)
        with self._lock:
            handles = list(self._goal_handles.values())
            one = self._goal_handles.get(key)
        cancelable = [handle for handle in handles if handle._is_cancelable]
        if any(key) and not stamp_ns:
            if one is None:
                response.return_code = response.ERROR_UNKNOWN_GOAL_ID
            elif one not in cancelable:
                response.return_code = response.ERROR_GOAL_TERMINATED
            return [handle for handle in cancelable if handle is one]
        if not any(key) and not stamp_ns:
            return cancelable
        return [handle for handle in cancelable if handle is one or _nanoseconds(handle._goal_info.stamp) <= stamp_ns]

    def _on_result_wanted(self, request: Any, header: Any) -> None:
        self._forget_old()
        future = self._result_futures.get(bytes(request.goal_id.uuid))
        if future is None:
            unknown = self._action_type.Impl.GetResultService.Response(status=GoalStatus.STATUS_UNKNOWN)
            self._reply(header, unknown)
        else:
            future.add_done_callback(lambda done: self._reply(header, done.result()))

    def _reply(self, header: Any, response: Any) -> None:
        if not self._destroyed and self._node.context.ok():
            header.reply(response)

    def _publish_status(self) -> None:
        with self._lock:
            handles = list(self._goal_handles.values())
        statuses = [GoalStatus(goal_info=handle._goal_info, status=handle.status) for handle in handles]
        if not self._destroyed and self._node.context.ok():
            self._statuses.publish(self._action_type.Impl.GoalStatusMessage(status_list=statuses))

    def _now_ns(self) -> int:
        return self._node.get_clock().now().nanoseconds

    def _forget_old(self) -> None:
        """Goals that ended more than `result_timeout` ago."""
        before = self._now_ns() - self._result_timeout_ns
        with self._lock:
            for key, handle in list(self._goal_handles.items()):
                if handle._ended_ns is not None and handle._ended_ns < before:
                    handle.destroy()
                    del self._goal_handles[key], self._result_futures[key]


def _nanoseconds(stamp: Any) -> int:
    return int(stamp.sec) * S_TO_NS + int(stamp.nanosec)
