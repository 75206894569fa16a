from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.recorded_robot import CARD

from rt_vla_ros.action_space.card import ActionDimension
from rt_vla_ros.policies.tabletop_card import TABLETOP_STATE
from rt_vla_ros.recording.topic_map import TopicMap, TopicMapError

FILE = """
/**:
  ros__parameters:
    cameras: ["front=/camera/color/image_raw", "wrist=/wrist/image_raw/compressed"]
    tip_frame: /tool0
    gripper_joint: finger
    gripper_joint_closed: 0.8
recorder_node:
  ros__parameters:
    out: data/mine
    base_frame: base_link
"""


def test_a_directory_stands_for_the_map_that_card_init_wrote(tmp_path: Path) -> None:
    (tmp_path / "topics.yaml").write_text(FILE)
    assert TopicMap.load(tmp_path) == TopicMap.load(tmp_path / "topics.yaml")
    (tmp_path / "topics.yaml").rename(tmp_path / "robot.yaml")
    with pytest.raises(TopicMapError, match=r"a directory without topics\.yaml: .*YAML files in it: robot\.yaml\."):
        TopicMap.load(tmp_path)


def test_a_parameter_file_is_a_topic_map(tmp_path: Path) -> None:
    path = tmp_path / "topics.yaml"
    path.write_text(FILE)
    found = TopicMap.load(path)
    assert found.camera_topics() == {"front": "/camera/color/image_raw", "wrist": "/wrist/image_raw/compressed"}
    assert (found.tip_frame, found.base_frame, found.gripper_joint_closed) == ("tool0", "base_link", 0.8)
    path.write_text('cameras: ["front=image"]\ntip_frame: tool0\n')
    assert TopicMap.load(path).tip_frame == "tool0"
    path.write_text("")
    with pytest.raises(TopicMapError, match=r"topics\.yaml holds NoneType, expected the entries of a topic map"):
        TopicMap.load(path)
    path.write_text("a: [")
    with pytest.raises(TopicMapError, match=r"topics\.yaml is not valid YAML"):
        TopicMap.load(path)
    path.write_text("tip_frme: tool0")
    with pytest.raises(TopicMapError, match=r"topics\.yaml: There is no entry 'tip_frme'. Did you mean 'tip_frame'"):
        TopicMap.load(path)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"cameras": ["front"]}, "expected at least one NAME=TOPIC"),
        ({"cameras": []}, "expected at least one NAME=TOPIC"),
        ({"cameras": ["a=b", "a=c"]}, "each name once"),
        ({"cameras": "front=image"}, "cameras is 'front=image', expected a list of strings"),
        ({"tip_frame": 3}, "tip_frame is 3, expected a string"),
        ({"max_image_age": math.nan}, "max_image_age is nan, expected a number from 0.01 to 60"),
        ({"max_image_age": True}, "expected a number"),
        ({"max_image_age": 0}, "expected a number from"),
        ({"action_from": "joints"}, "action_from is 'joints', expected one of 'tf', 'commands'"),
        ({"gripper_joint": "finger"}, "gripper_joint_open and gripper_joint_closed are both 0"),
    ],
)
def test_what_makes_no_sense_is_refused(entries: dict[str, Any], said: str) -> None:
    with pytest.raises(TopicMapError, match=said):
        TopicMap.from_dict(entries)


def test_all_that_does_not_fit_the_card_is_told_at_once() -> None:
    card = replace(CARD, frame="end_effector", state=TABLETOP_STATE)
    with pytest.raises(TopicMapError) as told:
        TopicMap(cameras=("wrist=image",), gripper_topic="").check(card)
    for part in ("add front=TOPIC", "tip_frame is empty", "state has the gripper", "set gripper_topic"):
        assert part in str(told.value)
    with pytest.raises(TopicMapError, match="base_frame must name"):
        TopicMap(tip_frame="tool").check(replace(card, state=()))
    dimensions = (*CARD.dimensions[:-1], replace(CARD.dimensions[-1], low=-1.0))
    libero = replace(CARD, postprocessing="libero", dimensions=dimensions, gripper_open=-1.0)
    with pytest.raises(TopicMapError, match="has the postprocessing 'libero', which is for another robot's data"):
        TopicMap(tip_frame="tool").check(libero)
    wheels = (*CARD.dimensions, ActionDimension("wheels", "base_x", -0.1, 0.1, "m"))
    with pytest.raises(TopicMapError, match="moves a mobile base, whose motion is not recorded"):
        TopicMap(tip_frame="tool").check(replace(CARD, dimensions=wheels))
    TopicMap(tip_frame="tool").check(CARD)
