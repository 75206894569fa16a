"""Another node's parameters, read by its service and read again when asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python

from rt_vla_ros.nodes.service_request import ServiceRequest


class RemoteParameters:
    """Times are of a steady clock [s].

    name: of the other node; one without a slash is in the namespace of this one. service: for the sentences.
    values: as last read, None for a parameter that the node does not have; None before the first answer.
    """

    def __init__(self, node: Node, name: str, names: Sequence[str]) -> None:
        self._names = list(names)
        client = node.create_client(GetParameters, f"{name}/get_parameters")
        self.service = node.resolve_service_name(f"{name}/get_parameters")
        self._request = ServiceRequest(
            lambda _value: client.call_async(GetParameters.Request(names=self._names)),
            lambda _answer: True,
            client.remove_pending_request,
        )
        self.values: Mapping[str, Any] | None = None

    def reset(self) -> None:
        """Forgets what was read."""
        self._request.reset()
        self.values = None

    def ask(self, now: float) -> None:
        """Reads them again."""
        self._request.ask(True, now)

    def look(self, now: float) -> bool:
        """Whether an answer came; to be called often."""
        if not self._request.look(now) or self._request.answer is None:
            return False
        read = [parameter_value_to_python(value) for value in self._request.answer.values]
        # rclcpp answers with none at all where it does not have one of them.
        complete = len(read) == len(self._names)
        self.values = dict(zip(self._names, read, strict=True)) if complete else dict.fromkeys(self._names)
        return True

    def waiting(self, now: float) -> float:
        """Time without an answer [s]."""
        return self._request.waiting(now)
