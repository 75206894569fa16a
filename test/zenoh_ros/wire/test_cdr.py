"""CDR, with rosbags' codec as the judge."""

from __future__ import annotations

import array
import random
import struct
from typing import Any

import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore

from zenoh_ros.wire.cdr import deserialize, serialize
from zenoh_ros.wire.checks import INTEGER_BITS, TYPE_CODES, integer_range
from zenoh_ros.wire.errors import DecodeError
from zenoh_ros.wire.messages import Message, message_class, service_class, visible_fields
from zenoh_ros.wire.types import Field, definition, message_names, service_names

STORE = get_typestore(Stores.ROS2_JAZZY)
String = message_class("std_msgs/msg/String")
Image = message_class("sensor_msgs/msg/Image")
JointState = message_class("sensor_msgs/msg/JointState")


def filled(name: str, chance: random.Random) -> Message:
    """A message with arbitrary content in every field."""
    cls = message_class(name)
    return cls(**{field.name: _value(field, chance) for field in visible_fields(definition(name))})


def _value(field: Field, chance: random.Random) -> Any:
    if field.is_scalar:
        return _item(field, chance)
    count = field.array_length if field.array_length is not None else chance.randrange(field.bound or 4)
    items = [_item(field, chance) for _ in range(count)]
    if field.is_message or field.base not in TYPE_CODES:
        return items
    code = TYPE_CODES[field.base]
    return np.array(items, dtype=code) if field.array_length is not None else array.array(code, items)


def _item(field: Field, chance: random.Random) -> Any:
    if field.is_message:
        return filled(field.base, chance)
    if field.base in INTEGER_BITS:
        return chance.randint(*integer_range(field.base))
    if field.base == "string":
        return chance.choice(["", "a", "naïve ☕", "x" * chance.randrange(20)])
    if field.base == "byte":
        return bytes([chance.randrange(256)])
    if field.base == "bool":
        return chance.random() < 0.5
    # A number that float32 holds exactly.
    return float(chance.randrange(-1000, 1000)) / 8


@pytest.mark.parametrize("name", message_names())
def test_every_message_comes_back(name: str) -> None:
    chance = random.Random(name)
    for message in (message_class(name)(), filled(name, chance), filled(name, chance)):
        payload = bytes(serialize(message))
        assert deserialize(payload, type(message)) == message
        if name in STORE.fielddefs:
            theirs = STORE.deserialize_cdr(payload, name)
            assert bytes(STORE.serialize_cdr(theirs, name)) == payload
            big_endian = bytes(STORE.serialize_cdr(theirs, name, little_endian=False))
            assert deserialize(big_endian, type(message)) == message


@pytest.mark.parametrize("name", service_names())
def test_every_service_comes_back(name: str) -> None:
    chance = random.Random(name)
    for part in ("Request", "Response"):
        message = filled(f"{name}_{part}", chance)
        assert deserialize(serialize(message), getattr(service_class(name), part)) == message


def test_bytes_of_a_string() -> None:
    assert serialize(String(data="hi")) == b"\x00\x01\x00\x00" + struct.pack("<I", 3) + b"hi\x00"


def test_an_empty_message_is_one_byte() -> None:
    empty = message_class("std_msgs/msg/Empty")
    assert serialize(empty()) == b"\x00\x01\x00\x00\x00"
    assert deserialize(b"\x00\x01\x00\x00\x00", empty) == empty()


def test_an_image_comes_back_writable() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, 480 * 640 * 3, dtype=np.uint8)
    image: Any = deserialize(serialize(Image(height=480, width=640, step=1920, data=pixels)), Image)
    view = np.frombuffer(image.data, np.uint8)
    np.testing.assert_array_equal(view, pixels)
    assert view.flags.writeable


def test_fields_changed_in_place_are_checked() -> None:
    message: Any = JointState(name=["a"])
    message.name.append(3)
    with pytest.raises(ValueError, match="JointState cannot be serialized"):
        serialize(message)
    with pytest.raises(ValueError, match="surrogates"):
        serialize(String(data="\ud800"))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00\x01",
        b"\x00\x07\x00\x00\x01\x00\x00\x00\x00",
        b"\x00\x01\x00\x00",
        b"\x00\x01\x00\x00\xff\xff\xff\xff",
        b"\x00\x01\x00\x00\x03\x00\x00\x00abc",
        b"\x00\x01\x00\x00\x03\x00\x00\x00\xff\xff\x00",
        b"\x00\x01\x00\x00\x01\x00\x00\x00\x00123456",
    ],
)
def test_broken_strings_are_refused(payload: bytes) -> None:
    with pytest.raises(DecodeError, match="std_msgs/msg/String"):
        deserialize(payload, String)


def test_mutated_messages_are_read_or_refused_and_nothing_else() -> None:
    names = ["sensor_msgs/msg/JointState", "rt_vla_ros/msg/ActionChunk", "tf2_msgs/msg/TFMessage"]
    chance = random.Random(0)
    refused = 0
    for name in names:
        cls = message_class(name)
        payload = serialize(filled(name, chance))
        for _ in range(500):
            broken = bytearray(payload[: chance.randrange(len(payload) + 1)] if chance.random() < 0.3 else payload)
            for _ in range(chance.randrange(4)):
                if broken:
                    broken[chance.randrange(len(broken))] = chance.randrange(256)
            try:
                assert isinstance(deserialize(broken, cls), cls)
            except DecodeError:
                refused += 1
    assert refused > 100
