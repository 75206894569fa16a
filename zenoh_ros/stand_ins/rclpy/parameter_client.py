"""Access to another node's parameters by its services."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from rcl_interfaces.msg import Parameter as ParameterMsg
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)

from rclpy.callback_groups import CallbackGroup
from rclpy.client import Client
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_dict_from_yaml_file
from rclpy.qos import QoSProfile, qos_profile_services_default
from rclpy.task import Future

_POLL_S = 0.02
Callback = Callable[[Any], Any]


class AsyncParameterClient:
    """Gets and sets the parameters of `remote_node_name`; all responses are futures."""

    def __init__(
        self,
        node: Node,
        remote_node_name: str,
        qos_profile: QoSProfile = qos_profile_services_default,
        callback_group: CallbackGroup | None = None,
    ) -> None:
        self.remote_node_name = remote_node_name
        self.node = node
        self._clients: dict[Any, Client] = {
            srv_type: node.create_client(
                srv_type, f"{remote_node_name}/{name}", qos_profile=qos_profile, callback_group=callback_group
            )
            for srv_type, name in (
                (DescribeParameters, "describe_parameters"),
                (GetParameters, "get_parameters"),
                (GetParameterTypes, "get_parameter_types"),
                (ListParameters, "list_parameters"),
                (SetParameters, "set_parameters"),
                (SetParametersAtomically, "set_parameters_atomically"),
            )
        }

    def services_are_ready(self) -> bool:
        """Return whether all six services of the node are available."""
        return all(client.service_is_ready() for client in self._clients.values())

    def wait_for_services(self, timeout_sec: float | None = None) -> bool:
        """Block until they are available; False if they are not within `timeout_sec`."""
        end = None if timeout_sec is None else time.monotonic() + timeout_sec
        while not self.services_are_ready():
            if end is not None and time.monotonic() >= end:
                return False
            time.sleep(_POLL_S)
        return True

    def list_parameters(
        self, prefixes: list[str] | None = None, depth: int | None = None, callback: Callback | None = None
    ) -> Future[Any]:
        """Request the names of parameters with these prefixes, down to a depth."""
        return self._ask(ListParameters, callback, prefixes=prefixes or [], depth=depth or 0)

    def get_parameters(self, names: list[str], callback: Callback | None = None) -> Future[Any]:
        """Request values."""
        return self._ask(GetParameters, callback, names=names)

    def get_parameter_types(self, names: list[str], callback: Callback | None = None) -> Future[Any]:
        """Request types."""
        return self._ask(GetParameterTypes, callback, names=names)

    def describe_parameters(self, names: list[str], callback: Callback | None = None) -> Future[Any]:
        """Request descriptors."""
        return self._ask(DescribeParameters, callback, names=names)

    def set_parameters(
        self, parameters: Sequence[Parameter | ParameterMsg], callback: Callback | None = None
    ) -> Future[Any]:
        """Set parameters one after the other."""
        return self._ask(SetParameters, callback, parameters=_messages(parameters))

    def set_parameters_atomically(
        self, parameters: Sequence[Parameter | ParameterMsg], callback: Callback | None = None
    ) -> Future[Any]:
        """Set all parameters or none."""
        return self._ask(SetParametersAtomically, callback, parameters=_messages(parameters))

    def delete_parameters(self, names: list[str], callback: Callback | None = None) -> Future[Any]:
        """Undeclare parameters, which must be dynamically typed."""
        return self.set_parameters([Parameter(name, Parameter.Type.NOT_SET) for name in names], callback)

    def load_parameter_file(
        self, parameter_file: str, use_wildcard: bool = False, callback: Callback | None = None
    ) -> Future[Any]:
        """Set the parameters that a parameter file has for the node."""
        wanted = parameter_dict_from_yaml_file(parameter_file, use_wildcard, target_nodes=[self.remote_node_name])
        return self.set_parameters(list(wanted.values()), callback)

    def _ask(self, srv_type: Any, callback: Callback | None, **fields: Any) -> Future[Any]:
        future = self._clients[srv_type].call_async(srv_type.Request(**fields))
        if callback is not None:
            future.add_done_callback(callback)
        return future


def _messages(parameters: Sequence[Parameter | ParameterMsg]) -> list[ParameterMsg]:
    return [one.to_parameter_msg() if isinstance(one, Parameter) else one for one in parameters]
