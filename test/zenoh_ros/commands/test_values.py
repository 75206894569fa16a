"""Messages from YAML and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import yaml

from rt_vla_ros import ros

ros.ensure()

from builtin_interfaces.msg import Time  # noqa: E402
from geometry_msgs.msg import PoseArray, PoseWithCovariance, TwistStamped  # noqa: E402
from sensor_msgs.msg import Image, JointState  # noqa: E402
from std_msgs.msg import Bool, ByteMultiArray, Float64, Header, Int8, String  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from zenoh_ros.commands.errors import CliError  # noqa: E402
from zenoh_ros.commands.values import fill, interface, parse_values, stamp, to_yaml  # noqa: E402


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("std_msgs/msg/String", "msg", String),
        ("std_msgs/String", "msg", String),
        ("std_srvs/srv/Trigger", "srv", Trigger),
        ("std_srvs/Trigger", "srv", Trigger),
    ],
)
def test_types_are_found_by_name(name: str, kind: str, expected: Any) -> None:
    assert interface(name, kind) is expected


@pytest.mark.parametrize(
    ("name", "kind", "hint"),
    [
        ("std_msgs/msg/Strin", "msg", "Did you mean 'std_msgs/msg/String'?"),
        ("string", "msg", "Did you mean 'std_msgs/msg/String'?"),
        ("sensor_msgs/String", "msg", "Did you mean 'std_msgs/msg/String'?"),
        ("std_msg/msg/Float64", "msg", "Did you mean 'std_msgs/msg/Float64'?"),
        ("std_srvs/srv/Triger", "srv", "Did you mean 'std_srvs/srv/Trigger'?"),
        ("std_msgs/srv/String", "msg", "'std_msgs/msg/String'"),
        ("", "msg", "expected package/msg/Name"),
        ("os/msg/path", "msg", "expected package/msg/Name"),
        ("../msg/String", "msg", "'std_msgs/msg/String'"),
    ],
)
def test_near_types_are_offered(name: str, kind: str, hint: str) -> None:
    with pytest.raises(CliError) as caught:
        interface(name, kind)
    assert repr(name) in str(caught.value)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("message", "values"),
    [
        (String(), {"data": "pick up the red cube"}),
        (Float64(), {"data": 2.0}),
        (Bool(), {"data": True}),
        (Int8(), {"data": -128}),
        (TwistStamped(), {"header": {"frame_id": "base"}, "twist": {"linear": {"x": 0.5}}}),
        (JointState(), {"name": ["a", "b"], "position": [1.0, 2.0]}),
        (PoseArray(), {"poses": [{"position": {"x": 1.0}}, {"orientation": {"w": 0.5}}]}),
        (PoseWithCovariance(), {"covariance": [float(number) for number in range(36)]}),
        (Image(), {"height": 1, "encoding": "mono8", "data": [1, 2, 255]}),
    ],
)
def test_what_is_filled_in_is_printed(message: Any, values: dict[str, Any]) -> None:
    assert fill(message, values) == []
    printed = yaml.safe_load(to_yaml(message))

    def holds(part: Any, whole: Any) -> bool:
        if isinstance(part, dict):
            return all(holds(value, whole[name]) for name, value in part.items())
        if isinstance(part, list):
            return len(part) == len(whole) and all(map(holds, part, whole))
        return bool(part == whole)

    assert holds(values, printed), printed


def test_numbers_and_texts_become_what_the_field_is() -> None:
    number, text = Float64(), String()
    fill(number, {"data": 1})
    fill(text, {"data": 5})
    assert (number.data, text.data) == (1.0, "5")


@pytest.mark.parametrize("number", ["1e-3", "-.5", "5e-2", "7E10", "nan", "inf", "-Infinity", "'1'", ".5", "1_000"])
def test_a_number_may_be_written_as_ros2_topic_pub_takes_it(number: str) -> None:
    twist, joints = TwistStamped(), JointState()
    fill(twist, parse_values(f"twist: {{linear: {{x: {number}}}}}"))
    fill(joints, parse_values(f"position: [{number}]"))
    expected = float(number.strip("'"))
    np.testing.assert_equal([twist.twist.linear.x, joints.position[0]], [expected, expected])


@pytest.mark.parametrize(("text", "expected"), [("1", True), ("0", False), ("on", True), ("no", False)])
def test_a_truth_may_be_a_number_or_a_word(text: str, expected: bool) -> None:
    message = Bool()
    fill(message, parse_values(f"data: {text}"))
    assert message.data is expected


def test_times_are_set_when_it_is_published() -> None:
    twist, header = TwistStamped(), Header()
    times = fill(twist, {"header": "auto"}) + fill(header, {"stamp": "now", "frame_id": "eye"})
    stamp(times, Time(sec=5, nanosec=6))
    assert (twist.header.stamp.sec, header.stamp.nanosec, header.frame_id) == (5, 6, "eye")


@pytest.mark.parametrize(
    ("message", "values", "sentence"),
    [
        (String(), {"dat": "x"}, "std_msgs/String has no field 'dat'. Did you mean 'data'?"),
        (TwistStamped(), {"twist": {"linear": {"q": 1}}}, "no field 'twist.linear.q'. Available: x, y, z."),
        (TwistStamped(), {"twist": 5}, "field 'twist' is a geometry_msgs/Twist: expected a mapping of its fields"),
        (String(), {"data": True}, "field 'data' is a string, but YAML reads True: put it in quotes"),
        (String(), {"data": None}, "put it in quotes"),
        (Bool(), {"data": 2}, "field 'data' is a boolean, got 2"),
        (Bool(), {"data": "false"}, "field 'data' is a boolean, got 'false'"),
        (Int8(), {"data": "1e1"}, "field 'data' is a int8, got '1e1'"),
        (Int8(), {"data": float("inf")}, "field 'data' is a int8, got inf"),
        (Int8(), {"data": True}, "field 'data' is a int8, got True"),
        (Float64(), {"data": "fast"}, "field 'data' is a double, got 'fast'"),
        (Int8(), {"data": 1.5}, "field 'data' is a int8, got 1.5"),
        (JointState(), {"position": 1.0}, "field 'position' is a list of double: expected [...], got 1.0"),
        (JointState(), {"position": [1.0, "x"]}, "field 'position[1]' is a double, got 'x'"),
        (PoseWithCovariance(), {"covariance": [1.0]}, "field 'covariance'"),
        (PoseArray(), {"poses": [{"position": {"u": 1}}]}, "'poses[0].position.u'"),
        (Trigger.Request(), {"data": 1}, "has no field 'data'. It has no fields."),
    ],
)
def test_what_does_not_fit_is_named(message: Any, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CliError) as caught:
        fill(message, values)
    assert sentence in str(caught.value)


def test_numbers_out_of_range_never_wrap() -> None:
    message = Int8()
    with pytest.raises(CliError, match="field 'data'"):
        fill(message, {"data": 128})
    assert message.data == 0


@pytest.mark.parametrize(
    ("text", "expected"), [("", {}), ("{}", {}), ("data: a b", {"data": "a b"}), ("{a: 1}", {"a": 1})]
)
def test_values_are_a_mapping(text: str, expected: dict[str, Any]) -> None:
    assert parse_values(text) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("data: [1,\n  2", "the values are not YAML at line 2, column"),
        ("a: b: c", "at line 1, column 5"),
        ("data: 2024-13-45", "the values are not YAML: month must be in 1..12"),
        ("[" * 4000, "the values are not YAML: maximum recursion depth exceeded"),
        ("hello", "must be a YAML mapping such as 'data: hello', got 'hello'"),
        ("[1]", "must be a YAML mapping"),
    ],
)
def test_what_is_no_mapping_says_where(text: str, sentence: str) -> None:
    with pytest.raises(CliError) as caught:
        parse_values(text)
    assert sentence in str(caught.value)


def test_long_things_are_cut_unless_asked_for() -> None:
    image = Image(encoding="m" * 200, data=bytes(300))
    cut = yaml.safe_load(to_yaml(image))
    assert cut["data"] == [0] * 128 + ["..."]
    assert cut["encoding"] == "m" * 128 + "..."
    whole = yaml.safe_load(to_yaml(image, limit=None))
    assert whole["data"] == [0] * 300
    assert whole["encoding"] == "m" * 200
    named = yaml.safe_load(to_yaml(image, no_arr=True, no_str=True))
    assert named["data"] == "<sequence type: uint8, length: 300>"
    assert named["encoding"] == "<string length: <200>>"
    covariance = yaml.safe_load(to_yaml(PoseWithCovariance(), no_arr=True))["covariance"]
    assert covariance == "<array type: double, length: 36>"


def test_one_line_and_any_letters() -> None:
    assert to_yaml(String(data="grüß 🤖"), flow=True) == "{data: grüß 🤖}\n"
    assert to_yaml("plain") == "plain\n"
    assert to_yaml(0.5) == "0.5\n"


def test_bytes_are_numbers() -> None:
    message = ByteMultiArray()
    fill(message, {"data": [1, 255]})
    assert yaml.safe_load(to_yaml(message))["data"] == [1, 255]
