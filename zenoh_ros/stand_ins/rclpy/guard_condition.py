"""Guard conditions: any thread can trigger them to make an executor call their callback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.context import Context
from rclpy.utilities import get_default_context


class GuardCondition:
    """Created by Node.create_guard_condition."""

    def __init__(
        self,
        callback: Callable[[], Any] | None,
        callback_group: CallbackGroup | None,
        context: Context | None = None,
        *,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._context = context or get_default_context()
        self.callback = callback
        self.callback_group = callback_group
        self._wake = wake
        self._triggered = False
        self._destroyed = False

    def trigger(self) -> None:
        """Request one call of the callback; several triggers before it count as one."""
        self._triggered = True
        self._wake()

    def destroy(self) -> None:
        """Destroy the guard condition."""
        self._destroyed = True

    def _is_ready(self) -> bool:
        return self._triggered and not self._destroyed

    def _take(self) -> Callable[[], Any] | None:
        self._triggered = False
        return self.callback
