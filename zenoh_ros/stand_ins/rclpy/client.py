"""Service clients."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.constants import LONGEST_WAIT_S
from rclpy.context import Context
from rclpy.qos import QoSProfile
from rclpy.task import Future
from zenoh_ros.wire import service as wire

_POLL_S = 0.02


class Client:
    """A client of a service; created by Node.create_client.

    Responses arrive while the node's executor spins. A request waits until its service is available.
    """

    def __init__(
        self,
        context: Context,
        client_impl: wire.Client,
        srv_type: Any,
        srv_name: str,
        qos_profile: QoSProfile,
        callback_group: CallbackGroup,
    ) -> None:
        self.context = context
        self._impl = client_impl
        self.srv_type = srv_type
        self.srv_name = srv_name
        self.qos_profile = qos_profile
        self.callback_group = callback_group
        self._pending: dict[int, Future[Any]] = {}
        self._lock = threading.Lock()
        self._destroyed = False

    def call(self, request: Any, timeout_sec: float | None = None) -> Any:
        """Send a request and block until the response; an executor must spin in another thread.

        Raises:
            TypeError: it is not this service's request.
            TimeoutError: no response within `timeout_sec`.
        """
        answered = threading.Event()
        future = self.call_async(request)
        future._add_waker(answered.set)
        end = None if timeout_sec is None else time.monotonic() + timeout_sec
        while not answered.wait(
            LONGEST_WAIT_S if end is None else min(LONGEST_WAIT_S, max(0.0, end - time.monotonic()))
        ):
            if end is not None and time.monotonic() >= end:
                self.remove_pending_request(future)
                raise TimeoutError()
        return future.result()

    def call_async(self, request: Any) -> Future[Any]:
        """Send a request and return the future of the response.

        Raises:
            TypeError: it is not this service's request.
        """
        if not isinstance(request, self.srv_type.Request):
            raise TypeError(f"{self.service_name}: expected {self.srv_type.__name__}.Request, got {type(request)}")
        future: Future[Any] = Future()
        with self._lock:  # held until the future is registered, because the response may arrive first
            self._pending[self._impl.send(request)] = future
        future.add_done_callback(self.remove_pending_request)
        return future

    def get_pending_request(self, sequence_number: int) -> Future[Any]:
        """Return the future of a request; KeyError if it is not pending."""
        with self._lock:
            return self._pending[sequence_number]

    def remove_pending_request(self, future: Future[Any]) -> None:
        """Stop waiting for a response."""
        with self._lock:
            for sequence, other in list(self._pending.items()):
                if other is future:
                    del self._pending[sequence]
                    self._impl.forget(sequence)

    def service_is_ready(self) -> bool:
        """Return whether the service is available."""
        return self._impl.service_is_ready

    def wait_for_service(self, timeout_sec: float | None = None) -> bool:
        """Block until the service is available; False if it is not within `timeout_sec`."""
        end = None if timeout_sec is None else time.monotonic() + timeout_sec
        while self.context.ok() and not self.service_is_ready():
            if end is not None and time.monotonic() >= end:
                return False
            time.sleep(_POLL_S)
        return self.service_is_ready()

    @property
    def service_name(self) -> str:
        """The service's fully qualified name."""
        return self._impl.key.name

    @property
    def handle(self) -> wire.Client:
        """The underlying client of zenoh_ros.wire."""
        return self._impl

    def destroy(self) -> None:
        """Destroy the client."""
        self._impl.close()

    def _is_ready(self) -> bool:
        return self._impl.pending > 0

    def _take(self) -> Callable[[], Any] | None:
        taken = self._impl.take()
        if taken is None:
            return None
        response, sequence = taken
        with self._lock:
            future = self._pending.pop(sequence, None)
        return None if future is None else partial(future.set_result, response)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: Any) -> None:
        self.destroy()
