"""A node that survives exceptions in its callbacks: they are counted, logged and reported."""

from __future__ import annotations

import functools
import inspect
import time
import traceback
from collections.abc import Callable
from typing import Any, TypeAlias

from rclpy.node import Node

Callback: TypeAlias = Callable[..., Any]
LOG_AGAIN = 10.0  # [s] until the same thing is logged again, and until /diagnostics forgets the last failure


class GuardedNode(Node):  # type: ignore[misc]
    """Guards the callbacks of its subscriptions, services and timers, also those that rclpy makes for itself.

    An exception in a callback ends `spin` in rclpy, and with it the process that holds an arm.

    callbacks_failed: how many callbacks raised an exception. messages_dropped: how many messages could not be used.
    """

    def __init__(self, name: str, **options: Any) -> None:
        """See rclpy."""
        self.callbacks_failed = self.messages_dropped = 0
        self._failure: tuple[float, str] | None = None
        self._logged: dict[str, float] = {}
        super().__init__(name, **options)

    @property
    def recent_failure(self) -> str | None:
        """The failure of a callback in the last 10 s, as a sentence."""
        if self._failure is None or time.monotonic() - self._failure[0] > LOG_AGAIN:
            return None
        return self._failure[1]

    def drop(self, topic: str, why: str) -> None:
        """Counts a message that cannot be used, and logs the reason, for each topic at most once in 10 s."""
        self.messages_dropped += 1
        self._log(topic, f"Dropped a message on {topic}: {why}")

    def callback_failed(self, where: str, error: Exception) -> str:
        """Counts and logs an exception, and gives the sentence; `where` says in which callback."""
        last = traceback.extract_tb(error.__traceback__)[-1]
        reason = " ".join(str(error).split())[:300].encode(errors="replace").decode()  # a file's name may be no UTF-8
        sentence = f"{where} failed: {type(error).__name__}: {reason} ({last.name}, line {last.lineno})."
        self.callbacks_failed += 1
        self._failure = (time.monotonic(), sentence)
        self._log(where, sentence)
        return sentence

    def _log(self, key: str, sentence: str) -> None:
        now = time.monotonic()
        if now - self._logged.get(key, -LOG_AGAIN) >= LOG_AGAIN:
            self._logged[key] = now
            self.get_logger().error(sentence)

    def create_subscription(
        self, msg_type: Any, topic: str, callback: Callable[..., Any], *args: Any, **named: Any
    ) -> Any:
        """See rclpy."""
        guarded = self._guard(callback, f"The callback of the topic {topic}", lambda: None)
        return super().create_subscription(msg_type, topic, guarded, *args, **named)

    def create_service(
        self, srv_type: Any, srv_name: str, callback: Callable[..., Any], *args: Any, **named: Any
    ) -> Any:
        """See rclpy; a request whose callback fails is answered with what a response is at first: no success."""
        guarded = self._guard(callback, f"The service {srv_name}", srv_type.Response)
        return super().create_service(srv_type, srv_name, guarded, *args, **named)

    def create_timer(self, timer_period_sec: float, callback: Callback | None, *args: Any, **named: Any) -> Any:
        """See rclpy."""
        guarded = callback and self._guard(callback, f"The timer {getattr(callback, '__name__', '')}", lambda: None)
        return super().create_timer(timer_period_sec, guarded, *args, **named)

    def _guard(self, callback: Callback, where: str, otherwise: Callable[[], Any]) -> Callback:
        """The callback, which returns what `otherwise` returns if it fails."""

        def failed(error: Exception) -> Any:
            self.callback_failed(where, error)
            return otherwise()

        @functools.wraps(callback)
        def guarded(*args: Any) -> Any:
            try:
                return callback(*args)
            except Exception as error:
                return failed(error)

        @functools.wraps(callback)
        async def guarded_coroutine(*args: Any) -> Any:
            try:
                return await callback(*args)
            except Exception as error:
                return failed(error)

        return guarded_coroutine if inspect.iscoroutinefunction(callback) else guarded
