"""Message, service and action types: their fields, constants, defaults and RIHS01 hashes.

Definitions come from rosbags' type store of ROS 2 Jazzy, from `definitions.py` and from the msg/, srv/ and action/
files of registered packages, which a ROS 2 build reads, too. Types found in none of these come from packages on
AMENT_PREFIX_PATH, or from the description of a node or a bag (`learn`).
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore
from rosbags.typesys.base import Message as ParsedMessage
from rosbags.typesys.base import make_typesdict
from rosbags.typesys.msg import MSGParser

from zenoh_ros.packages import RegisteredPackage, registered
from zenoh_ros.wire.definitions import FIELD_DEFAULTS, SERVICES
from zenoh_ros.wire.type_definition import (
    ACTION_SECTIONS,
    action_fields,
    action_types,
    is_action_service,
    owner,
    service_event,
    service_fields,
)
from zenoh_ros.wire.type_definition import EMPTY_MEMBER as EMPTY_MEMBER
from zenoh_ros.wire.type_definition import Field as Field
from zenoh_ros.wire.type_definition import TypeDefinition as TypeDefinition
from zenoh_ros.wire.type_files import type_files

# Type ids of type_description_interfaces/msg/FieldType; rosidl treats `char` as uint8.
_TYPE_IDS = {
    "int8": 2, "uint8": 3, "char": 3, "int16": 4, "uint16": 5, "int32": 6, "uint32": 7, "int64": 8, "uint64": 9,
    "float32": 10, "float64": 11, "bool": 15, "byte": 16, "string": 17,
}  # fmt: skip
_BOUNDED_STRING_ID, _NESTED_ID = 21, 1
_BASES = {type_id: base for base, type_id in _TYPE_IDS.items() if base != "char"} | {_BOUNDED_STRING_ID: "string"}
_ARRAY_OFFSET, _BOUNDED_SEQUENCE_OFFSET, _SEQUENCE_OFFSET = 48, 96, 144


class UnknownType(KeyError):
    """There is no such message, service or action type."""

    def __str__(self) -> str:
        return str(self.args[0])


_TYPE_NAME = re.compile(r"[a-z][a-z0-9_]*/(?:msg|srv|action)/[A-Z][A-Za-z0-9_]*")
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]*")

_lock = threading.RLock()
_learned: dict[str, TypeDefinition] = {}


def definition(type_name: str) -> TypeDefinition:
    """The definition of a message type such as "sensor_msgs/msg/Image" or "std_srvs/srv/Trigger_Request".

    Raises:
        UnknownType: there is no such type; the message lists similar names.
    """
    known = _definitions()
    if type_name in known:
        return known[type_name]
    if type_name not in _learned:
        _read_file(type_name)
    if type_name not in _learned:
        raise UnknownType(_unknown(type_name, message_names()))
    return _learned[type_name]


def built_in_packages() -> set[str]:
    """Names of the packages whose types are known without interface files."""
    return {name.partition("/")[0] for name in (*_definitions(), *_services())}


def message_names() -> list[str]:
    """All message types, sorted ("package/msg/Name")."""
    return sorted({name for name in (*_definitions(), *_learned, *type_files()) if "/msg/" in name})


def service_names() -> list[str]:
    """All service types, sorted ("package/srv/Name")."""
    learned = (name.removesuffix("_Request") for name in _learned if "/srv/" in name and name.endswith("_Request"))
    return sorted({*_services(), *learned, *(name for name in type_files() if "/srv/" in name)})


def action_names() -> list[str]:
    """All action types, sorted ("package/action/Name")."""
    return sorted(name for name in type_files() if "/action/" in name)


def is_service(type_name: str) -> bool:
    """Whether there is such a service type, including the services of actions."""
    if is_action_service(type_name):
        return owner(type_name) in action_names()
    return type_name in service_names()


def check_service(type_name: str) -> None:
    """Raises UnknownType if there is no such service type."""
    if not is_service(type_name):
        raise UnknownType(_unknown(type_name, service_names()))


def check_action(type_name: str) -> None:
    """Raises UnknownType if there is no such action type."""
    if type_name not in action_names():
        raise UnknownType(_unknown(type_name, action_names()))


def learn(definitions: Iterable[TypeDefinition]) -> None:
    """Adds types that are not defined elsewhere; known types are unchanged."""
    for one in definitions:
        if one.name not in _definitions():
            _learned.setdefault(one.name, one)


def parse_messages(text: str, name: str) -> list[TypeDefinition]:
    """The types in a bag's definition: the text of one, then its nested types, each after a line of `=`.

    Raises:
        ValueError: it is not valid in the .msg format.
    """
    try:
        found = get_types_from_msg(text, name)
    except TypesysError as error:
        raise ValueError(f"{name}: {error}") from error
    return [_from_rosbags(one, constants, fields, {}) for one, (constants, fields) in found.items()]


def parse_description(described: Mapping[str, Any]) -> list[TypeDefinition]:
    """The types in a value of `type_description`; without constants and default values.

    Raises:
        ValueError: it contains a field of an unsupported kind (wide strings), or an invalid name.
    """
    individuals = [described["type_description"], *described["referenced_type_descriptions"]]
    for one in individuals:
        if not _TYPE_NAME.fullmatch(one["type_name"]):
            raise ValueError(f"{one['type_name']!r} is not a valid type name")
    return [TypeDefinition(one["type_name"], tuple(map(_described_field, one["fields"])), {}) for one in individuals]


@cache
def type_hash(type_name: str) -> str:
    """RIHS01 hash of a message, service or action type (REP-2016), as computed by rosidl.

    Raises:
        UnknownType: there is no such type.
    """
    return description_hash(type_description(type_name))


def description_hash(described: Mapping[str, Any]) -> str:
    """The hash of a value of `type_description`."""
    return f"RIHS01_{hashlib.sha256(json.dumps(described).encode()).hexdigest()}"


def type_description(type_name: str) -> dict[str, Any]:
    """A type and its nested types, with the keys of type_description_interfaces/msg/TypeDescription.

    Raises:
        UnknownType: there is no such type.
    """
    described: dict[str, dict[str, object]] = {}
    _describe(type_name, described)
    main = described.pop(type_name)
    return {"type_description": main, "referenced_type_descriptions": [described[name] for name in sorted(described)]}


def _described_field(described: Mapping[str, Any]) -> Field:
    """The inverse of `_describe_field`."""
    kind = described["type"]
    item_id = kind["type_id"] % _ARRAY_OFFSET
    many = kind["type_id"] - item_id
    base = kind["nested_type_name"] if item_id == _NESTED_ID else _BASES.get(item_id)
    if not _FIELD_NAME.fullmatch(described["name"]):
        raise ValueError(f"{described['name']!r} is not a valid field name")
    if base is None:
        raise ValueError(f"the field {described['name']!r} is of an unsupported kind ({kind['type_id']})")
    return Field(
        name=described["name"],
        base=base,
        is_message=item_id == _NESTED_ID,
        array_length=kind["capacity"] if many == _ARRAY_OFFSET else None,
        is_sequence=many in (_BOUNDED_SEQUENCE_OFFSET, _SEQUENCE_OFFSET),
        bound=kind["capacity"] if many == _BOUNDED_SEQUENCE_OFFSET else 0,
        string_bound=kind["string_capacity"] if item_id == _BOUNDED_STRING_ID else 0,
    )


def _read_file(type_name: str) -> None:
    """Adds the type from a package on AMENT_PREFIX_PATH, if one defines it."""
    name = owner(type_name)
    file = type_files().get(name)
    if file is None:
        return
    try:
        learn(_PARSERS[name.split("/")[1]](file.read_text(encoding="utf-8"), name).values())
    except (OSError, ValueError, TypesysError) as error:
        raise UnknownType(f"the type {name} cannot be read from {file}: {error}") from error


def _describe(type_name: str, described: dict[str, dict[str, object]]) -> None:
    if type_name in described:
        return
    fields = _fields(type_name)
    described[type_name] = {"type_name": type_name, "fields": [_describe_field(field) for field in fields]}
    for field in fields:
        if field.is_message:
            _describe(field.base, described)


def _fields(type_name: str) -> tuple[Field, ...]:
    if is_service(type_name):
        return service_fields(type_name)
    return action_fields(type_name) if type_name in action_names() else definition(type_name).fields


def _describe_field(field: Field) -> dict[str, object]:
    type_id = _NESTED_ID if field.is_message else _TYPE_IDS[field.base]
    if field.string_bound:
        type_id = _BOUNDED_STRING_ID
    capacity = field.array_length or field.bound
    if field.array_length is not None:
        type_id += _ARRAY_OFFSET
    elif field.is_sequence:
        type_id += _BOUNDED_SEQUENCE_OFFSET if field.bound else _SEQUENCE_OFFSET
    return {
        "name": field.name,
        "type": {
            "type_id": type_id,
            "capacity": capacity,
            "string_capacity": field.string_bound,
            "nested_type_name": field.base if field.is_message else "",
        },
    }


def _unknown(type_name: str, known: list[str]) -> str:
    short = type_name.rsplit("/", 1)[-1].lower()
    near = [name for name in known if name.rsplit("/", 1)[-1].lower() == short]
    expected = "expected package/msg/Name, package/srv/Name or package/action/Name"
    hint = f"; did you mean {', '.join(near)}?" if near else f"; {expected}"
    return f"unknown ROS type {type_name!r}{hint}"


def _definitions() -> dict[str, TypeDefinition]:
    with _lock:
        return _definitions_with(registered())


@lru_cache(maxsize=1)
def _definitions_with(packages: tuple[RegisteredPackage, ...]) -> dict[str, TypeDefinition]:
    definitions = {
        name: _from_rosbags(name, constants, fields, FIELD_DEFAULTS.get(name, {}))
        for name, (constants, fields) in get_typestore(Stores.ROS2_JAZZY).fielddefs.items()
    }
    for name, text in _texts(packages, "msg"):
        definitions.update(_parse(text, name))
    for name, text in _services_with(packages).items():
        definitions.update(_parse_service(text, name))
    for name, text in _texts(packages, "action"):
        definitions.update(_parse_action(text, name))
    return definitions


def _services() -> dict[str, str]:
    return _services_with(registered())


@lru_cache(maxsize=1)
def _services_with(packages: tuple[RegisteredPackage, ...]) -> dict[str, str]:
    return SERVICES | dict(_texts(packages, "srv"))


def _texts(packages: tuple[RegisteredPackage, ...], kind: str) -> Iterator[tuple[str, str]]:
    """Type names and texts of the packages' msg/*.msg, srv/*.srv or action/*.action."""
    for package in packages:
        for file in sorted((package.share / kind).glob(f"*.{kind}")):
            yield f"{package.name}/{kind}/{file.stem}", file.read_text(encoding="utf-8")


