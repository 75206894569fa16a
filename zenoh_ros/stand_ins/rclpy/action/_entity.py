"""Common base of action clients and servers: several endpoints, scheduled as one entity by an executor."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from rclpy.callback_groups import CallbackGroup

if TYPE_CHECKING:
    from rclpy.node import Node


class Part(Protocol):
    """An endpoint: ready if data is queued; `_take` turns the oldest into a call."""

    def _is_ready(self) -> bool: ...

    def _take(self) -> Callable[[], Any] | None: ...

    def destroy(self) -> None: ...


class Requests:
    """The requests of a service; `handle` is called with each and its reply object, and may be a coroutine."""

    def __init__(self, impl: Any, handle: Callable[[Any, Any], Any]) -> None:
        self._impl = impl
        self._handle = handle

    def _is_ready(self) -> bool:
        return bool(self._impl.pending)

    def _take(self) -> Callable[[], Any] | None:
        taken = self._impl.take()
        return None if taken is None else partial(self._handle, *taken)

    def destroy(self) -> None:
        """Close the endpoint."""
        self._impl.close()


class ActionEntity:
    """The endpoints of one action; an executor takes one item of each per turn."""

    def __init__(self, node: Node, callback_group: CallbackGroup | None, action_type: Any) -> None:
        if not hasattr(action_type, "Impl"):
            raise TypeError(f"{action_type!r} is not an action class; import it from <package>.action")
        self._node = node
        self._action_type = action_type
        self._parts: tuple[Part, ...] = ()
        self.callback_group = callback_group or node.default_callback_group

    def _service_name(self, action_name: str, part: str) -> str:
        return self._node.resolve_service_name(f"{action_name}/_action/{part}")

    def _topic_name(self, action_name: str, part: str) -> str:
        return self._node.resolve_topic_name(f"{action_name}/_action/{part}")

    def _is_ready(self) -> bool:
        return any(part._is_ready() for part in self._parts)

    def _take(self) -> Callable[[], Any] | None:
        calls = [call for part in self._parts if part._is_ready() and (call := part._take()) is not None]
        return partial(_call_all, calls) if calls else None

    def destroy(self) -> None:
        """Remove it from the graph."""
        self._node._remove_action_entity(self)
        for part in self._parts:
            part.destroy()


def _call_all(calls: Sequence[Callable[[], Any]]) -> Any:
    """Calls the functions in order, as a coroutine from the first one that has to wait."""
    for index, call in enumerate(calls):
        result = call()
        if inspect.isawaitable(result):
            return _call_on(result, calls[index + 1 :])
    return None


async def _call_on(first: Any, calls: Sequence[Callable[[], Any]]) -> None:
    await first
    for call in calls:
        await settled(call())


async def settled(result: Any) -> Any:
    """The result of a callback, awaited if it is a coroutine."""
    return await result if inspect.isawaitable(result) else result
