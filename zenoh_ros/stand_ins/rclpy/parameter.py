"""Parameters: a name, a type and a value."""

from __future__ import annotations

import array
from enum import IntEnum
from typing import Any

import yaml
from rcl_interfaces.msg import Parameter as ParameterMsg
from rcl_interfaces.msg import ParameterType, ParameterValue

from zenoh_ros.wire.parameter_file import read_file
from zenoh_ros.wire.parameter_table import ANY_NODE, NamedValue, ParameterTable

PARAMETER_SEPARATOR_STRING = "."


class Parameter:
    """A parameter; without a type, it is inferred from the value.

    Raises:
        TypeError: parameters cannot have a value of this type.
        ValueError: type and value do not match.
    """

    class Type(IntEnum):
        """Values of rcl_interfaces/msg/ParameterType."""

        NOT_SET = ParameterType.PARAMETER_NOT_SET
        BOOL = ParameterType.PARAMETER_BOOL
        INTEGER = ParameterType.PARAMETER_INTEGER
        DOUBLE = ParameterType.PARAMETER_DOUBLE
        STRING = ParameterType.PARAMETER_STRING
        BYTE_ARRAY = ParameterType.PARAMETER_BYTE_ARRAY
        BOOL_ARRAY = ParameterType.PARAMETER_BOOL_ARRAY
        INTEGER_ARRAY = ParameterType.PARAMETER_INTEGER_ARRAY
        DOUBLE_ARRAY = ParameterType.PARAMETER_DOUBLE_ARRAY
        STRING_ARRAY = ParameterType.PARAMETER_STRING_ARRAY

        @classmethod
        def from_parameter_value(cls, parameter_value: Any) -> Parameter.Type:
            """Return the type of a Python value.

            Raises:
                TypeError: parameters cannot have such a value.
            """
            if parameter_value is None:
                return cls.NOT_SET
            for python_type, scalar, many in _KINDS:
                if scalar is not None and isinstance(parameter_value, python_type):
                    return cls[scalar]
                if isinstance(parameter_value, (list, tuple, array.array)) and all(
                    isinstance(item, python_type) for item in parameter_value
                ):
                    return cls[many]
            if isinstance(parameter_value, (list, tuple, array.array)):
                raise TypeError(f"The given value is not a list of one of the allowed types '{parameter_value}'.")
            raise TypeError(f"The given value is not one of the allowed types '{parameter_value}'.")

        def check(self, parameter_value: Any) -> bool:
            """Return whether a Python value is of this type."""
            if self is Parameter.Type.NOT_SET:
                return parameter_value is None
            for python_type, scalar, many in _KINDS:
                if self.name == scalar:
                    return isinstance(parameter_value, python_type)
                if self.name == many:
                    return isinstance(parameter_value, (list, tuple, array.array)) and all(
                        isinstance(item, python_type) for item in parameter_value
                    )
            return False

    @classmethod
    def from_parameter_msg(cls, param_msg: ParameterMsg) -> Parameter:
        """Convert a rcl_interfaces/msg/Parameter."""
        return cls(param_msg.name, Parameter.Type(param_msg.value.type), parameter_value_to_python(param_msg.value))

    def __init__(self, name: str, type_: Parameter.Type | None = None, value: Any = None) -> None:
        if type_ is None:
            type_ = Parameter.Type.from_parameter_value(value)
        if not isinstance(type_, Parameter.Type):
            raise TypeError(f"type must be an instance of '{Parameter.Type!r}'")
        if not type_.check(value):
            raise ValueError(f"Type '{type_}' and value '{value}' do not agree")
        self._name = name
        self._type = type_
        self._value = value

    @property
    def name(self) -> str:
        """The name; nested names are joined with dots."""
        return self._name

    @property
    def type_(self) -> Parameter.Type:
        """The value's type."""
        return self._type

    @property
    def value(self) -> Any:
        """The value; None for NOT_SET."""
        return self._value

    def get_parameter_value(self) -> ParameterValue:
        """Return the value as rcl_interfaces/msg/ParameterValue."""
        message = ParameterValue(type=int(self._type))
        if self._type is not Parameter.Type.NOT_SET:
            value = list(self._value) if self._type.name.endswith("_ARRAY") else self._value
            setattr(message, f"{self._type.name.lower()}_value", value)
        return message

    def to_parameter_msg(self) -> ParameterMsg:
        """Return the parameter as rcl_interfaces/msg/Parameter."""
        return ParameterMsg(name=self._name, value=self.get_parameter_value())

    def __repr__(self) -> str:
        return f"Parameter(name={self._name!r}, type_={self._type.name}, value={self._value!r})"


# In the order of checks: bool before int, because True is an int; an empty list is an array of bytes.
_KINDS: tuple[tuple[type, str | None, str], ...] = (
    (bytes, None, "BYTE_ARRAY"),
    (bool, "BOOL", "BOOL_ARRAY"),
    (int, "INTEGER", "INTEGER_ARRAY"),
    (float, "DOUBLE", "DOUBLE_ARRAY"),
    (str, "STRING", "STRING_ARRAY"),
)


def parameter_value_to_python(parameter_value: ParameterValue) -> Any:
    """Return the Python value of a rcl_interfaces/msg/ParameterValue.

    Raises:
        RuntimeError: the type does not exist.
    """
    try:
        kind = Parameter.Type(parameter_value.type)
    except ValueError as error:
        raise RuntimeError(f"unexpected parameter type {parameter_value.type}") from error
    if kind is Parameter.Type.NOT_SET:
        return None
    value = getattr(parameter_value, f"{kind.name.lower()}_value")
    return list(value) if kind.name.endswith("_ARRAY") else value


def get_parameter_value(string_value: str) -> ParameterValue:
    """Parse a value from a command line (YAML); a value of no other type is a string."""
    try:
        value = yaml.safe_load(string_value)
        return Parameter("", value=string_value if value is None else value).get_parameter_value()
    except (yaml.YAMLError, TypeError, ValueError, RecursionError):
        return Parameter("", value=string_value).get_parameter_value()


def parameter_dict_from_yaml_file(
    parameter_file: str, use_wildcard: bool = False, target_nodes: list[str] | None = None, namespace: str = ""
) -> dict[str, ParameterMsg]:
    """Read parameters from a parameter file; without `target_nodes`, those of all nodes.

    Raises:
        RuntimeError: a target node is not in the file.
    """
    table = ParameterTable()
    read_file(parameter_file, table)
    sections: dict[str, list[NamedValue]] = {}
    for node, entries in table.nodes.items():
        sections.setdefault(f"/{node.removeprefix('/')}", []).extend(entries)
    wanted = [f"/{node.removeprefix('/')}" for node in target_nodes or sections if node != ANY_NODE]
    missing = [node for node in wanted if node not in sections]
    if missing:
        raise RuntimeError(
            f"Param file does not contain parameters for {missing[0]}, only for nodes: {sorted(sections)}"
        )
    chosen = [*([ANY_NODE] if use_wildcard and ANY_NODE in sections else []), *wanted]
    return {
        namespace + entry.name: Parameter(namespace + entry.name, value=entry.value).to_parameter_msg()
        for node in chosen
        for entry in sections[node]
    }
