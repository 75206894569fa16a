"""The service that describes the message types used by a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import ParameterDescriptor
from type_description_interfaces.msg import Field, FieldType, IndividualTypeDescription, TypeDescription
from type_description_interfaces.srv import GetTypeDescription

from zenoh_ros.wire.types import UnknownType, type_description, type_hash

if TYPE_CHECKING:
    from rclpy.node import Node

PARAMETER = "start_type_description_service"


class TypeDescriptionService:
    """Offers `<node>/get_type_description`, unless the parameter start_type_description_service is false."""

    def __init__(self, node: Node) -> None:
        description = "If enabled, start the ~/get_type_description service."
        if not node.has_parameter(PARAMETER):
            node.declare_parameter(PARAMETER, True, ParameterDescriptor(description=description, read_only=True))
        if node.get_parameter(PARAMETER).value is True:
            node.create_service(GetTypeDescription, f"{node.get_name()}/get_type_description", self._answer)

    def _answer(self, request: Any, response: Any) -> Any:
        try:
            known = type_hash(request.type_name)
        except UnknownType as error:
            response.failure_reason = str(error)
            return response
        if request.type_hash not in ("", known):
            response.failure_reason = f"{request.type_name} has the hash {known} here, not {request.type_hash}"
            return response
        described = type_description(request.type_name)
        response.type_description = TypeDescription(
            type_description=_individual(described["type_description"]),
            referenced_type_descriptions=[_individual(one) for one in described["referenced_type_descriptions"]],
        )
        response.successful = True
        return response


def _individual(described: dict[str, Any]) -> IndividualTypeDescription:
    fields = [Field(name=field["name"], type=FieldType(**field["type"])) for field in described["fields"]]
    return IndividualTypeDescription(type_name=described["type_name"], fields=fields)
