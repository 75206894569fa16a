"""`rt-vla card`: a first card from a graph, a card against a graph, a card as tables."""

from __future__ import annotations

import json
import re
import threading
import time
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from rt_vla_ros import ros
from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.arms.panda_urdf import panda_urdf
from rt_vla_ros.cli.card.comparison import compare, guess_cameras
from rt_vla_ros.cli.card.guesses import camera_names, guess_card, guess_topics, topic_map_text
from rt_vla_ros.cli.card.survey import CameraSeen, JointsSeen, Survey
from rt_vla_ros.cli.main import main
from rt_vla_ros.nodes.policy_parameters import POLICY_PARAMETERS
from rt_vla_ros.recording.topic_map import TopicMap
from rt_vla_ros.recording.transform_streams import TransformStreams

ros.ensure()

FRONT, WRIST = "/camera/color/image_raw", "/wrist_camera/image_raw/compressed"
KINDS = {
    FRONT: "sensor_msgs/msg/Image",
    WRIST: "sensor_msgs/msg/CompressedImage",
    "/joint_states": "sensor_msgs/msg/JointState",
    "/servo_node/delta_twist_cmds": "geometry_msgs/msg/TwistStamped",
}


def survey(**changes: Any) -> Survey:
    """Of an arm with two joints, fingers and two cameras."""
    parents = {"shoulder": "base", "wrist": "shoulder", "finger": "tool0", "tool0": "wrist", "base": "world"}
    transforms = TransformStreams(1.0)
    for child, parent in parents.items():
        transforms.put(child, parent, None, np.array([0.1, 0.0, 0.2]), np.array([1.0, 0.0, 0.0, 0.0]), 0)
    moving = frozenset(("shoulder", "wrist", "finger"))
    values: dict[str, Any] = {
        "topics": KINDS,
        "published": frozenset(KINDS),
        "cameras": {
            FRONT: CameraSeen(640, 480, "rgb8", 30.0, 0.01, vertical_fov=0.8),
            WRIST: CameraSeen(640, 480, "jpeg", 15.2, 0.01),
        },
        "joints": {"/joint_states": JointsSeen(100.0, {"j1": 0.5, "j2": -1.0, "left_finger": 0.03})},
        "parents": parents,
        "moving": moving,
        "ages": dict.fromkeys(moving, 0.01),
        "transforms": transforms,
    }
    return Survey(**values | changes)


def first(**changes: Any) -> tuple[ActionCard, TopicMap]:
    """As `card init` writes them, confirmed."""
    topics = guess_topics(survey())
    card = replace(guess_card(survey(), topics), notes=())
    return replace(card, **changes), TopicMap.from_dict(topics.entries)


def test_what_is_guessed(tmp_path: Path) -> None:
    topics = guess_topics(survey())
    card = guess_card(survey(), topics)
    assert topics.entries["cameras"] == [f"front={FRONT}", f"wrist={WRIST}"]
    assert (topics.entries["base_frame"], topics.entries["tip_frame"]) == ("base", "tool0")
    assert topics.entries["twist_topic"] == "/servo_node/delta_twist_cmds"
    assert (topics.entries["gripper_joint"], topics.entries["gripper_topic"]) == ("left_finger", "")
    assert [(one.name, one.width, one.height, one.vertical_fov) for one in card.cameras] == [
        ("front", 320, 240, 0.8),
        ("wrist", 320, 240, 0.0),
    ]
    assert (card.control_rate, card.frame_id) == (10.0, "base")
    assert [one.source for one in card.state] == ["joint:j1", "joint:j2", "gripper"]
    assert all(note.startswith("TO CONFIRM: ") for note in card.notes)
    path = tmp_path / "topics.yaml"
    path.write_text(topic_map_text(topics))
    assert TopicMap.load(path) == TopicMap.from_dict(topics.entries)
    assert path.read_text().count("TO CONFIRM: ") == len(topics.doubts)
    sections = yaml.safe_load(path.read_text())
    assert "cameras" in sections["/**/recorder_node"]["ros__parameters"]
    shared = sections["/**"]["ros__parameters"]  # of these, no node but the policy's makes anything else
    assert set(shared) <= {one.name for one in POLICY_PARAMETERS}
    path.write_text(path.read_text() + "/**/smoother_node:\n  ros__parameters:\n    speed_scale: 0.3\n")
    assert TopicMap.load(path) == TopicMap.from_dict(topics.entries)


SIMULATED = ("panda_link1", "panda_link8", "panda_hand", "robotiq_85_base_link", "panda_hand_tcp")


