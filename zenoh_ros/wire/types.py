"""Message and service types: their fields, constants, defaults and RIHS01 hashes.

Definitions come from rosbags' store of ROS 2 Jazzy, from `definitions.py`, from the msg/ and srv/ files of registered
packages, the very ones that a ROS 2 build reads, and for what is in none of these, from packages on AMENT_PREFIX_PATH
and from what a node or a bag says of a type (`learn`).
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore
from rosbags.typesys.base import Message as ParsedMessage
from rosbags.typesys.base import make_typesdict
from rosbags.typesys.msg import MSGParser

from zenoh_ros.packages import RegisteredPackage, registered
from zenoh_ros.wire.definitions import FIELD_DEFAULTS, SERVICES
from zenoh_ros.wire.type_files import type_files

# An empty message has this one byte on the wire, and rosidl hides it from Python.
EMPTY_MEMBER = "structure_needs_at_least_one_member"

# Type ids of type_description_interfaces/msg/FieldType; rosidl reads `char` as uint8.
_TYPE_IDS = {
    "int8": 2, "uint8": 3, "char": 3, "int16": 4, "uint16": 5, "int32": 6, "uint32": 7, "int64": 8, "uint64": 9,
    "float32": 10, "float64": 11, "bool": 15, "byte": 16, "string": 17,
}  # fmt: skip
_BOUNDED_STRING_ID, _NESTED_ID = 21, 1
_BASES = {type_id: base for base, type_id in _TYPE_IDS.items() if base != "char"} | {_BOUNDED_STRING_ID: "string"}
_ARRAY_OFFSET, _BOUNDED_SEQUENCE_OFFSET, _SEQUENCE_OFFSET = 48, 96, 144


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
        default: the value of the definition; None where it is zero, "" or empty.
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
        """Whether it holds one value rather than many."""
        return self.array_length is None and not self.is_sequence


@dataclass(frozen=True)
class TypeDefinition:
    """A message type: fields in the order of the wire and constants as (primitive type, value)."""

    name: str
    fields: tuple[Field, ...]
    constants: dict[str, tuple[str, Any]]


class UnknownType(KeyError):
    """There is no such message or service type."""

    def __str__(self) -> str:
        return str(self.args[0])


_TYPE_NAME = re.compile(r"[a-z][a-z0-9_]*/(?:msg|srv|action)/[A-Z][A-Za-z0-9_]*")
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]*")

_lock = threading.RLock()
_learned: dict[str, TypeDefinition] = {}


def definition(type_name: str) -> TypeDefinition:
    """The definition of a message type such as "sensor_msgs/msg/Image" or "std_srvs/srv/Trigger_Request".

    Raises:
        UnknownType: with the names that are near.
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
    """Names of the packages whose types are known without any file."""
    return {name.partition("/")[0] for name in (*_definitions(), *_services())}


def message_names() -> list[str]:
    """Every message type, sorted ("package/msg/Name")."""
    return sorted({name for name in (*_definitions(), *_learned, *type_files()) if "/msg/" in name})


def service_names() -> list[str]:
    """Every service type, sorted ("package/srv/Name")."""
    learned = (name.removesuffix("_Request") for name in _learned if "/srv/" in name and name.endswith("_Request"))
    return sorted({*_services(), *learned, *(name for name in type_files() if "/srv/" in name)})


def check_service(type_name: str) -> None:
    """Raises UnknownType if there is no such service type."""
    if type_name not in service_names():
        raise UnknownType(_unknown(type_name, service_names()))


def learn(definitions: Iterable[TypeDefinition]) -> None:
    """Makes types known that nothing else defines; what is known stays as it is."""
    for one in definitions:
        if one.name not in _definitions():
            _learned.setdefault(one.name, one)


def parse_messages(text: str, name: str) -> list[TypeDefinition]:
    """The types of a bag's definition: the text of one, then those within it, each after a line of `=`.

    Raises:
        ValueError: it is not in the language of .msg files.
    """
    try:
        found = get_types_from_msg(text, name)
    except TypesysError as error:
        raise ValueError(f"{name}: {error}") from error
    return [_from_rosbags(one, constants, fields, {}) for one, (constants, fields) in found.items()]


def parse_description(described: Mapping[str, Any]) -> list[TypeDefinition]:
    """The types of what `type_description` gives; constants and default values are not in it.

    Raises:
        ValueError: it holds a field of a kind that there is not here (wide strings), or a name that is none.
    """
    individuals = [described["type_description"], *described["referenced_type_descriptions"]]
    for one in individuals:
        if not _TYPE_NAME.fullmatch(one["type_name"]):
            raise ValueError(f"{one['type_name']!r} is no name of a type")
    return [TypeDefinition(one["type_name"], tuple(map(_described_field, one["fields"])), {}) for one in individuals]