def _parse_service(text: str, name: str) -> dict[str, TypeDefinition]:
    request, separator, response = f"\n{text}".partition("\n---")
    if not separator:
        raise ValueError(f"service {name}: no line '---' between request and response")
    event = service_event(name)
    return _parse(request, f"{name}_Request") | _parse(response, f"{name}_Response") | {event.name: event}


def _parse_action(text: str, name: str) -> dict[str, TypeDefinition]:
    sections = re.split(r"^---[ \t\r]*$", text, flags=re.MULTILINE)
    if len(sections) != len(ACTION_SECTIONS):
        found = len(sections) - 1
        raise ValueError(f"action {name}: {found} lines '---', expected 2, between goal, result and feedback")
    parsed: dict[str, TypeDefinition] = {}
    for part, section in zip(ACTION_SECTIONS, sections, strict=True):
        parsed |= _parse(section, f"{name}_{part}")
    return parsed | {one.name: one for one in action_types(name)}


def _parse(text: str, name: str) -> dict[str, TypeDefinition]:
    package, _, short = name.split("/")
    parsed: list[ParsedMessage] = MSGParser(f"MSG: {package}/msg/{short}\n{text}").specification()
    ((constants, fields),) = make_typesdict(parsed).values()
    defaults = {field.name: field.value for field in parsed[0].fields if field.value is not None}
    return {name: _from_rosbags(name, constants, fields, defaults)}


def _from_rosbags(name: str, constants: Any, fields: Any, defaults: dict[str, Any]) -> TypeDefinition:
    return TypeDefinition(
        name=name,
        fields=tuple(_field(field, descriptor, defaults.get(field)) for field, descriptor in fields)
        or (Field(EMPTY_MEMBER, "uint8"),),
        constants={constant: (primitive, value) for constant, primitive, value in constants},
    )


def _field(name: str, descriptor: Any, default: Any) -> Field:
    kind, content = descriptor
    if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        (kind_of_item, item), size = content
        is_array = kind == Nodetype.ARRAY
    else:
        kind_of_item, item, size, is_array = kind, content, 0, False
    is_message = kind_of_item == Nodetype.NAME
    return Field(
        name=name,
        base=item if is_message else item[0],
        is_message=is_message,
        array_length=size if is_array else None,
        is_sequence=kind == Nodetype.SEQUENCE,
        bound=0 if is_array else size,
        string_bound=0 if is_message else item[1],
        default=default,
    )


_PARSERS = {"msg": _parse, "srv": _parse_service, "action": _parse_action}
