"""Parameters: declared, set, refused, and seen from other nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    ParameterEvent,
    ParameterType,
    SetParametersResult,
)
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters, SetParameters, SetParametersAtomically
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterAlreadyDeclaredException,
    ParameterNotDeclaredException,
    ParameterUninitializedException,
)
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient

RATE = ParameterDescriptor(
    description="Commands per second [Hz]",
    floating_point_range=[FloatingPointRange(from_value=1.0, to_value=100.0)],
)
COUNT = ParameterDescriptor(integer_range=[IntegerRange(from_value=0, to_value=10, step=2)])
FIXED = ParameterDescriptor(read_only=True)


def test_every_type_keeps_its_value(world: Any) -> None:
    node = world.node("node")
    values = [True, 7, 2.5, "text", [True, False], [1, 2], [1.5, 2.5], ["a", "b"], [b"a", b"b"]]
    for number, value in enumerate(values):
        declared = node.declare_parameter(f"p{number}", value)
        assert list(declared.value) == value if isinstance(value, list) else declared.value == value
        assert declared.type_ == Parameter.Type.from_parameter_value(value)
        assert node.get_parameter(f"p{number}").value == declared.value


def test_declaring(world: Any) -> None:
    node = world.node("node")
    assert not node.has_parameter("a")
    node.declare_parameters("group", [("a", 1), ("b", "two", ParameterDescriptor(description="second"))])
    assert node.has_parameter("group.a")
    assert [parameter.value for parameter in node.get_parameters(["group.a", "group.b"])] == [1, "two"]
    assert {name: value.value for name, value in node.get_parameters_by_prefix("group").items()} == {"a": 1, "b": "two"}
    assert node.describe_parameter("group.b").description == "second"
    with pytest.raises(ParameterAlreadyDeclaredException):
        node.declare_parameter("group.a", 2)
    node.undeclare_parameter("group.a")
    with pytest.raises(ParameterNotDeclaredException):
        node.get_parameter("group.a")
    assert node.get_parameter_or("group.a", Parameter("x", value=5)).value == 5


def test_a_type_without_a_value(world: Any) -> None:
    node = world.node("node")
    node.declare_parameter("later", Parameter.Type.DOUBLE)
    with pytest.raises(ParameterUninitializedException):
        node.get_parameter("later")
    assert node.set_parameters([Parameter("later", value=1.5)])[0].successful
    assert node.get_parameter("later").value == 1.5
    with pytest.raises(ValueError, match="statically typed"):
        node.declare_parameter("nothing", None, ParameterDescriptor())


def test_setting(world: Any) -> None:
    node = world.node("node")
    node.declare_parameter("gain", 1.0)
    assert node.set_parameters([Parameter("gain", value=2.0)])[0].successful
    assert node.get_parameter("gain").value == 2.0
    wrong = node.set_parameters([Parameter("gain", value="much")])[0]
    assert not wrong.successful
    assert "type" in wrong.reason
    with pytest.raises(ParameterNotDeclaredException):
        node.set_parameters([Parameter("unknown", value=1)])
    assert node.get_parameter("gain").value == 2.0


def test_dynamic_typing_and_undeclared_parameters(world: Any) -> None:
    node = world.node("node", allow_undeclared_parameters=True)
    node.declare_parameter("any", 1, ParameterDescriptor(dynamic_typing=True))
    assert node.set_parameters([Parameter("any", value="text")])[0].successful
    assert node.get_parameter("any").value == "text"
    assert node.get_parameter("unknown").type_ == Parameter.Type.NOT_SET
    assert node.set_parameters([Parameter("unknown", value=3)])[0].successful
    assert node.get_parameter("unknown").value == 3


def test_ranges(world: Any) -> None:
    node = world.node("node")
    node.declare_parameter("rate", 50.0, RATE)
    node.declare_parameter("count", 4, COUNT)
    for name, value, fits in (
        ("rate", 1.0, True),
        ("rate", 100.0, True),
        ("rate", 0.5, False),
        ("rate", 100.5, False),
        ("count", 10, True),
        ("count", 6, True),
        ("count", 5, False),
        ("count", -2, False),
    ):
        result = node.set_parameters([Parameter(name, value=value)])[0]
        assert result.successful == fits, (name, value)
        assert fits or name in result.reason
    assert node.get_parameter("rate").value == 100.0
    with pytest.raises(InvalidParameterValueException):
        node.declare_parameter("other_rate", 500.0, RATE)


def test_read_only(world: Any) -> None:
    node = world.node("node", parameter_overrides=[Parameter("fixed", value=2)])
    assert node.declare_parameter("fixed", 1, FIXED).value == 2
    result = node.set_parameters([Parameter("fixed", value=3)])[0]
    assert not result.successful
    assert "read-only" in result.reason
    assert node.get_parameter("fixed").value == 2


def test_atomically_means_all_or_none(world: Any) -> None:
    node = world.node("node")
    node.declare_parameter("a", 1)
    node.declare_parameter("rate", 50.0, RATE)
    result = node.set_parameters_atomically([Parameter("a", value=2), Parameter("rate", value=1000.0)])
    assert not result.successful
    assert node.get_parameter("a").value == 1
    assert node.set_parameters_atomically([Parameter("a", value=2), Parameter("rate", value=10.0)]).successful
    assert (node.get_parameter("a").value, node.get_parameter("rate").value) == (2, 10.0)


def test_callbacks_refuse_and_are_told(world: Any) -> None:
    node = world.node("node")
    node.declare_parameter("a", 1)
    told: list[int] = []

    def judge(parameters: list[Parameter]) -> SetParametersResult:
        odd = all(parameter.value % 2 for parameter in parameters)
        return SetParametersResult(successful=odd, reason="" if odd else "odd numbers only")

    node.add_on_set_parameters_callback(judge)
    node.add_post_set_parameters_callback(lambda parameters: told.extend(parameter.value for parameter in parameters))
    refused = node.set_parameters([Parameter("a", value=2)])[0]
    assert (refused.successful, refused.reason) == (False, "odd numbers only")
    assert node.set_parameters([Parameter("a", value=3)])[0].successful
    node.remove_on_set_parameters_callback(judge)
    assert node.set_parameters([Parameter("a", value=4)])[0].successful
    assert told == [3, 4]


def test_overrides_from_the_command_line(make_world: Any) -> None:
    world = make_world(
        "-p", "speed:=0.5", "-p", "count:=3", "-p", "name:=pick up the red cube", "-p", "nested.flag:=true",
        "-p", "list:=[1.0, 2.0]", "-p", "other:speed:=9.0", "-p", "unused:=1", "-p", "empty:=''",
    )  # fmt: skip
    node = world.node("node")
    assert node.declare_parameter("speed", 1.0).value == 0.5
    assert node.declare_parameter("count", 1).value == 3
    assert node.declare_parameter("name", "").value == "pick up the red cube"
    assert node.declare_parameter("nested.flag", False).value is True
    assert list(node.declare_parameter("list", [0.0]).value) == [1.0, 2.0]
    assert node.declare_parameter("empty", "full").value == ""
    assert not node.has_parameter("unused")
    assert world.node("other").declare_parameter("speed", 1.0).value == 9.0
    assert world.node("third").declare_parameter("speed", 1.0, ignore_override=True).value == 1.0


def test_an_override_of_the_wrong_type_is_refused(make_world: Any) -> None:
    node = make_world("-p", "speed:=fast").node("node")
    with pytest.raises(InvalidParameterTypeException):
        node.declare_parameter("speed", 1.0)


def test_parameter_files(make_world: Any, tmp_path: Path) -> None:
    path = tmp_path / "parameters.yaml"
    path.write_text(
        """
