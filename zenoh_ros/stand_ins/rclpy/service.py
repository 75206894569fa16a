"""Services."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.qos import QoSProfile
from zenoh_ros.wire import service as wire


class Service:
    """A service server; created by Node.create_service."""

    def __init__(
        self,
        service_impl: wire.Service,
        srv_type: Any,
        srv_name: str,
        callback: Callable[[Any, Any], Any],
        callback_group: CallbackGroup,
        qos_profile: QoSProfile,
    ) -> None:
        self._impl = service_impl
        self.srv_type = srv_type
        self.srv_name = srv_name
        self.callback = callback
        self.callback_group = callback_group
        self.qos_profile = qos_profile

    @property
    def service_name(self) -> str:
        """The service's fully qualified name."""
        return self._impl.key.name

    @property
    def handle(self) -> wire.Service:
        """The underlying service of zenoh_ros.wire."""
        return self._impl

    def send_response(self, response: Any, header: wire.Request) -> None:
        """Send the response to a request.

        Raises:
            TypeError: it is not this service's response.
        """
        if not isinstance(response, self.srv_type.Response):
            raise TypeError(
                f"the callback of the service {self.service_name} returned {type(response).__name__}; "
                f"expected the response that it was given"
            )
        header.reply(response)

    def destroy(self) -> None:
        """Destroy the service."""
        self._impl.close()

    def _is_ready(self) -> bool:
        return self._impl.pending > 0

    def _take(self) -> Callable[[], Any] | None:
        taken = self._impl.take()
        return None if taken is None else partial(self._answer, *taken)

    def _answer(self, request: Any, header: wire.Request) -> Coroutine[Any, Any, None] | None:
        result = self.callback(request, self.srv_type.Response())
        if hasattr(result, "__await__"):
            return self._answer_later(result, header)
        self.send_response(result, header)
        return None

    async def _answer_later(self, result: Any, header: wire.Request) -> None:
        self.send_response(await result, header)

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: Any) -> None:
        self.destroy()
