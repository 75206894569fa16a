"""CDR version 1, the wire format of ROS 2 messages: a 4-byte header, then the fields, each aligned to its size.

A codec is built once per type from small closures, one per field or run of equal-sized numbers. OMG DDS-XTypes 1.3,
section 7.4 (XCDR1); positions count from the end of the header.
"""

from __future__ import annotations

import array
import operator
import struct
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from zenoh_ros.wire.checks import TYPE_CODES
from zenoh_ros.wire.errors import DecodeError
from zenoh_ros.wire.messages import Message, message_class, visible_fields
from zenoh_ros.wire.types import Field, definition

Buffer = bytes | bytearray
# A writer appends a message's part to the body; a reader fills a message from the body and returns the new position.
Writer = Callable[[bytearray, Message], None]
Reader = Callable[[memoryview, int, Message], int]
ValueWriter = Callable[[bytearray, Any], None]
ValueReader = Callable[[memoryview, int], tuple[Any, int]]

_HEADER = 4
_FORMATS = TYPE_CODES | {"bool": "?", "byte": "c"}
_NATIVE = "<" if sys.byteorder == "little" else ">"
_ENCAPSULATION = {"<": b"\x00\x01\x00\x00", ">": b"\x00\x00\x00\x00"}
_PADDING = tuple(bytes(size) for size in range(8))


