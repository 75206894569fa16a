"""Action clients."""

from __future__ import annotations

import threading
import time
import uuid
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from action_msgs.msg import GoalStatus
from unique_identifier_msgs.msg import UUID

from rclpy.action._entity import ActionEntity
from rclpy.callback_groups import CallbackGroup
from rclpy.client import Client
from rclpy.constants import LONGEST_WAIT_S
from rclpy.qos import QoSProfile, qos_profile_action_status_default, qos_profile_services_default, to_wire
from rclpy.subscription import Subscription
from rclpy.task import Future

if TYPE_CHECKING:
    from rclpy.node import Node

_POLL_S = 0.02
_ENDS = (GoalStatus.STATUS_SUCCEEDED, GoalStatus.STATUS_CANCELED, GoalStatus.STATUS_ABORTED)


class ClientGoalHandle:
    """A goal that the server has accepted or rejected; created by ActionClient."""

    def __init__(self, action_client: ActionClient, goal_id: Any, goal_response: Any) -> None:
        self._action_client = action_client
        self._goal_id = goal_id
        self._goal_response = goal_response
        self._status: int = GoalStatus.STATUS_UNKNOWN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClientGoalHandle) and bool(self._goal_id == other.goal_id)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ClientGoalHandle <id={self.goal_id.uuid}, accepted={self.accepted}, status={self.status}>"

    @property
    def goal_id(self) -> Any:
        """The goal's unique_identifier_msgs/UUID."""
        return self._goal_id

    @property
    def stamp(self) -> Any:
        """Time of acceptance, on the server's clock."""
        return self._goal_response.stamp

    @property
    def accepted(self) -> bool:
        """Whether the server accepted it."""
        return bool(self._goal_response.accepted)

    @property
    def status(self) -> int:
        """The latest status of the goal: one of the STATUS_ constants of action_msgs/GoalStatus."""
        return self._status

    def cancel_goal(self) -> Any:
        """Request cancellation and block until the response; an executor must spin in another thread."""
        return _wait(self.cancel_goal_async())

    def cancel_goal_async(self) -> Future[Any]:
        """Request cancellation and return the future of the response (action_msgs/CancelGoal)."""
        return self._action_client._cancel_goal_async(self)

    def get_result(self) -> Any:
        """Block until the result is available; an executor must spin in another thread."""
        return _wait(self.get_result_async())

    def get_result_async(self) -> Future[Any]:
        """Return the future of the result: its `status` and `result`."""
        return self._action_client._get_result_async(self)


