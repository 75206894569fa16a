"""Keys and tokens as rmw_zenoh writes them."""

from __future__ import annotations

import pytest
import xxhash

from zenoh_ros.wire.keys import EndpointKey, EndpointKind, NodeKey, data_key, demangle, mangle, parse_token
from zenoh_ros.wire.qos import QosProfile

NODE = NodeKey(domain=0, zid="aac3178e146ba6f1fc6e6a4085e77f21", nid="0", namespace="/", name="listener")
STRING_HASH = "RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18"
# The design document of rmw_zenoh gives these.
NODE_TOKEN = "@ros2_lv/0/aac3178e146ba6f1fc6e6a4085e77f21/0/0/NN/%/%/listener"
SUBSCRIPTION_TOKEN = (
    "@ros2_lv/0/aac3178e146ba6f1fc6e6a4085e77f21/0/10/MS/%/%/listener/%chatter/"
    f"std_msgs::msg::dds_::String_/{STRING_HASH}/::,10:,:,:,,"
)
SUBSCRIPTION = EndpointKey(
    node=NODE,
    eid="10",
    kind=EndpointKind.SUBSCRIPTION,
    name="/chatter",
    type_name="std_msgs/msg/String",
    type_hash=STRING_HASH,
    qos=QosProfile(depth=10),
)


def test_node_token() -> None:
    assert NODE.token() == NODE_TOKEN
    assert parse_token(NODE_TOKEN) == NODE


def test_endpoint_token() -> None:
    assert SUBSCRIPTION.token() == SUBSCRIPTION_TOKEN
    assert parse_token(SUBSCRIPTION_TOKEN) == SUBSCRIPTION


def test_namespace_is_mangled() -> None:
    node = NodeKey(domain=7, zid="ab", nid="3", namespace="/robot/left", name="arm", enclave="/secure")
    assert node.token() == "@ros2_lv/7/ab/3/3/NN/%secure/%robot%left/arm"
    assert parse_token(node.token()) == node
    assert node.full_name == "/robot/left/arm"


def test_extra_trailing_parts_are_accepted() -> None:
    assert parse_token(f"{SUBSCRIPTION_TOKEN}/capabilities/7") == SUBSCRIPTION


@pytest.mark.parametrize(
    "token",
    [
        "@ros2_lv/0/ab/3/3/NN/%/%",
        "@other/0/ab/3/3/NN/%/%/name",
        "@ros2_lv/zero/ab/3/3/NN/%/%/name",
        "@ros2_lv/0/ab/3/4/XX/%/%/name/%t/std_msgs::msg::dds_::String_/RIHS01_0/::,10:,:,:,,",
        "@ros2_lv/0/ab/3/4/MP/%/%/name/%t/std_msgs::msg::dds_::String_",
        "@ros2_lv/0/ab/3/4/MP/%/%/name/%t/String/RIHS01_0/::,10:,:,:,,",
        "@ros2_lv/0/ab/3/4/MP/%/%/name/%t/std_msgs::msg::dds_::String_/RIHS01_0/::",
        "@ros2_lv/0//3/3/NN/%/%/name",
    ],
)
def test_foreign_tokens_are_ignored(token: str) -> None:
    assert parse_token(token) is None


def test_data_keys_of_the_design_document() -> None:
    assert (
        data_key(0, "/robot1/chatter", "std_msgs/msg/String", STRING_HASH)
        == f"0/robot1/chatter/std_msgs::msg::dds_::String_/{STRING_HASH}"
    )
    assert (
        data_key(2, "/add_two_ints", "example_interfaces/srv/AddTwoInts", "RIHS01_e1")
        == "2/add_two_ints/example_interfaces::srv::dds_::AddTwoInts_/RIHS01_e1"
    )


def test_gid_is_low_then_high_half_little_endian() -> None:
    number = xxhash.xxh3_128(SUBSCRIPTION_TOKEN.encode()).intdigest()
    low, high = number & (2**64 - 1), number >> 64
    assert SUBSCRIPTION.gid == low.to_bytes(8, "little") + high.to_bytes(8, "little")


@pytest.mark.parametrize("name", ["/", "/a", "/a/b/c", "plain"])
def test_mangling_round_trip(name: str) -> None:
    assert "/" not in mangle(name)
    assert demangle(mangle(name)) == name


def test_an_empty_name_is_written_as_percent() -> None:
    assert mangle("") == "%"
