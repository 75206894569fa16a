"""Message, service and action classes with the API of those that rosidl generates for Python.

Keyword constructors, default values, constants as class attributes, checked assignment, equality, and a `repr` like
rosidl's. Fields are stored in slots named `_field` and read as `field`.
"""

from __future__ import annotations

import array
import re
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

import numpy as np

from zenoh_ros.wire.checks import TYPE_CODES, Check, make_check
from zenoh_ros.wire.type_definition import ACTION_SECTIONS
from zenoh_ros.wire.types import EMPTY_MEMBER, Field, TypeDefinition, check_action, check_service, definition

_IDL_NAMES = {"float64": "double", "float32": "float", "bool": "boolean", "byte": "octet", "char": "uint8"}
_ZEROS = {"bool": False, "byte": b"\x00", "string": "", "float32": 0.0, "float64": 0.0}


class Message:
    """Base of all message classes."""

    __slots__: tuple[str, ...] = ()
    __hash__ = None  # type: ignore[assignment]  # messages are mutable

    _TYPE_NAME: ClassVar[str] = ""
    _DEFAULTS: ClassVar[tuple[tuple[Callable[[Any, Any], None], Callable[[], Any]], ...]] = ()
    _CHECKS: ClassVar[dict[str, Check]] = {}
    _SETTERS: ClassVar[dict[str, Callable[[Any, Any], None]]] = {}
    _FIELD_TYPES: ClassVar[dict[str, str]] = {}

    def __init__(self, **kwargs: Any) -> None:
        for name, value in kwargs.items():
            check = self._CHECKS.get(name)
            assert check is not None, (
                f"Invalid argument {name!r} for {self._TYPE_NAME}; its fields are {', '.join(self._CHECKS) or 'none'}"
            )
            kwargs[name] = check(value)
        for name, (store, default) in zip(self._CHECKS, self._DEFAULTS, strict=True):
            store(self, kwargs[name] if name in kwargs else default())

    def __setattr__(self, name: str, value: Any) -> None:
        check = self._CHECKS.get(name)
        if check is None:
            object.__setattr__(self, name, value)
        else:
            self._SETTERS[name](self, check(value))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, self.__class__):
            return False
        return all(_equal(getattr(self, name), getattr(other, name)) for name in self._CHECKS)

    def __repr__(self) -> str:
        package, kind, _module = self.__class__.__module__.split(".")
        fields = ", ".join(f"{name}={_represent(getattr(self, name))}" for name in self._CHECKS)
        return f"{package}.{kind}.{self.__class__.__name__}({fields})"

    @classmethod
    def get_fields_and_field_types(cls) -> dict[str, str]:
        """Field names with their IDL types, e.g. `{"data": "sequence<uint8>"}`."""
        return dict(cls._FIELD_TYPES)


class ServiceClass:
    """Base of all service classes: a namespace for the request and response."""

    _TYPE_NAME: ClassVar[str] = ""
    Request: ClassVar[type[Message]] = Message
    Response: ClassVar[type[Message]] = Message
    Event: ClassVar[type[Message]] = Message

    def __init__(self) -> None:
        raise TypeError("service classes cannot be instantiated; use .Request() or .Response()")


class ActionClass:
    """Base of all action classes: a namespace for its messages and, in `Impl`, its services and feedback message."""

    class Travels:
        """The services and messages of an action; the attribute `Impl` of an action class."""

        SendGoalService: ClassVar[type[ServiceClass]] = ServiceClass
        GetResultService: ClassVar[type[ServiceClass]] = ServiceClass
        CancelGoalService: ClassVar[type[ServiceClass]] = ServiceClass
        FeedbackMessage: ClassVar[type[Message]] = Message
        GoalStatusMessage: ClassVar[type[Message]] = Message

    _TYPE_NAME: ClassVar[str] = ""
    Goal: ClassVar[type[Message]] = Message
    Result: ClassVar[type[Message]] = Message
    Feedback: ClassVar[type[Message]] = Message
    Impl: ClassVar[type[Travels]] = Travels

    def __init__(self) -> None:
        raise NotImplementedError("Action classes can not be instantiated")