@pytest.mark.parametrize(
    ("chain", "loose", "tip", "said"),
    [
        # As the simulated arm has it: every link beside the others.
        (
            (),
            SIMULATED,
            "panda_hand_tcp",
            "it moves and has a typical tip name; else: panda_hand, robotiq_85_base_link.",
        ),
        (("j1", "j2", "wrist_camera_optical_frame"), (), "j2", "the chain of moving frames ends there."),
        (
            ("j1", "tool0", "gripper_tcp", "left_finger"),
            (),
            "gripper_tcp",
            "it moves and has a typical tip name; else: tool0.",
        ),
        (("j1", "j2", "j3"), ("handle",), "j3", "the chain of moving frames ends there."),
    ],
)
def test_the_tip_by_tf_alone(chain: tuple[str, ...], loose: tuple[str, ...], tip: str, said: str) -> None:
    parents = dict(zip(chain, ("base", *chain), strict=False)) | dict.fromkeys(loose, "base")
    graph = survey(parents=parents, moving=frozenset(parents), ages={})
    topics = guess_topics(graph)
    assert (topics.entries["base_frame"], topics.entries["tip_frame"]) == ("base", tip)
    assert topics.doubts["tip_frame"] == said


def described(urdf: str) -> Survey:
    """Of a Panda whose robot_state_publisher says so."""
    robot = ET.fromstring(urdf)
    parents = {str(one.find("child").get("link")): str(one.find("parent").get("link")) for one in robot.iter("joint")}  # type: ignore[union-attr]
    joints = [str(one.get("name")) for one in robot.iter("joint") if one.get("type") != "fixed"]
    moving = frozenset(child for child in parents if "link" in child and child != "panda_link8") | {"panda_leftfinger"}
    positions = dict.fromkeys(sorted(joints, reverse=True), 0.02)  # in no order, as a driver may say them
    seen_joints = {"/joint_states": JointsSeen(100.0, positions)}
    return survey(parents=parents, moving=moving, joints=seen_joints, ages={}, description=urdf)


def test_the_description_of_the_robot_is_read() -> None:
    tcp = '<link name="panda_hand_tcp"/><joint name="tcp" type="fixed"><parent link="panda_hand"/>'
    tcp += '<child link="panda_hand_tcp"/><origin xyz="0 0 0.1034"/></joint></robot>'
    graph = described(panda_urdf(fingers=True).replace("</robot>", tcp))
    topics = guess_topics(graph)
    card = guess_card(graph, topics)
    assert (topics.entries["base_frame"], topics.entries["tip_frame"]) == ("panda_link0", "panda_hand_tcp")
    assert topics.doubts["tip_frame"] == (
        "in the robot's description it is the end of the chain with the gripper; else: panda_hand."
    )
    names = [f"panda_joint{number}" for number in range(1, 8)]
    tip = [f"tip_{axis}" for axis in ("x", "y", "z", "rx", "ry", "rz")]
    assert [one.name for one in card.state] == [*names, *tip, "gripper"]
    assert [one.source for one in card.state[7:13]] == ["tip:x", "tip:y", "tip:z", "tip:rx", "tip:ry", "tip:rz"]
    assert [(one.low, one.high) for one in card.state[:4:3]] == [(-2.8973, 2.8973), (-3.0718, -0.0698)]
    assert card.state[7].high == pytest.approx(1.5, abs=0.1)  # [m]; a Panda reaches 0.855 m about its shoulder
    notes = " ".join(card.notes)
    assert "TO CONFIRM: joints of the state, their order and ranges are from the robot's description." in notes
    assert "otherwise remove tip_x to tip_rz from the state." in notes


def test_a_description_that_does_not_fit_is_told_and_not_used() -> None:
    plain = described(panda_urdf(fingers=True))
    for urdf, said in (
        ("<robot", "The robot's description is not used: The robot description is not valid XML"),
        ('<!DOCTYPE robot [<!ENTITY a "b">]><robot/>', "declares a document type, which a URDF must not have"),
        (
            panda_urdf().replace("panda_", "left_"),
            "In the robot's description it is 'left_link8', which is unknown to TF.",
        ),
    ):
        graph, by_tf = replace(plain, description=urdf), guess_topics(replace(plain, description=""))
        topics = guess_topics(graph)
        assert said in topics.doubts["tip_frame"]
        assert (topics.entries, topics.arm) == (by_tf.entries, None)
        assert guess_card(graph, topics).state


def test_a_guessed_rate_leaves_room_for_the_jitter_of_the_cameras() -> None:
    slow = survey(**seen(FRONT, rate=10.1))
    assert guess_card(slow, guess_topics(slow)).control_rate == 7.0


def test_what_a_human_says_to_the_gripper_is_not_its_command() -> None:
    floats = {"/teleop_gripper": "std_msgs/msg/Float64", "/gripper_command/of_arm": "std_msgs/msg/Float64"}
    assert guess_topics(survey(topics=KINDS | floats)).entries["gripper_topic"] == "/gripper_command/of_arm"


