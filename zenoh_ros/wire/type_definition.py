"""Definitions of message types, and the additional types that rosidl derives from a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# An empty message has this one byte on the wire; rosidl does not expose it in Python.
EMPTY_MEMBER = "structure_needs_at_least_one_member"
SERVICE_PARTS = ("Request", "Response", "Event")
ACTION_SECTIONS = ("Goal", "Result", "Feedback")
ACTION_SERVICES = ("SendGoal", "GetResult")
_TIME, _UUID = "builtin_interfaces/msg/Time", "unique_identifier_msgs/msg/UUID"


@dataclass(frozen=True)
class Field:
    """One field of a message.

    Attributes:
        base: a primitive ("float64", "string", ...) or the name of a message type ("std_msgs/msg/Header").
        is_message: whether `base` is a message type.
        array_length: N of `T[N]`; None otherwise.
        is_sequence: whether it is `T[]` or `T[<=N]`.
        bound: N of `T[<=N]`, 0 for none.
        string_bound: N of `string<=N`, 0 for none.
        default: the value of the definition; None if it is zero, "" or empty.
    """

    name: str
    base: str
    is_message: bool = False
    array_length: int | None = None
    is_sequence: bool = False
    bound: int = 0
    string_bound: int = 0
    default: Any = None

    @property
    def is_scalar(self) -> bool:
        """Whether it has a single value."""
        return self.array_length is None and not self.is_sequence


@dataclass(frozen=True)
class TypeDefinition:
    """A message type: fields in wire order, and constants as (primitive type, value)."""

    name: str
    fields: tuple[Field, ...]
    constants: dict[str, tuple[str, Any]]


def service_fields(name: str) -> tuple[Field, ...]:
    """The type description of a service: a message of its request, response and event."""
    return tuple(Field(f"{part.lower()}_message", f"{name}_{part}", is_message=True) for part in SERVICE_PARTS)


def service_event(name: str) -> TypeDefinition:
    """`NAME_Event` of service `name`."""
    fields = (
        Field("info", "service_msgs/msg/ServiceEventInfo", is_message=True),
        Field("request", f"{name}_Request", is_message=True, is_sequence=True, bound=1),
        Field("response", f"{name}_Response", is_message=True, is_sequence=True, bound=1),
    )
    return TypeDefinition(f"{name}_Event", fields, {})


def action_fields(name: str) -> tuple[Field, ...]:
    """The type description of an action: a message of its sections, services and feedback message."""
    parts = {
        **{section.lower(): section for section in ACTION_SECTIONS},
        "send_goal_service": "SendGoal",
        "get_result_service": "GetResult",
        "feedback_message": "FeedbackMessage",
    }
    return tuple(Field(field, f"{name}_{part}", is_message=True) for field, part in parts.items())


def action_types(name: str) -> list[TypeDefinition]:
    """The wire types of action `name` that contain its goal, result and feedback."""
    goal_id = Field("goal_id", _UUID, is_message=True)
    fields = {
        "SendGoal_Request": (goal_id, Field("goal", f"{name}_Goal", is_message=True)),
        "SendGoal_Response": (Field("accepted", "bool"), Field("stamp", _TIME, is_message=True)),
        "GetResult_Request": (goal_id,),
        "GetResult_Response": (Field("status", "int8"), Field("result", f"{name}_Result", is_message=True)),
        "FeedbackMessage": (goal_id, Field("feedback", f"{name}_Feedback", is_message=True)),
    }
    messages = [TypeDefinition(f"{name}_{part}", held, {}) for part, held in fields.items()]
    return [*messages, *(service_event(f"{name}_{service}") for service in ACTION_SERVICES)]


def owner(name: str) -> str:
    """The service or action that a type belongs to: `a/srv/B` for `a/srv/B_Request`; otherwise the type itself."""
    kind = name.split("/")[1] if name.count("/") == 2 else ""
    if kind not in ("srv", "action"):
        return name
    head, _, tail = name.rpartition("_")
    if kind == "srv":
        return head if tail in SERVICE_PARTS else name
    if tail in SERVICE_PARTS:
        name, (head, _, tail) = head, head.rpartition("_")
    return head if tail in (*ACTION_SECTIONS, *ACTION_SERVICES, "FeedbackMessage") else name


def is_action_service(name: str) -> bool:
    """Whether this is a service of an action, such as `a/action/B_SendGoal`."""
    return "/action/" in name and name.rpartition("_")[2] in ACTION_SERVICES
