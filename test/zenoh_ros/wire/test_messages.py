"""Message and service classes behave as rosidl's do."""

from __future__ import annotations

import array
import copy
from typing import Any

import numpy as np
import pytest

from zenoh_ros.wire.messages import message_class, service_class
from zenoh_ros.wire.types import message_names, service_names

Header = message_class("std_msgs/msg/Header")
Image = message_class("sensor_msgs/msg/Image")
Time = message_class("builtin_interfaces/msg/Time")
Twist = message_class("geometry_msgs/msg/TwistStamped")
JointState = message_class("sensor_msgs/msg/JointState")
DiagnosticStatus = message_class("diagnostic_msgs/msg/DiagnosticStatus")
CameraInfo = message_class("sensor_msgs/msg/CameraInfo")


@pytest.mark.parametrize("name", message_names())
def test_every_class_has_defaults_equality_and_repr(name: str) -> None:
    cls = message_class(name)
    package, kind, short = name.split("/")
    message = cls()
    assert message == cls()
    assert repr(message).startswith(f"{package}.{kind}.{short}(")
    assert list(cls.get_fields_and_field_types()) == [slot[1:] for slot in cls.__slots__]
    assert copy.deepcopy(message) == message
    assert message_class(name) is cls


def test_keyword_constructor_and_nested_defaults() -> None:
    message: Any = Image(header=Header(frame_id="camera"), height=2)
    assert (message.header.frame_id, message.header.stamp.sec, message.height, message.width) == ("camera", 0, 2, 0)
    assert message.data == array.array("B")
    assert Image().header is not Image().header


def test_default_values_of_definitions() -> None:
    assert message_class("geometry_msgs/msg/Quaternion")().w == 1.0  # type: ignore[attr-defined]
    assert message_class("sensor_msgs/msg/NavSatStatus")().status == -2  # type: ignore[attr-defined]


def test_constants_are_class_attributes() -> None:
    assert message_class("rcl_interfaces/msg/Log").WARN == 30  # type: ignore[attr-defined]
    assert message_class("rt_vla_ros/msg/ControllerStatus").FAULT == 5  # type: ignore[attr-defined]
    # rosidl gives a `byte` as bytes.
    assert DiagnosticStatus.ERROR == b"\x02"  # type: ignore[attr-defined]
    assert DiagnosticStatus(level=b"\x02").level == b"\x02"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("cls", "field", "value"),
    [
        (Header, "frame_id", 3),
        (Header, "stamp", 1.0),
        (Time, "sec", 1.0),
        (Time, "sec", 2**31),
        (Time, "nanosec", -1),
        (Image, "height", np.int64(3)),
        (Image, "is_bigendian", 256),
        (Image, "data", [1, 300]),
        (Image, "data", "text"),
        (Image, "data", np.zeros(3)),
        (Image, "data", np.zeros((3, 3), np.uint8)),
        (Image, "data", array.array("d", [1.0])),
        (JointState, "position", [1, 2]),
        (JointState, "position", 1.0),
        (JointState, "name", ["a", 2]),
        (JointState, "name", "joint"),
        (CameraInfo, "k", [0.0] * 8),
        (CameraInfo, "k", np.zeros(9, np.float32)),
        (DiagnosticStatus, "level", 1),
        (DiagnosticStatus, "level", b"ab"),
        (DiagnosticStatus, "values", [Header()]),
    ],
)
def test_wrong_types_are_refused(cls: type, field: str, value: Any) -> None:
    with pytest.raises(AssertionError, match=f"'{field}'"):
        setattr(cls(), field, value)
    with pytest.raises(AssertionError, match=f"'{field}'"):
        cls(**{field: value})


def test_integers_are_no_floats() -> None:
    with pytest.raises(AssertionError, match="'x' field must be of type 'float'"):
        message_class("geometry_msgs/msg/Vector3")(x=1)


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(AssertionError, match="its fields are stamp, frame_id"):
        Header(frame="x")
    with pytest.raises(AttributeError):
        Header().frame = "x"  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, list, tuple, "array", "numpy"])
def test_image_data_of_every_kind(kind: Any) -> None:
    raw = bytes(range(12))
    given = {"array": array.array("B", raw), "numpy": np.frombuffer(raw, np.uint8)}
    message: Any = Image(data=given[kind] if isinstance(kind, str) else kind(raw))
    assert len(message.data) == 12
    assert message.data.typecode == "B"
    np.testing.assert_array_equal(np.frombuffer(message.data, np.uint8), np.arange(12, dtype=np.uint8))


def test_an_array_is_kept_not_copied() -> None:
    data = array.array("B", b"abc")
    assert Image(data=data).data is data  # type: ignore[attr-defined]


def test_numbers_of_other_sizes() -> None:
    joints: Any = JointState(name=["a"], position=np.array([1.5, 2.5]), velocity=[0.5])
    assert list(joints.position) == [1.5, 2.5]
    assert joints == JointState(name=["a"], position=[1.5, 2.5], velocity=array.array("d", [0.5]))
    info: Any = CameraInfo(k=[float(i) for i in range(9)])
    assert info.k.dtype == np.float64
    assert info != CameraInfo()


def test_messages_of_other_types_are_unequal_and_unhashable() -> None:
    assert Header() != Time()
    with pytest.raises(TypeError, match="unhashable"):
        hash(Header())


def test_repr_is_rosidls() -> None:
    message = Image(header=Header(frame_id="a"), data=b"\x01\x02")
    assert repr(message) == (
        "sensor_msgs.msg.Image(header=std_msgs.msg.Header(stamp=builtin_interfaces.msg.Time(sec=0, nanosec=0), "
        "frame_id='a'), height=0, width=0, encoding='', is_bigendian=0, step=0, data=[1, 2])"
    )


def test_field_types_are_idls() -> None:
    assert Image.get_fields_and_field_types()["data"] == "sequence<uint8>"
    assert Twist.get_fields_and_field_types() == {"header": "std_msgs/Header", "twist": "geometry_msgs/Twist"}
    assert CameraInfo.get_fields_and_field_types()["k"] == "double[9]"
    assert message_class("rcl_interfaces/msg/ParameterDescriptor").get_fields_and_field_types()["integer_range"] == (
        "sequence<rcl_interfaces/IntegerRange, 1>"
    )


@pytest.mark.parametrize("name", service_names())
def test_every_service_has_its_parts(name: str) -> None:
    service = service_class(name)
    short = name.rsplit("/", 1)[1]
    assert repr(service.Request()).split("(")[0].endswith(f"{short}_Request")
    assert repr(service.Response()).split("(")[0].endswith(f"{short}_Response")
    with pytest.raises(TypeError, match="Request"):
        service()


def test_bounded_sequences() -> None:
    descriptor = message_class("rcl_interfaces/msg/ParameterDescriptor")
    limits = message_class("rcl_interfaces/msg/IntegerRange")
    assert len(descriptor(integer_range=[limits()]).integer_range) == 1  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match="length <= 1"):
        descriptor(integer_range=[limits(), limits()])