@cache
def message_class(type_name: str) -> type[Message]:
    """The class of a message type such as "sensor_msgs/msg/Image"; always the same class.

    Raises:
        types.UnknownType: there is no such type.
    """
    described = definition(type_name)
    fields = visible_fields(described)
    package, kind, name = type_name.split("/")
    body: dict[str, Any] = {
        "__slots__": tuple(f"_{field.name}" for field in fields),
        "__module__": f"{package}.{kind}._{_snake_case(name)}",
        "__doc__": f"Message class '{name}'.",
        "_TYPE_NAME": type_name,
    }
    body |= {constant: _constant(*typed) for constant, typed in described.constants.items()}
    cls: Any = type(name, (Message,), body)
    # A slot under a second name: reading `message.field` is as fast as reading any slot.
    for field in fields:
        setattr(cls, field.name, getattr(cls, f"_{field.name}"))
    items = {field.name: message_class(field.base) if field.is_message else None for field in fields}
    cls._SETTERS = {field.name: getattr(cls, f"_{field.name}").__set__ for field in fields}
    cls._CHECKS = {field.name: make_check(field, items[field.name]) for field in fields}
    cls._DEFAULTS = tuple((cls._SETTERS[field.name], _default(field, items[field.name])) for field in fields)
    cls._FIELD_TYPES = {field.name: _idl_type(field) for field in fields}
    made: type[Message] = cls
    return made


@cache
def service_class(type_name: str) -> type[ServiceClass]:
    """The class of a service type such as "std_srvs/srv/Trigger"; always the same class.

    Raises:
        types.UnknownType: there is no such type.
    """
    check_service(type_name)
    package, kind, name = type_name.split("/")
    body: dict[str, Any] = {
        "__module__": f"{package}.{kind}._{_snake_case(name)}",
        "__doc__": f"Service class '{name}'.",
        "_TYPE_NAME": type_name,
    }
    body |= {part: message_class(f"{type_name}_{part}") for part in ("Request", "Response", "Event")}
    return type(name, (ServiceClass,), body)


@cache
def action_class(type_name: str) -> type[ActionClass]:
    """The class of an action type such as "rt_vla_ros/action/ExecuteInstruction"; always the same class.

    Raises:
        types.UnknownType: there is no such type.
    """
    check_action(type_name)
    package, kind, name = type_name.split("/")
    travels = {
        "SendGoalService": service_class(f"{type_name}_SendGoal"),
        "GetResultService": service_class(f"{type_name}_GetResult"),
        "CancelGoalService": service_class("action_msgs/srv/CancelGoal"),
        "FeedbackMessage": message_class(f"{type_name}_FeedbackMessage"),
        "GoalStatusMessage": message_class("action_msgs/msg/GoalStatusArray"),
    }
    body: dict[str, Any] = {
        "__module__": f"{package}.{kind}._{_snake_case(name)}",
        "__doc__": f"Action class '{name}'.",
        "_TYPE_NAME": type_name,
        "Impl": type("Impl", (ActionClass.Travels,), travels),
    }
    body |= {part: message_class(f"{type_name}_{part}") for part in ACTION_SECTIONS}
    return type(name, (ActionClass,), body)


def visible_fields(described: TypeDefinition) -> tuple[Field, ...]:
    """The fields visible in Python: all but the placeholder of an empty message."""
    return tuple(field for field in described.fields if field.name != EMPTY_MEMBER)


def _constant(primitive: str, value: Any) -> Any:
    return bytes([value]) if primitive == "byte" else value


def _default(field: Field, item_class: type[Message] | None) -> Callable[[], Any]:
    code = TYPE_CODES.get(field.base, "")
    if field.is_sequence:
        return (lambda: array.array(code)) if code else list
    if item_class is not None:
        count = field.array_length
        return item_class if count is None else lambda: [item_class() for _ in range(count)]
    value = field.default if field.default is not None else _ZEROS.get(field.base, 0)
    if field.array_length is None:
        return lambda: value
    length = field.array_length
    return (lambda: np.full(length, value, dtype=code)) if code else lambda: [value] * length


def _idl_type(field: Field) -> str:
    base = re.sub("/(msg|srv|action)/", "/", field.base) if field.is_message else field.base
    base = _IDL_NAMES.get(base, base) + (f"<{field.string_bound}>" if field.string_bound else "")
    if field.array_length is not None:
        return f"{base}[{field.array_length}]"
    if field.is_sequence:
        return f"sequence<{base}, {field.bound}>" if field.bound else f"sequence<{base}>"
    return base


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return bool(np.array_equal(one, other))
    return bool(one == other)


def _represent(value: Any) -> str:
    """rosidl shows an array.array as a plain list."""
    return repr(value.tolist()) if isinstance(value, array.array) else repr(value)


def _snake_case(name: str) -> str:
    """`CameraInfo` -> `camera_info`, as rosidl names the modules."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
