"""Type names, definitions and hashes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rosbags.typesys import Stores, get_typestore

from zenoh_ros.wire.types import (
    UnknownType,
    definition,
    description_hash,
    message_names,
    parse_description,
    service_names,
    type_description,
    type_hash,
)

# As real ROS 2 (Jazzy) announces them.
TRUE_HASHES = {
    "action_msgs/srv/CancelGoal": "573d8b0a534451d7bc2ac8c5ffde8ac14b8593b7001175d0cd6516dcbeb8689a",
    "std_msgs/msg/String": "df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18",
    "sensor_msgs/msg/Image": "d31d41a9a4c4bc8eae9be757b0beed306564f7526c88ea6a4588fb9582527d47",
    "std_srvs/srv/Trigger": "eeff2cd6fa5ad9d27cdf4dec64818317839b62f212a91e6b5304b634b2062c5f",
    "example_interfaces/srv/AddTwoInts": "e118de6bf5eeb66a2491b5bda11202e7b68f198d6f67922cf30364858239c81a",
}
# rosbags takes `char` for a type of its own; rosidl reads it as uint8.
HOLD_CHAR = {
    "rmw_dds_common/msg/Gid",
    "rmw_dds_common/msg/NodeEntitiesInfo",
    "rmw_dds_common/msg/ParticipantEntitiesInfo",
    "service_msgs/msg/ServiceEventInfo",
    "std_msgs/msg/Char",
}


@pytest.mark.parametrize("name", TRUE_HASHES)
def test_hashes_of_real_ros(name: str) -> None:
    assert type_hash(name) == f"RIHS01_{TRUE_HASHES[name]}"


def test_hashes_agree_with_rosbags_but_for_char() -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    assert len(store.fielddefs) >= 155
    different = {name for name in store.fielddefs if store.hash_rihs01(name) != type_hash(name)}
    assert different == HOLD_CHAR


def test_own_types_come_from_their_files() -> None:
    assert {"rt_vla_ros/msg/ActionChunk", "rt_vla_ros/msg/ControllerStatus"} <= set(message_names())
    assert {"rt_vla_ros/srv/ResetScene", "rt_vla_ros/srv/TaskOutcome"} <= set(service_names())
    fields = {field.name: field for field in definition("rt_vla_ros/msg/ActionChunk").fields}
    assert fields["header"].base == "std_msgs/msg/Header"
    assert fields["tokens"].is_sequence
    assert definition("rt_vla_ros/msg/ControllerStatus").constants["FAULT"] == ("uint8", 5)


def test_defaults_and_bounds_are_kept() -> None:
    request = definition("type_description_interfaces/srv/GetTypeDescription_Request")
    assert {field.name: field.default for field in request.fields}["include_type_sources"] is True
    event = {field.name: field for field in definition("std_srvs/srv/Trigger_Event").fields}
    assert event["request"].bound == 1


@pytest.mark.parametrize("name", ["std_msgs/String", "std_msgs/msg/Sting", "no_such/msg/String", ""])
def test_an_unknown_type_is_said(name: str) -> None:
    with pytest.raises(UnknownType, match="unknown ROS type"):
        definition(name)


def test_the_right_package_is_suggested() -> None:
    with pytest.raises(UnknownType, match="did you mean sensor_msgs/msg/Image"):
        definition("std_msgs/msg/Image")


@pytest.mark.parametrize(
    "name",
    [
        "sensor_msgs/msg/PointCloud2",
        "diagnostic_msgs/msg/DiagnosticArray",
        "std_msgs/msg/Empty",
        "nav_msgs/msg/Odometry",
    ],
)
def test_a_description_is_read_back(name: str) -> None:
    described = type_description(name)
    main, *others = parse_description(described)
    plain = [replace(field, default=None) for field in definition(name).fields]
    assert (main.name, list(main.fields)) == (name, plain)
    assert {one.name for one in others} == {one["type_name"] for one in described["referenced_type_descriptions"]}
    assert description_hash(described) == type_hash(name)


@pytest.mark.parametrize(
    ("type_name", "field", "type_id", "sentence"),
    [
        ("a_msgs/msg/A", "text", 18, "is of an unsupported kind"),
        ("a_msgs/msg/A", "__class__", 2, "is not a valid field name"),
        ("a_msgs/msg/A", "a\n", 2, "is not a valid field name"),
        ("../msg/A", "a", 2, "is not a valid type name"),
    ],
)
def test_a_description_that_makes_no_type_is_refused(type_name: str, field: str, type_id: int, sentence: str) -> None:
    kind = {"type_id": type_id, "capacity": 0, "string_capacity": 0, "nested_type_name": ""}
    one = {"type_name": type_name, "fields": [{"name": field, "type": kind}]}
    with pytest.raises(ValueError, match=sentence):
        parse_description({"type_description": one, "referenced_type_descriptions": []})