def test_names_of_cameras() -> None:
    topics = ["/image", "/wrist_image", "/camera/camera/color/image_raw", "/cam0/image_raw", "/3d/rgb/image_raw"]
    assert list(camera_names(topics)) == ["front", "wrist", "front_2", "cam0", "camera_3d"]


def test_a_first_card_fits_its_graph() -> None:
    card, topics = first()
    assert compare(card, topics, survey()) == []
    assert guess_cameras(card, survey()) == topics.cameras


def seen(topic: str, **changes: Any) -> dict[str, Any]:
    cameras = survey().cameras
    return {"cameras": {**cameras, topic: replace(cameras[topic], **changes)}}


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"cameras": {}}, ["C101", "C101"]),
        (seen(FRONT, problem="silent", width=0, height=0, encoding=""), ["C102"]),
        (seen(FRONT, width=640, height=360), ["C103"]),
        (seen(FRONT, width=160, height=120), ["C103"]),
        (seen(FRONT, problem="a depth image", encoding="16UC1"), ["C104"]),
        (seen(FRONT, rate=5.0), ["C105"]),
        (seen(FRONT, vertical_fov=1.2), ["C106"]),
        (seen(FRONT, age=-3600.0), ["C107"]),
        ({"parents": {}, "moving": frozenset()}, ["C201", "C201"]),
        ({"transforms": TransformStreams(1.0)}, ["C202"]),
        ({"moving": frozenset()}, ["C203"]),
        ({"ages": {"wrist": 5.0}}, ["C204"]),
        ({"joints": {}}, ["C211"]),
        ({"joints": {"/joint_states": JointsSeen(100.0, {"a": 0.0})}}, ["C212", "C212", "C212"]),
        (
            {"joints": {"/joint_states": JointsSeen(100.0, {"j1": 90.0, "j2": -3.5, "left_finger": 0})}},
            ["C213", "C213"],
        ),
        ({"joints": {"/joint_states": JointsSeen(2.0, {"j1": 0.0, "j2": 0.0, "left_finger": 0})}}, ["C214"]),
        ({"topics": KINDS | {"/servo_node/delta_twist_cmds": "geometry_msgs/msg/Twist"}}, ["C221"]),
    ],
)
def test_every_mismatch_has_its_code(changes: dict[str, Any], codes: list[str]) -> None:
    card, topics = first()
    found = compare(card, topics, survey(**changes))
    assert [one.code for one in found] == codes
    assert all(one.sentence.endswith(".") or "?" in one.sentence or one.code in ("C102", "C104") for one in found)


@pytest.mark.parametrize(
    ("rate", "severities"),
    [(5.0, ["error"]), (8.9, ["error"]), (9.1, ["warning"]), (10.0, ["warning"]), (12.5, ["warning"]), (12.7, [])],
)
def test_a_camera_that_is_hardly_faster_than_the_actions_is_told(rate: float, severities: list[str]) -> None:
    card, topics = first(control_rate=10.0)
    found = [one for one in compare(card, topics, survey(**seen(FRONT, rate=rate))) if one.code == "C105"]
    assert [one.severity for one in found] == severities
    if severities == ["warning"]:
        assert f"at most {int(rate / 1.4)} actions a second, or a faster camera." in found[0].sentence


@pytest.mark.parametrize("rate", [10.1, 14.0, 15.2, 29.9])
def test_a_guessed_rate_is_not_warned_of(rate: float) -> None:
    graph = survey(**seen(FRONT, rate=rate))
    topics = guess_topics(graph)
    found = compare(
        guess_card(graph, topics), TopicMap.from_dict(topics.entries), survey(**seen(FRONT, rate=0.95 * rate))
    )
    assert "C105" not in [one.code for one in found]


def test_the_page_has_every_code() -> None:
    root = Path(__file__).resolve().parents[3]
    code = (root / "rt_vla_ros/cli/card/comparison.py").read_text()
    given = {*re.findall(r'"(C\d{3})"', code)}
    listed = re.findall(r"^\| `(C\d{3})` \|", (root / "docs/action_card.md").read_text(), re.MULTILINE)
    assert listed == sorted(given)


def test_the_card_of_another_robot_and_all_at_once() -> None:
    card, topics = first(frame_id="panda_link0")
    topics = replace(topics, base_frame="", cameras=("front=/a", "side=/b"))
    other = survey(joints={"/joint_states": JointsSeen(100.0, {"a": 0.0})})
    found = compare(card, topics, other)
    assert {"C001", "C101", "C201", "C212", "C301"} <= {one.code for one in found}
    none = replace(card, cameras=(replace(card.cameras[0], crop="none"), card.cameras[1]))
    assert next((one.code, one.severity) for one in compare(none, first()[1], survey())) == ("C103", "error")


