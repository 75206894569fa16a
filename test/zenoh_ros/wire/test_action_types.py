"""Action files, and what rosidl makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from zenoh_ros.wire.messages import action_class, message_class, service_class
from zenoh_ros.wire.type_definition import owner
from zenoh_ros.wire.types import (
    UnknownType,
    action_names,
    check_service,
    description_hash,
    parse_description,
    type_description,
    type_hash,
)

LOOKUP = "tf2_msgs/action/LookupTransform"
# geometry2, branch jazzy, without its comments; and the hashes that Jazzy's rosidl gives it.
TEXT = """string target_frame
string source_frame
builtin_interfaces/Time source_time
builtin_interfaces/Duration timeout
builtin_interfaces/Time target_time
string fixed_frame
bool advanced
---
geometry_msgs/TransformStamped transform
tf2_msgs/TF2Error error
---
"""
TRUE_HASHES = {
    "": "0b8adf6bc0b5958879e3265b41a457e03558fe523890a81252c70eba97a82c5d",
    "_Goal": "815efc294ad17c813c6043cdde781ff55810d49da02ed07f9237dcd20e88d498",
    "_Result": "061d4423af5352ff5314c8effef8faab133991a78f1b2bcd1fecabad80871225",
    "_Feedback": "2da0b02f990f04404ab8c98a2a68cf5bbc773ae747f96911f2d55499cfb51542",
    "_FeedbackMessage": "10cb89922dcb103e95c185d43e8a5efa3d38db996f733151a2f3e2ac133f4839",
    "_SendGoal": "4646ff5706c86b04d0a1098d329951a9731a7517e16702905de6073cc72c8530",
    "_SendGoal_Request": "eb1312eb7aab35e35c71bb87c2ba3a94747c5a6544ea32bb2b32b0f75775b8ca",
    "_SendGoal_Response": "c1ada93304793c08813657255e7bde2e40e2114aa634b702c3f8d4b72ae098bc",
    "_SendGoal_Event": "5ab93d3d6c35b56390325099cb088c73bae176a39123f2f6dfe119582436acc5",
    "_GetResult": "3cd1715751899e3167b5aec3e4ac194f7da9e8493a77285f9f6a4c914f5e8b24",
    "_GetResult_Request": "148f9bdc01f98922d6fb2072cb64468b89c57c7825d9d83b932c183deaa4697d",
    "_GetResult_Response": "954de3efc36b164c4d21116abdbdcc52746e454fd9c169b55d9cfd89e83d299d",
    "_GetResult_Event": "3260115e0f6a676d621f191f85a72a0c82f9fcb1483965c1fbaaab0b1d651a9e",
}


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a package with an action, which nothing built."""
    file = tmp_path / "share" / "tf2_msgs" / "action" / "LookupTransform.action"
    file.parent.mkdir(parents=True)
    file.write_text(TEXT)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("part", TRUE_HASHES)
def test_hashes_of_real_ros(prefix: Path, part: str) -> None:
    assert type_hash(LOOKUP + part) == f"RIHS01_{TRUE_HASHES[part]}"


def test_an_action_and_its_parts_are_found_by_their_names(prefix: Path) -> None:
    assert LOOKUP in action_names()
    made = action_class(LOOKUP)
    assert made.Impl.SendGoalService is service_class(f"{LOOKUP}_SendGoal")
    assert made.Goal is message_class(f"{LOOKUP}_Goal")
    assert repr(made.Impl.GetResultService.Request()).startswith("tf2_msgs.action.LookupTransform_GetResult_Request(")
    assert made.Impl.FeedbackMessage.get_fields_and_field_types() == {
        "goal_id": "unique_identifier_msgs/UUID",
        "feedback": "tf2_msgs/LookupTransform_Feedback",
    }


def test_a_described_message_of_an_action_is_read_back(prefix: Path) -> None:
    described = type_description(f"{LOOKUP}_FeedbackMessage")
    assert parse_description(described)[0].name == f"{LOOKUP}_FeedbackMessage"
    assert description_hash(described) == f"RIHS01_{TRUE_HASHES['_FeedbackMessage']}"


@pytest.mark.parametrize("text", ["", "int8 a\n---\nint8 b\n", "---\n---\n---\n"])
def test_a_file_without_three_sections_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    file = tmp_path / "share" / "bad_msgs" / "action" / f"Bad{len(text)}.action"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    with pytest.raises(UnknownType, match="expected 2, between goal, result and feedback"):
        action_class(f"bad_msgs/action/{file.stem}")


def test_dashes_in_a_comment_are_no_line_between_sections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "share" / "odd_msgs" / "action" / "Odd.action"
    file.parent.mkdir(parents=True)
    file.write_text("# --- the goal ---\nint8 a 3 # ---\n---\r\n#---\nint8 b\n---\nint8 c\n")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    made = action_class("odd_msgs/action/Odd")
    assert [list(part.get_fields_and_field_types()) for part in (made.Goal, made.Result, made.Feedback)] == [
        ["a"],
        ["b"],
        ["c"],
    ]
    assert made.Goal().a == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["no_msgs/action/Such", "std_msgs/msg/String", ""])
def test_what_is_no_action_is_refused(name: str) -> None:
    with pytest.raises(UnknownType, match="unknown ROS type"):
        action_class(name)
    with pytest.raises(UnknownType, match="unknown ROS type"):
        check_service(f"{name}_SendGoal")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/srv/B_Request", "a/srv/B"),
        ("a/srv/B", "a/srv/B"),
        ("a/srv/B_Goal", "a/srv/B_Goal"),
        ("a/msg/B_Goal", "a/msg/B_Goal"),
        ("a/action/B", "a/action/B"),
        ("a/action/B_Feedback", "a/action/B"),
        ("a/action/B_SendGoal", "a/action/B"),
        ("a/action/B_GetResult_Event", "a/action/B"),
        ("a/action/B_Other", "a/action/B_Other"),
        ("B_Goal", "B_Goal"),
    ],
)
def test_whose_part_a_type_is(name: str, expected: str) -> None:
    assert owner(name) == expected