class ActionClient(ActionEntity):
    """Sends goals to a server.

    Args:
        callback_group: None for the node's default group.
    """

    def __init__(
        self,
        node: Node,
        action_type: Any,
        action_name: str,
        *,
        callback_group: CallbackGroup | None = None,
        goal_service_qos_profile: QoSProfile = qos_profile_services_default,
        result_service_qos_profile: QoSProfile = qos_profile_services_default,
        cancel_service_qos_profile: QoSProfile = qos_profile_services_default,
        feedback_sub_qos_profile: QoSProfile = QoSProfile(depth=10),  # noqa: B008
        status_sub_qos_profile: QoSProfile = qos_profile_action_status_default,
    ) -> None:
        super().__init__(node, callback_group, action_type)
        self._action_name = action_name
        self._goal_handles: dict[bytes, weakref.ref[ClientGoalHandle]] = {}
        self._feedback_callbacks: dict[bytes, Callable[[Any], Any]] = {}
        travels = action_type.Impl
        self._goals = self._client(travels.SendGoalService, "send_goal", goal_service_qos_profile)
        self._cancels = self._client(travels.CancelGoalService, "cancel_goal", cancel_service_qos_profile)
        self._results = self._client(travels.GetResultService, "get_result", result_service_qos_profile)
        self._feedback = self._subscription(
            travels.FeedbackMessage, "feedback", self._on_feedback, feedback_sub_qos_profile
        )
        self._statuses = self._subscription(
            travels.GoalStatusMessage, "status", self._on_status, status_sub_qos_profile
        )
        self._parts = (self._goals, self._feedback, self._statuses, self._cancels, self._results)
        node._add_action_entity(self)

    def _client(self, service_type: Any, part: str, qos: QoSProfile) -> Client:
        node, name = self._node, self._service_name(self._action_name, part)
        impl = node.handle.create_client(name, service_type, to_wire(qos), on_data=node._wake_executor)
        return Client(node.context, impl, service_type, name, qos, self.callback_group)

    def _subscription(
        self, message_type: Any, part: str, callback: Callable[[Any], Any], qos: QoSProfile
    ) -> Subscription[Any]:
        node, name = self._node, self._topic_name(self._action_name, part)
        impl = node.handle.create_subscription(name, message_type, to_wire(qos), on_data=node._wake_executor)
        return Subscription(impl, message_type, name, callback, self.callback_group, qos, False)

    def send_goal(self, goal: Any, **kwargs: Any) -> Any:
        """Send a goal and block until its result; an executor must spin in another thread.

        Raises:
            TypeError: it is not this action's Goal.
        """
        return _wait(self.send_goal_async(goal, **kwargs)).get_result()

    def send_goal_async(
        self, goal: Any, feedback_callback: Callable[[Any], Any] | None = None, goal_uuid: Any = None
    ) -> Future[ClientGoalHandle]:
        """Send a goal and return the future of its handle, which tells whether it was accepted.

        Args:
            feedback_callback: called with each feedback message for this goal.
            goal_uuid: None for a random one.

        Raises:
            TypeError: it is not this action's Goal.
        """
        if not isinstance(goal, self._action_type.Goal):
            raise TypeError(f"{self._action_name}: expected {self._action_type.__name__}.Goal, got {type(goal)}")
        goal_id = UUID(uuid=list(uuid.uuid4().bytes)) if goal_uuid is None else goal_uuid
        key = bytes(goal_id.uuid)
        if feedback_callback is not None:
            self._feedback_callbacks[key] = feedback_callback
        handled: Future[ClientGoalHandle] = Future(executor=self._node.executor)
        answered = self._goals.call_async(self._action_type.Impl.SendGoalService.Request(goal_id=goal_id, goal=goal))
        answered.add_done_callback(lambda future: handled.set_result(self._handle(goal_id, future.result())))
        return handled

    def _handle(self, goal_id: Any, response: Any) -> ClientGoalHandle:
        handle = ClientGoalHandle(self, goal_id, response)
        key = bytes(goal_id.uuid)
        if handle.accepted:
            self._goal_handles[key] = weakref.ref(handle)
        else:
            self._feedback_callbacks.pop(key, None)
        return handle

    def _cancel_goal_async(self, goal_handle: ClientGoalHandle) -> Future[Any]:
        request = self._action_type.Impl.CancelGoalService.Request()
        request.goal_info.goal_id = goal_handle.goal_id
        return self._asked(self._cancels, request)

    def _get_result_async(self, goal_handle: ClientGoalHandle) -> Future[Any]:
        key = bytes(goal_handle.goal_id.uuid)
        request = self._action_type.Impl.GetResultService.Request(goal_id=goal_handle.goal_id)
        future = self._asked(self._results, request)
        future.add_done_callback(lambda _future: self._feedback_callbacks.pop(key, None))
        return future

    def _asked(self, client: Client, request: Any) -> Future[Any]:
        future = client.call_async(request)
        future._set_executor(self._node.executor)
        return future

    def _on_feedback(self, message: Any) -> Any:
        callback = self._feedback_callbacks.get(bytes(message.goal_id.uuid))
        return None if callback is None else callback(message)

    def _on_status(self, message: Any) -> None:
        for one in message.status_list:
            key = bytes(one.goal_info.goal_id.uuid)
            known = self._goal_handles.get(key)
            handle = None if known is None else known()
            if handle is not None:
                handle._status = one.status
            if known is not None and (handle is None or one.status in _ENDS):
                del self._goal_handles[key]

    def server_is_ready(self) -> bool:
        """Return whether a server is available with all its services and topics."""
        services = (self._goals, self._cancels, self._results)
        topics = (self._feedback, self._statuses)
        return all(one.service_is_ready() for one in services) and all(one.get_publisher_count() for one in topics)

    def wait_for_server(self, timeout_sec: float | None = None) -> bool:
        """Block until a server is available; False if there is none within `timeout_sec`."""
        end = None if timeout_sec is None else time.monotonic() + timeout_sec
        while self._node.context.ok() and not self.server_is_ready():
            if end is not None and time.monotonic() >= end:
                return False
            time.sleep(_POLL_S)
        return self.server_is_ready()


def _wait(future: Future[Any]) -> Any:
    done = threading.Event()
    future._add_waker(done.set)
    while not done.wait(LONGEST_WAIT_S):
        pass
    return future.result()