def test_init_and_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from rt_vla_ros.cli.card import graph_survey

    monkeypatch.setattr(graph_survey, "survey_graph", survey)
    out = tmp_path / "robot"
    words = ["--cameras", f"eye={FRONT}", "--rate", "5"]
    assert main(["card", "init", "--from-graph", "--out", str(out), *words]) == 0
    said = capsys.readouterr().out
    assert "topics.yaml: tip_frame: it moves and has a typical tip name; else: wrist." in said
    assert main(["card", "init", "--from-graph", "--out", str(out)]) == 2
    assert "already exists" in capsys.readouterr().err
    check = ["card", "check", str(out), "--topics", str(out)]
    assert main(check) == 0
    said = capsys.readouterr().out
    assert f"Change this line in {out / 'topics.yaml'}:" in said
    assert "C302 warning: Unconfirmed guess: the chain of moving frames starts there." in said
    assert "fits this graph: 0 errors" in said
    assert main([*check, "--strict"]) == 1
    data = json.loads((out / "action_card.json").read_text())
    (out / "action_card.json").write_text(json.dumps(data | {"control_rate": 50.0}, indent=2))
    capsys.readouterr()
    assert main(check) == 1
    said = capsys.readouterr().out
    line = next(
        n for n, one in enumerate((out / "action_card.json").read_text().splitlines(), 1) if "control_rate" in one
    )
    assert f"Change control_rate in {out / 'action_card.json'}:{line}." in said
    assert main(["card", "init", "--from-graph", "--out", str(tmp_path / "b"), "--cameras", "eye=/nothing"]) == 2
    assert f"Image topics: {FRONT} (rgb8 640x480, 30 Hz)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--rate", "0"), "--rate is 0, expected 1, 2, 3 ..."),
        (("--rate", "inf"), "--rate is inf, expected"),
        (("--rate", "nan"), "--rate is nan, expected"),
        (("--cameras", "eye=/a", "eye=/b"), "--cameras has 'eye' twice"),
    ],
)
def test_init_refuses_before_it_listens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    assert main(["card", "init", "--from-graph", "--out", str(tmp_path / "robot"), *words]) == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert not said.out


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["card", "show", "rt1-mini"]) == 0
    said = capsys.readouterr().out
    assert "world_vector_x      translation_x  -0.04  0.04  m                0.2 m/s     0.00031" in said
    assert main(["card", "show", "nothing-like-this"]) == 2


def test_notes_are_shown_on_lines_of_their_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    card, _ = first(notes=("one", "two"))
    card.save(tmp_path)
    assert main(["card", "show", str(tmp_path)]) == 0
    assert capsys.readouterr().out.endswith("\n\nnote: one\nnote: two\n")


def test_a_live_graph_is_surveyed(ros_graph: Any) -> None:
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from sensor_msgs.msg import CameraInfo, Image, JointState
    from std_msgs.msg import String

    from rt_vla_ros.cli.card.graph_survey import survey_graph
    from rt_vla_ros.nodes.conversions import time_message

    rclpy.init(args=[])
    node, executor, stopped = Node("robot"), SingleThreadedExecutor(), threading.Event()
    executor.add_node(node)
    images = node.create_publisher(Image, "/cell/image_raw", 1)
    infos = node.create_publisher(CameraInfo, "/cell/camera_info", 1)
    joints = node.create_publisher(JointState, "/joint_states", 10)
    lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_publisher(String, "/cell/robot_description", lasting).publish(String(data=panda_urdf()))

    def publish() -> None:
        stamp = time_message(time.time_ns())
        message = Image(height=2, width=4, encoding="rgb8", step=12, data=[7] * 24)
        message.header.stamp = stamp
        images.publish(message)
        infos.publish(CameraInfo(height=2, width=4, k=np.diag([2.0, 1.0, 1.0]).ravel()))
        state = JointState(name=["j1"], position=[0.5])
        state.header.stamp = stamp
        joints.publish(state)

    node.create_timer(0.05, publish)

    def spin() -> None:
        while not stopped.is_set():
            executor.spin_once(timeout_sec=0.02)

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        found = survey_graph(0.8, 0.8)
    finally:
        stopped.set()
        thread.join()
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
    camera = found.cameras["/cell/image_raw"]
    assert (camera.width, camera.height, camera.encoding, camera.problem) == (4, 2, "rgb8", "")
    assert 5 < camera.rate < 40
    assert camera.vertical_fov == pytest.approx(np.pi / 2)
    assert found.joints["/joint_states"].positions == {"j1": 0.5}
    assert found.description == panda_urdf()