@cache
def type_hash(type_name: str) -> str:
    """RIHS01 hash of a message or service type (REP-2016), as rosidl computes it.

    Raises:
        UnknownType: if there is no such type.
    """
    return description_hash(type_description(type_name))


def description_hash(described: Mapping[str, Any]) -> str:
    """The hash of what `type_description` gives."""
    return f"RIHS01_{hashlib.sha256(json.dumps(described).encode()).hexdigest()}"


def type_description(type_name: str) -> dict[str, Any]:
    """A type and those within it, with the keys of type_description_interfaces/msg/TypeDescription.

    Raises:
        UnknownType: if there is no such type.
    """
    described: dict[str, dict[str, object]] = {}
    if "/srv/" in type_name and type_name in service_names():
        _describe_service(type_name, described)
    else:
        _describe(type_name, described)
    main = described.pop(type_name)
    return {"type_description": main, "referenced_type_descriptions": [described[name] for name in sorted(described)]}


def _described_field(described: Mapping[str, Any]) -> Field:
    """Undoes `_describe_field`."""
    kind = described["type"]
    item_id = kind["type_id"] % _ARRAY_OFFSET
    many = kind["type_id"] - item_id
    base = kind["nested_type_name"] if item_id == _NESTED_ID else _BASES.get(item_id)
    if not _FIELD_NAME.fullmatch(described["name"]):
        raise ValueError(f"{described['name']!r} is no name of a field")
    if base is None:
        raise ValueError(f"the field {described['name']!r} is of a kind that is not known here ({kind['type_id']})")
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
    """Learns what a package on AMENT_PREFIX_PATH says of the type, if one does."""
    is_part = "/srv/" in type_name and type_name.endswith(("_Request", "_Response", "_Event"))
    name = type_name.rpartition("_")[0] if is_part else type_name
    file = type_files().get(name)
    if file is None:
        return
    try:
        text = file.read_text(encoding="utf-8")
        learn((_parse_service(text, name) if is_part else _parse(text, name)).values())
    except (OSError, ValueError, TypesysError) as error:
        raise UnknownType(f"the type {name} cannot be read from {file}: {error}") from error


def _describe(type_name: str, described: dict[str, dict[str, object]]) -> None:
    if type_name in described:
        return
    fields = definition(type_name).fields
    described[type_name] = {"type_name": type_name, "fields": [_describe_field(field) for field in fields]}
    for field in fields:
        if field.is_message:
            _describe(field.base, described)


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


def _describe_service(type_name: str, described: dict[str, dict[str, object]]) -> None:
    """A service is described as a message that holds its request, its response and its event."""
    parts = {part: f"{type_name}_{part.capitalize()}" for part in ("request", "response", "event")}
    fields = [Field(name=f"{part}_message", base=name, is_message=True) for part, name in parts.items()]
    described[type_name] = {"type_name": type_name, "fields": [_describe_field(field) for field in fields]}
    for name in parts.values():
        _describe(name, described)


def _unknown(type_name: str, known: list[str]) -> str:
    short = type_name.rsplit("/", 1)[-1].lower()
    near = [name for name in known if name.rsplit("/", 1)[-1].lower() == short]
    hint = f"; did you mean {', '.join(near)}?" if near else "; expected package/msg/Name or package/srv/Name"
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
    return definitions


def _services() -> dict[str, str]:
    return _services_with(registered())


@lru_cache(maxsize=1)
def _services_with(packages: tuple[RegisteredPackage, ...]) -> dict[str, str]:
    return SERVICES | dict(_texts(packages, "srv"))


def _texts(packages: tuple[RegisteredPackage, ...], kind: str) -> Iterator[tuple[str, str]]:
    """Type names and texts of the packages' msg/*.msg or srv/*.srv."""
    for package in packages:
        for file in sorted((package.share / kind).glob(f"*.{kind}")):
            yield f"{package.name}/{kind}/{file.stem}", file.read_text(encoding="utf-8")


def _parse_service(text: str, name: str) -> dict[str, TypeDefinition]:
    request, separator, response = f"\n{text}".partition("\n---")
    if not separator:
        raise ValueError(f"service {name}: no line '---' between request and response")
    parts = _parse(request, f"{name}_Request") | _parse(response, f"{name}_Response")
    event = TypeDefinition(
        name=f"{name}_Event",
        fields=(
            Field("info", "service_msgs/msg/ServiceEventInfo", is_message=True),
            Field("request", f"{name}_Request", is_message=True, is_sequence=True, bound=1),
            Field("response", f"{name}_Response", is_message=True, is_sequence=True, bound=1),
        ),
        constants={},
    )
    return parts | {event.name: event}


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