/**:
  ros__parameters:
    everywhere: 1
    both: 1
    camera:
      name: front
      size: [96, 128]
arm:
  ros__parameters:
    both: 2
/robot/arm:
  ros__parameters:
    only_in_namespace: 1.0e-3
/*/gripper:
  ros__parameters:
    wild: true
"""
    )
    world = make_world("--params-file", str(path))
    arm = world.node("arm")
    assert arm.declare_parameter("everywhere", 0).value == 1
    assert arm.declare_parameter("both", 0).value == 2
    assert arm.declare_parameter("camera.name", "").value == "front"
    assert list(arm.declare_parameter("camera.size", [0]).value) == [96, 128]
    assert arm.declare_parameter("only_in_namespace", 0.0).value == 0.0
    other = world.node("arm", namespace="robot")
    assert other.declare_parameter("both", 0).value == 1
    assert other.declare_parameter("only_in_namespace", 0.0).value == 0.001


def test_given_overrides_win_over_the_command_line(make_world: Any) -> None:
    node = make_world("-p", "a:=1", "-p", "b:=1").node("node", parameter_overrides=[Parameter("a", value=2)])
    assert (node.declare_parameter("a", 0).value, node.declare_parameter("b", 0).value) == (2, 1)


def test_automatic_declaration(make_world: Any) -> None:
    node = make_world("-p", "a.b:=1.5").node("node", automatically_declare_parameters_from_overrides=True)
    assert node.get_parameter("a.b").value == 1.5


def test_another_node_reads_and_sets(world: Any) -> None:
    node = world.node("node", namespace="arm")
    node.declare_parameter("rate", 50.0, RATE)
    node.declare_parameter("camera.name", "front")
    other = world.node("other")

    def ask(srv_type: Any, name: str, **fields: Any) -> Any:
        client = other.create_client(srv_type, f"/arm/node/{name}")
        assert client.wait_for_service(20.0)
        return world.answer(client.call_async(srv_type.Request(**fields)))

    values = ask(GetParameters, "get_parameters", names=["rate", "camera.name"]).values
    assert [(value.type, value.double_value, value.string_value) for value in values] == [
        (ParameterType.PARAMETER_DOUBLE, 50.0, ""),
        (ParameterType.PARAMETER_STRING, 0.0, "front"),
    ]
    assert len(ask(GetParameters, "get_parameters", names=["unknown"]).values) == 0
    listed = ask(ListParameters, "list_parameters", prefixes=[], depth=0).result
    assert {"rate", "camera.name", "use_sim_time"} <= set(listed.names)
    assert "camera" in listed.prefixes
    described = ask(DescribeParameters, "describe_parameters", names=["rate"]).descriptors[0]
    assert (described.name, described.type) == ("rate", ParameterType.PARAMETER_DOUBLE)
    assert described.description == "Commands per second [Hz]"
    assert described.floating_point_range[0].to_value == 100.0
    wanted = [Parameter("rate", value=20.0).to_parameter_msg(), Parameter("rate", value=1e6).to_parameter_msg()]
    results = ask(SetParameters, "set_parameters", parameters=wanted).results
    assert [result.successful for result in results] == [True, False]
    assert node.get_parameter("rate").value == 20.0
    unknown = [Parameter("unknown", value=1).to_parameter_msg()]
    assert not ask(SetParametersAtomically, "set_parameters_atomically", parameters=unknown).result.successful


def test_events_tell_of_changes(world: Any) -> None:
    events: list[ParameterEvent] = []
    watcher = world.node("watcher")
    subscription = watcher.create_subscription(ParameterEvent, "/parameter_events", events.append, 100)
    node = world.node("node")
    assert world.spin_until(lambda: subscription.get_publisher_count() == 2)
    world.spin_for(0.1)
    events.clear()
    node.declare_parameter("a", 1)
    node.set_parameters([Parameter("a", value=2)])
    assert world.spin_until(lambda: len(events) == 2)
    assert [event.node for event in events] == ["/node", "/node"]
    assert events[0].new_parameters[0].value.integer_value == 1
    assert events[1].changed_parameters[0].value.integer_value == 2


def test_parameter_values() -> None:
    assert Parameter("a", value=1).type_ == Parameter.Type.INTEGER
    assert Parameter("a", Parameter.Type.STRING, "x").get_parameter_value().string_value == "x"
    message = Parameter("a", value=[1.0, 2.0]).to_parameter_msg()
    assert list(Parameter.from_parameter_msg(message).value) == [1.0, 2.0]
    with pytest.raises(ValueError, match="agree"):
        Parameter("a", Parameter.Type.INTEGER, 1.5)
    with pytest.raises(TypeError):
        Parameter("a", value={"a": 1})
    with pytest.raises(TypeError):
        Parameter("a", value=[1, "two"])


def test_a_parameter_client(world: Any, tmp_path: Path) -> None:
    node = world.node("node")
    node.declare_parameter("rate", 50.0, RATE)
    client = AsyncParameterClient(world.node("other"), "node")
    assert client.wait_for_services(20.0)
    assert "rate" in world.answer(client.list_parameters()).result.names
    assert world.answer(client.get_parameters(["rate"])).values[0].double_value == 50.0
    assert world.answer(client.set_parameters([Parameter("rate", value=10.0)])).results[0].successful
    assert list(world.answer(client.get_parameter_types(["rate"])).types) == [ParameterType.PARAMETER_DOUBLE]
    assert world.answer(client.describe_parameters(["rate"])).descriptors[0].name == "rate"
    path = tmp_path / "parameters.yaml"
    path.write_text("node:\n  ros__parameters:\n    rate: 30.0\n")
    assert world.answer(client.load_parameter_file(str(path))).results[0].successful
    assert node.get_parameter("rate").value == 30.0