def serialize(message: Message) -> bytearray:
    """A message as CDR with its header.

    Raises:
        ValueError: a field has a value that its type cannot hold (a sequence changed in place, a lone surrogate in a
            string).
    """
    body = bytearray(_ENCAPSULATION[_NATIVE])
    try:
        _writer(type(message)._TYPE_NAME)(body, message)
    except (struct.error, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{type(message)._TYPE_NAME} cannot be serialized: {error}") from error
    return body


def deserialize(payload: Buffer, cls: type[Message]) -> Any:
    """A message of class `cls` from CDR.

    Raises:
        DecodeError: the payload is not such a message.
    """
    if len(payload) < _HEADER or payload[0] != 0 or payload[1] > 1:
        raise DecodeError(f"{cls._TYPE_NAME}: {len(payload)} bytes without a CDR header")
    view = memoryview(payload)[_HEADER:]
    message = cls.__new__(cls)
    try:
        position = _reader(cls._TYPE_NAME, "<" if payload[1] else ">")(view, 0, message)
    except (struct.error, ValueError, IndexError) as error:
        raise DecodeError(f"{cls._TYPE_NAME}: {error}") from error
    # Serializers may pad the end to a multiple of four.
    if position > len(view) or len(view) - position > 3:
        raise DecodeError(f"{cls._TYPE_NAME}: {len(view)} bytes, of which the message takes {position}")
    return message


def _runs(fields: tuple[Field, ...]) -> Iterator[tuple[Field, ...]]:
    """Fields in order, with adjacent scalar numbers of one size combined."""
    run: list[Field] = []
    for field in fields:
        if not _is_number(field):
            if run:
                yield tuple(run)
                run = []
            yield (field,)
        elif run and _size(run[-1]) != _size(field):
            yield tuple(run)
            run = [field]
        else:
            run.append(field)
    if run:
        yield tuple(run)


def _is_number(field: Field) -> bool:
    return field.is_scalar and not field.is_message and field.base != "string"


def _size(field: Field) -> int:
    return struct.calcsize(f"<{_FORMATS[field.base]}")


@cache
def _writer(type_name: str) -> Writer:
    fields = visible_fields(definition(type_name))
    if not fields:
        return lambda body, _message: body.append(0)
    parts = [_run_writer(run) if _is_number(run[0]) else _field_writer(run[0]) for run in _runs(fields)]

    def write(body: bytearray, message: Message) -> None:
        for part in parts:
            part(body, message)

    return write if len(parts) > 1 else parts[0]


def _run_writer(run: tuple[Field, ...]) -> Writer:
    size = _size(run[0])
    pack = struct.Struct(_NATIVE + "".join(_FORMATS[field.base] for field in run)).pack
    get = operator.attrgetter(*(f"_{field.name}" for field in run))
    single = len(run) == 1

    def write(body: bytearray, message: Message) -> None:
        if over := (len(body) - _HEADER) % size:
            body += _PADDING[size - over]
        body += pack(get(message)) if single else pack(*get(message))

    return write


def _field_writer(field: Field) -> Writer:
    get = operator.attrgetter(f"_{field.name}")
    write_value = _value_writer(field)
    return lambda body, message: write_value(body, get(message))


def _value_writer(field: Field) -> ValueWriter:
    if field.is_scalar:
        return _writer(field.base) if field.is_message else _write_string
    if not field.is_message and field.base in TYPE_CODES:
        return _numbers_writer(field)
    return _items_writer(field, _item_writer(field))


def _item_writer(field: Field) -> ValueWriter:
    if field.is_message:
        return _writer(field.base)
    if field.base == "string":
        return _write_string
    pack = struct.Struct(_FORMATS[field.base]).pack

    def write(body: bytearray, value: Any) -> None:
        body += pack(value)

    return write


def _items_writer(field: Field, write_item: ValueWriter) -> ValueWriter:
    length, bound = field.array_length, field.bound

    def write(body: bytearray, value: Any) -> None:
        _check_length(field.name, len(value), length, bound)
        if length is None:
            _write_count(body, len(value))
        for item in value:
            write_item(body, item)

    return write


def _numbers_writer(field: Field) -> ValueWriter:
    size, code, length, bound = _size(field), TYPE_CODES[field.base], field.array_length, field.bound

    def write(body: bytearray, value: Any) -> None:
        _check_length(field.name, len(value), length, bound)
        if length is None:
            _write_count(body, len(value))
        if len(value) and (over := (len(body) - _HEADER) % size):
            body += _PADDING[size - over]
        # A message has an array.array or ndarray of the right type here, unless it was changed in place.
        body += value if isinstance(value, array.array) else np.ascontiguousarray(value, dtype=code).data

    return write


def _check_length(name: str, count: int, length: int | None, bound: int) -> None:
    if length is not None and count != length:
        raise ValueError(f"field {name} has {count} items: expected {length}")
    if bound and count > bound:
        raise ValueError(f"field {name} has {count} items: expected at most {bound}")


_pack_count = struct.Struct(f"{_NATIVE}I").pack


def _write_count(body: bytearray, count: int) -> None:
    if over := len(body) % 4:
        body += _PADDING[4 - over]
    body += _pack_count(count)


def _write_string(body: bytearray, value: str) -> None:
    raw = value.encode()
    _write_count(body, len(raw) + 1)
    body += raw
    body.append(0)


@cache
def _reader(type_name: str, order: str) -> Reader:
    fields = visible_fields(definition(type_name))
    if not fields:
        return lambda view, position, _message: position + 1
    cls = message_class(type_name)
    parts = [
        _run_reader(run, cls, order) if _is_number(run[0]) else _field_reader(run[0], cls, order)
        for run in _runs(fields)
    ]

    def read(view: memoryview, position: int, message: Message) -> int:
        for part in parts:
            position = part(view, position, message)
        return position

    return read if len(parts) > 1 else parts[0]


def _run_reader(run: tuple[Field, ...], cls: type[Message], order: str) -> Reader:
    size = _size(run[0])
    layout = struct.Struct(order + "".join(_FORMATS[field.base] for field in run))
    unpack, total, mask = layout.unpack_from, layout.size, size - 1
    setters = [cls._SETTERS[field.name] for field in run]

    def read(view: memoryview, position: int, message: Message) -> int:
        position = (position + mask) & ~mask
        for store, value in zip(setters, unpack(view, position), strict=True):
            store(message, value)
        return position + total

    return read


def _field_reader(field: Field, cls: type[Message], order: str) -> Reader:
    store = cls._SETTERS[field.name]
    read_value = _value_reader(field, order)

    def read(view: memoryview, position: int, message: Message) -> int:
        value, position = read_value(view, position)
        store(message, value)
        return position

    return read


def _value_reader(field: Field, order: str) -> ValueReader:
    if field.is_scalar:
        return _item_reader(field, order)
    if not field.is_message and field.base in TYPE_CODES:
        return _numbers_reader(field, order)
    return _items_reader(field, _item_reader(field, order), order)


def _item_reader(field: Field, order: str) -> ValueReader:
    if field.is_message:
        return _message_reader(field.base, order)
    if field.base == "string":
        return _string_reader(order)
    unpack = struct.Struct(order + _FORMATS[field.base]).unpack_from
    return lambda view, position: (unpack(view, position)[0], position + 1)


def _message_reader(type_name: str, order: str) -> ValueReader:
    cls, fill = message_class(type_name), _reader(type_name, order)

    def read(view: memoryview, position: int) -> tuple[Message, int]:
        message = cls.__new__(cls)
        return message, fill(view, position, message)

    return read


def _items_reader(field: Field, read_item: ValueReader, order: str) -> ValueReader:
    read_count = _count_reader(order)
    # An item takes at least one byte: a count above the number of bytes is invalid; nothing is allocated for it.
    length, bound = field.array_length, field.bound

    def read(view: memoryview, position: int) -> tuple[list[Any], int]:
        count = length
        if count is None:
            count, position = read_count(view, position)
            if count > len(view) - position or (bound and count > bound):
                raise ValueError(f"field {field.name} claims {count} items in {len(view) - position} bytes")
        items = []
        for _ in range(count):
            item, position = read_item(view, position)
            items.append(item)
        return items, position

    return read


def _numbers_reader(field: Field, order: str) -> ValueReader:
    size, code, length, bound = _size(field), TYPE_CODES[field.base], field.array_length, field.bound
    read_count, mask, swap = _count_reader(order), _size(field) - 1, order != _NATIVE and _size(field) > 1

    def read(view: memoryview, position: int) -> tuple[Any, int]:
        count = length
        if count is None:
            count, position = read_count(view, position)
        if count:
            position = (position + mask) & ~mask
        end = position + count * size
        if end > len(view) or (bound and count > bound):
            raise ValueError(f"field {field.name} claims {count} numbers in {len(view) - position} bytes")
        numbers = array.array(code)
        numbers.frombytes(view[position:end])
        if swap:
            numbers.byteswap()
        return (numbers if length is None else np.array(numbers, dtype=code)), end

    return read


def _count_reader(order: str) -> ValueReader:
    unpack = struct.Struct(f"{order}I").unpack_from

    def read(view: memoryview, position: int) -> tuple[int, int]:
        position = (position + 3) & ~3
        return unpack(view, position)[0], position + 4

    return read


def _string_reader(order: str) -> ValueReader:
    read_count = _count_reader(order)

    def read(view: memoryview, position: int) -> tuple[str, int]:
        count, position = read_count(view, position)
        end = position + count
        if end > len(view) or (count and view[end - 1]):
            raise ValueError(f"a string claims {count} bytes in {len(view) - position} or lacks its terminator")
        return str(view[position : max(position, end - 1)], "utf-8"), end

    return read
