"""The six services by which other nodes get and set a node's parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import ListParametersResult, SetParametersResult
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)

from rclpy.exceptions import ParameterNotDeclaredException, ParameterUninitializedException
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_parameters

if TYPE_CHECKING:
    from rclpy.node import Node


class ParameterService:
    """Offers `<node>/get_parameters` and the other five parameter services."""

    def __init__(self, node: Node) -> None:
        self._node = node
        for srv_type, name, answer in (
            (DescribeParameters, "describe_parameters", self._describe),
            (GetParameters, "get_parameters", self._get),
            (GetParameterTypes, "get_parameter_types", self._get_types),
            (ListParameters, "list_parameters", self._list),
            (SetParameters, "set_parameters", self._set),
            (SetParametersAtomically, "set_parameters_atomically", self._set_atomically),
        ):
            node.create_service(srv_type, f"{node.get_name()}/{name}", answer, qos_profile=qos_profile_parameters)

    def _describe(self, request: Any, response: Any) -> Any:
        try:
            response.descriptors = self._node.describe_parameters(list(request.names))
        except ParameterNotDeclaredException:
            response.descriptors = []
        return response

    def _get(self, request: Any, response: Any) -> Any:
        try:
            response.values = [self._node.get_parameter(name).get_parameter_value() for name in request.names]
        except (ParameterNotDeclaredException, ParameterUninitializedException):
            response.values = []
        return response

    def _get_types(self, request: Any, response: Any) -> Any:
        try:
            response.types = [int(self._node.get_parameter_type(name)) for name in request.names]
        except ParameterNotDeclaredException:
            response.types = []
        return response

    def _list(self, request: Any, response: Any) -> Any:
        try:
            response.result = self._node.list_parameters(list(request.prefixes), request.depth)
        except (TypeError, ValueError):
            response.result = ListParametersResult()
        return response

    def _set(self, request: Any, response: Any) -> Any:
        response.results = [self._set_together([message]) for message in request.parameters]
        return response

    def _set_atomically(self, request: Any, response: Any) -> Any:
        response.result = self._set_together(list(request.parameters))
        return response

    def _set_together(self, messages: list[Any]) -> SetParametersResult:
        try:
            return self._node.set_parameters_atomically([Parameter.from_parameter_msg(message) for message in messages])
        except (ParameterNotDeclaredException, ValueError) as error:  # ValueError: the type does not exist
            return SetParametersResult(successful=False, reason=str(error))
