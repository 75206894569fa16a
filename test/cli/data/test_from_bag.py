"""`rt-vla data from-bag`: bags of every kind to episodes, and a sentence for what is wrong with one."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from rosbags.typesys import get_types_from_msg
from support import bags
from support.bags import BEGIN, SECOND, Said, text, topic_map, write
from support.recorded_robot import CARD

from rt_vla_ros.cli.main import main
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.video import VideoWriter

ROOT = str(Path(__file__).resolve().parents[3])


@pytest.fixture
def robot(tmp_path: Path) -> Path:
    (tmp_path / "card.json").write_text(json.dumps(CARD.to_dict()))
    topic_map(tmp_path / "topics.yaml")
    return tmp_path


def convert(robot: Path, *words: Any, out: str = "set") -> int:
    options = ["--card", robot / "card.json", "--topics", robot / "topics.yaml", "--out", robot / out]
    return main(["data", "from-bag", *map(str, [*words, *options])])


STORED = [
    (StoragePlugin.MCAP, CompressionMode.NONE),
    (StoragePlugin.MCAP, CompressionMode.STORAGE),
    (StoragePlugin.MCAP, CompressionMode.FILE),
    (StoragePlugin.SQLITE3, CompressionMode.NONE),
    (StoragePlugin.SQLITE3, CompressionMode.FILE),
    (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
]


@pytest.mark.parametrize(("storage", "compression"), STORED)
def test_every_kind_of_bag_gives_the_same_episode(
    robot: Path, storage: StoragePlugin, compression: CompressionMode
) -> None:
    write(robot / "bag", bags.robot(), storage, compression)
    assert convert(robot, robot / "bag") == 0
    (episode,) = LeRobotDataset(robot / "set")
    assert (episode.instruction, episode.success, json.loads(episode.audit)["problems"]) == ("lift the cube", True, [])
    assert [int(one[0, 0, 0]) for one in episode.images["front"]] == [2 * k for k in range(len(episode))]
    assert len(episode) == 15  # at 5 Hz of 3 s
    np.testing.assert_allclose(episode.values[:-1, 1], 0.02, atol=1e-6)  # 0.1 m/s
    assert episode.states is not None
    np.testing.assert_allclose(episode.states, [[0.1, 0.2]] * 15, atol=1e-6)


def test_compressed_images_and_stamps_of_a_simulation(robot: Path) -> None:
    """All stamps are of another clock than the times of recording."""
    topic_map(robot / "topics.yaml", cameras=["front=/camera/image/compressed"])
    write(robot / "bag", bags.robot(compressed=True, shift=-1_699_999_000.0))
    assert convert(robot, robot / "bag") == 0
    assert len(LeRobotDataset(robot / "set")[0]) == 15


def test_messages_in_the_order_of_their_stamps_give_the_same(robot: Path) -> None:
    said = bags.robot()
    write(robot / "arrived", said)
    write(
        robot / "stamped",
        [one if "image" not in one.topic else one._replace(time_ns=one.time_ns - SECOND // 50) for one in said],
    )
    assert convert(robot, robot / "arrived", robot / "stamped") == 0
    first, second = LeRobotDataset(robot / "set")
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.images["front"], second.images["front"])


def marked(*marks: tuple[float, str], topic: str = "/instruction") -> list[Said]:
    said = [one for one in bags.robot(4.0) if one.topic != "/instruction"]
    said += [Said(topic, "std_msgs/msg/String", BEGIN + round(at * SECOND), text(words)) for at, words in marks]
    return sorted(said, key=lambda one: one.time_ns)


def test_episodes_by_instruction(robot: Path) -> None:
    write(robot / "bag", marked((0.5, "lift it"), (1.0, "lift it"), (2.0, "put it down"), (3.0, "")))
    assert convert(robot, robot / "bag", "--episodes-by", "instruction") == 0
    assert [(one.instruction, len(one)) for one in LeRobotDataset(robot / "set")] == [
        ("lift it", 8),
        ("put it down", 5),
    ]


def test_a_label_after_the_end_is_that_of_the_last_episode_that_was_kept(
    robot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marks = (
        (0.0, "start: lift it"),
        (0.8, "failure"),
        (0.9, "label: success"),
        (1.0, "start"),
        (1.8, "success"),
        (2.0, "start"),
        (2.5, "discard"),
        (2.6, "label: failure"),
        (3.0, "start"),
        (3.2, "label: failure"),  # of none that has ended
        (3.9, "success"),
    )
    write(robot / "bag", marked(*marks, topic="/recorder_node/episode"))
    words = ("--episodes-by", "recorder_node/episode", "--instruction", "other")
    assert convert(robot, robot / "bag", *words) == 0
    data = LeRobotDataset(robot / "set")
    assert [data.labels(i).success for i in range(len(data))] == [True, False, True]
    told = [line.partition(": ")[2] for line in capsys.readouterr().out.splitlines() if "relabeled" in line]
    assert told == ["episode 0 was relabeled: success.", "episode 1 was relabeled: failure."]
    assert convert(robot, robot / "bag", out="whole") == 1
    assert "give one with --instruction, or split it by --episodes-by recorder_node/episode" in capsys.readouterr().out


@pytest.mark.parametrize("pause", [0.33, 6.0])
def test_a_pause_after_the_stop_is_no_problem_of_the_episode(robot: Path, pause: float) -> None:
    """As in lock step, where the robot is silent until the next episode."""
    marks = (0.0, "start: lift it"), (1.99, "success"), (2.1 + pause, "start: put it down"), (2.9 + pause, "success")
    said = [one for one in bags.robot(2.0) if one.topic != "/instruction"]
    later_ns = round((2.0 + pause) * SECOND)
    said += [one._replace(time_ns=one.time_ns + later_ns) for one in bags.robot(1.0, shift=2.0 + pause)[2:]]
    said += [Said("/marker", "std_msgs/msg/String", BEGIN + round(at * SECOND), text(words)) for at, words in marks]
    write(robot / "bag", sorted(said, key=lambda one: one.time_ns))
    assert convert(robot, robot / "bag", "--episodes-by", "/marker") == 0
    data = LeRobotDataset(robot / "set")
    assert [(len(one), one.success) for one in data] == [(10, True), (4, True)]
    for episode in data:
        audit = json.loads(episode.audit)
        assert audit["problems"] == []
        assert max(one["longest_gap"] for one in audit["topics"].values()) < 0.2


def test_episodes_by_words_and_by_times(robot: Path) -> None:
    marks = (
        (0.0, "start: lift it"),
        (1.0, "success"),
        (1.5, "start"),
        (2.0, "discard"),
        (2.5, "start"),
        (3.5, "failure"),
    )
    write(robot / "bag", marked(*marks, topic="/marker"))
    assert convert(robot, robot / "bag", "--episodes-by", "/marker", "--instruction", "other") == 0
    found = [(one.instruction, one.success) for one in LeRobotDataset(robot / "set")]
    assert found == [("lift it", True), ("other", False)]
    words = ("--episode-markers", "0.5-1.5", "2-3", "--instruction", "x", "--no-success")
    assert convert(robot, robot / "bag", *words, out="times") == 0
    assert [(len(one), one.success) for one in LeRobotDataset(robot / "times")] == [(4, False), (4, False)]


def test_an_episode_that_ends_with_the_bag_is_whole(robot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its end is marked a little after the last transform, as where everything is stopped at once."""
    kind, after = "std_msgs/msg/String", BEGIN + round(2.998 * SECOND)
    begins, ends = (Said("/e", kind, BEGIN + 1, text("start: go")), Said("/e", kind, after, text("success")))
    last = [one for one in bags.robot() if not (one.topic == "/tf" and one.time_ns > BEGIN + round(2.84 * SECOND))]
    write(robot / "bag", [last[0], begins, *last[1:], ends])
    assert convert(robot, robot / "bag", "--episodes-by", "/e") == 0
    (episode,) = LeRobotDataset(robot / "set")
    assert (episode.success, len(episode), json.loads(episode.audit)["problems"]) == (True, 14, [])
    assert "rejected" not in capsys.readouterr().out.partition("0 rejected")[0]


def test_a_camera_that_stops_ends_the_episode(robot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(robot / "bag", bags.robot(4.0, camera_until=1.5))
    assert convert(robot, robot / "bag") == 0
    (episode,) = LeRobotDataset(robot / "set")
    assert not episode.success
    assert "the camera 'front' has sent nothing for 0." in capsys.readouterr().out


def test_what_a_killed_recorder_left_is_read(robot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write(robot / "bag", bags.robot(size=256))
    (bag / "metadata.yaml").unlink()
    file = next(bag.glob("*.mcap"))
    whole = file.read_bytes()
    file.write_bytes(whole[: round(len(whole) * 0.6)])
    assert convert(robot, bag) == 0
    said = capsys.readouterr().out
    assert "has no metadata.yaml, because its recorder was killed" in said
    assert "or unfinished" in said
    (episode,) = LeRobotDataset(robot / "set")
    assert 4 < len(episode) < 12
    file.write_bytes(whole[:1000])
    assert convert(robot, bag, out="other") == 2
    assert "not a readable bag" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"cameras": ["front=/wrist/image"]}, "Topics of images in it: /camera/image (Image)."),
        ({"cameras": ["front=/camera/image/compressed"]}, "Name /camera/image in the topic map."),
        ({"joint_states": "/arm/joints"}, "it has no topic '/arm/joints', the joints."),
        (
            {"joint_states": "/instruction"},
            "/instruction has the type std_msgs/msg/String, expected sensor_msgs/msg/Joint",
        ),
    ],
)
def test_a_bag_of_another_robot(
    robot: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], sentence: str
) -> None:
    topic_map(robot / "topics.yaml", **change)
    write(robot / "bag", bags.robot(0.5))
    assert convert(robot, robot / "bag") == 2
    assert sentence in capsys.readouterr().err
    assert not (robot / "set").exists()


def test_without_tf_static_and_with_two_clocks(robot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(robot / "bag", bags.robot(static=False))
    assert convert(robot, robot / "bag") == 1
    assert "The bag has no /tf_static: record it as well" in capsys.readouterr().out
    other = [one for one in bags.robot(shift=-3600.0) if "image" in one.topic]
    write(
        robot / "clocks",
        sorted([*(one for one in bags.robot() if "image" not in one.topic), *other], key=lambda one: one.time_ns),
    )
    assert convert(robot, robot / "clocks") == 1
    assert "the recorder's clock: is use_sim_time the same" in capsys.readouterr().out
    assert not (robot / "set").exists()


def test_nothing_is_overwritten_and_a_dry_run_keeps_nothing(robot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write(robot / "bag", bags.robot(2.0))
    words = ["data", "from-bag", str(bag), "--card", str(robot / "card.json"), "--topics", str(robot / "topics.yaml")]
    assert main([*words, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "episode 0, 10 frames, success." in said
    assert "the camera 'front': 20 messages, 10.0 Hz" in said
    assert "1 episodes would be converted" in said
    assert convert(robot, bag) == 0
    assert convert(robot, bag) == 2
    assert "already exists: choose another directory, or use --append." in capsys.readouterr().err
    bag.rename(robot / "moved")
    assert convert(robot, robot / "moved", "--append") == 0
    assert "0.0 s to 2.0 s: already present, as episode 0." in capsys.readouterr().out
    assert len(list(LeRobotDataset(robot / "set"))) == 1


def test_what_is_no_bag(robot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (robot / "empty").mkdir()
    (robot / "text.mcap").write_text("no bag")
    for path, sentence in (
        ("nowhere", "There is no bag"),
        ("empty", "it has no metadata.yaml and no .mcap or .db3"),
        ("text.mcap", "is not a readable bag"),
    ):
        assert convert(robot, robot / path) == 2
        assert sentence in capsys.readouterr().err
    shutil.rmtree(robot / "empty")


def test_the_card_may_be_a_dataset_and_a_slip_in_it_is_told_once(
    robot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write(robot / "bag", bags.robot(1.0))
    assert convert(robot, bag) == 0
    words = ["data", "from-bag", str(bag), "--topics", str(robot / "topics.yaml"), "--out", str(robot / "other")]
    assert main([*words, "--card", str(robot / "set")]) == 0
    assert main([*words, "--card", str(robot / "topics.yaml")]) == 2
    assert capsys.readouterr().err.count("topics.yaml") == 1


def test_a_topic_that_is_no_marker_leaves_nothing_behind(robot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(robot / "bag", bags.robot(0.5))
    assert convert(robot, robot / "bag", "--episodes-by", "/joint_states") == 2
    sentence = "/joint_states is a sensor_msgs/msg/JointState; its Bools and Strings: /instruction."
    assert sentence in capsys.readouterr().err
    assert not (robot / "set").exists()
    assert convert(robot, robot / "bag", "--codec", "x265") == 2


def test_a_full_disk_keeps_what_is_whole(
    robot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(robot / "first", bags.robot(1.0))
    write(robot / "second", bags.robot(1.0))
    add, left = VideoWriter.add, [7]

    def full(writer: VideoWriter, image: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device", str(writer.path))
        add(writer, image)

    monkeypatch.setattr(VideoWriter, "add", full)
    assert convert(robot, robot / "first", robot / "second") == 2
    said = capsys.readouterr().err
    assert "no space left on the disk" in said
    assert f"1 complete episodes were added to {robot / 'set'} before that; --append adds the rest." in said
    assert len(list(LeRobotDataset(robot / "set"))) == 1
    assert not [*robot.rglob("*.part")]
    left[0] = 100
    assert convert(robot, robot / "first", robot / "second", "--append") == 0
    assert "1 episodes added to " in (said := capsys.readouterr().out)
    assert "; 1 already present" in said
    assert len(list(LeRobotDataset(robot / "set"))) == 2
    left[0] = 2
    assert convert(robot, robot / "first", out="other") == 2
    assert not (robot / "other").exists()


def test_what_kill_9_interrupted_is_added_once(robot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gaps = ((0.9, 1.5),)
    given = [write(robot / f"bag{k}", without(bags.robot(3.0, shift=10.0 * k), "/tf", *gaps)) for k in range(6)]
    words = ["--card", robot / "card.json", "--topics", robot / "topics.yaml", "--out", robot / "set"]
    command = [sys.executable, "-m", "rt_vla_ros.cli", "data", "from-bag", *given, *words]
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": ROOT})
    info = robot / "set/meta/info.json"
    while not info.is_file() or json.loads(info.read_text())["total_episodes"] < 3:
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    process.wait()
    there = json.loads(info.read_text())["total_episodes"]
    assert 3 <= there < 12
    assert convert(robot, *given, "--append") == 0
    assert f"{12 - there} episodes added to " in (said := capsys.readouterr().out)
    assert f"; {there} already present" in said
    found = [json.loads(one.audit)["origin"] for one in LeRobotDataset(robot / "set")]
    assert len({(one["fingerprint"], one["begin_ns"]) for one in found}) == len(found) == 12
    assert convert(robot, *reversed(given), "--append") == 0
    assert "0 episodes added to " in capsys.readouterr().out


def test_other_parts_of_a_known_bag_are_added(robot: Path) -> None:
    bag = write(robot / "bag", bags.robot(3.0))
    assert convert(robot, bag, "--episode-markers", "0-1") == 0
    assert convert(robot, bag, "--append", "--episode-markers", "0-1", "1.5-2.5") == 0
    assert [len(one) for one in LeRobotDataset(robot / "set")] == [5, 5]


def without(said: list[Said], topic: str, *gaps: tuple[float, float]) -> list[Said]:
    """Without what a topic says within these times from the begin [s]."""
    lost = [(BEGIN + round(first * SECOND), BEGIN + round(last * SECOND)) for first, last in gaps]
    return [one for one in said if one.topic != topic or not any(a < one.time_ns < b for a, b in lost)]


def test_after_a_gap_another_episode_begins(robot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(robot / "bag", without(bags.robot(4.0), "/tf", (1.0, 1.6), (2.5, 3.1)))
    assert convert(robot, robot / "bag") == 0
    found = [*LeRobotDataset(robot / "set")]
    assert [(len(one), one.success) for one in found] == [(4, False), (4, False), (5, True)]  # a last one has no next
    assert {one.instruction for one in found} == {"lift the cube"}
    for one, first in zip(found, (0, 16, 31), strict=True):
        assert int(one.images["front"][0, 0, 0, 0]) == first
        np.testing.assert_allclose(one.values[:-1, 1], 0.02, atol=1e-6)  # none reaches over the gap
    said = capsys.readouterr().out
    assert "TF has a gap of 0.60 s in the transforms of 'flange'" in said
    assert said.count("The data after that becomes a separate episode.") == 2


def test_after_a_gap_in_the_images_too(robot: Path) -> None:
    write(robot / "bag", without(bags.robot(4.0), "/camera/image", (1.0, 3.0)))
    assert convert(robot, robot / "bag") == 0
    assert [one.success for one in LeRobotDataset(robot / "set")] == [False, True]


def test_a_gap_across_the_end_of_an_episode_adds_none(robot: Path) -> None:
    write(robot / "bag", without(marked((0.0, "a"), (2.0, "b"), (4.0, "")), "/tf", (1.0, 2.6)))
    assert convert(robot, robot / "bag", "--episodes-by", "instruction") == 0
    assert [one.instruction for one in LeRobotDataset(robot / "set")] == ["a", "b"]


def test_after_an_image_that_cannot_be_decoded(robot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    topic_map(robot / "topics.yaml", cameras=["front=/camera/image/compressed"])
    said = bags.robot(4.0, compressed=True)
    pictures = [place for place, one in enumerate(said) if "image" in one.topic]
    picture = said[pictures[16]].message
    picture.data = np.where(np.arange(len(picture.data)) // 6 == 8, np.uint8(0), picture.data)  # not its begin and end
    write(robot / "bag", said)
    assert convert(robot, robot / "bag") == 0
    assert [(len(one), one.success) for one in LeRobotDataset(robot / "set")] == [(7, False), (12, True)]
    assert "The episode ended early" in capsys.readouterr().out


def test_types_that_nobody_knows_here_are_passed_over(robot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kind = "arm_msgs/msg/Force"
    bags.STORE.register(get_types_from_msg("float32 newton", kind))
    forces = [Said("/force", kind, BEGIN + k * SECOND // 10, bags.made(kind, newton=1.0)) for k in range(20)]
    write(robot / "bag", sorted([*bags.robot(2.0), *forces], key=lambda one: one.time_ns))
    assert convert(robot, robot / "bag") == 0
    assert len(LeRobotDataset(robot / "set")[0]) == 10
    topic_map(robot / "topics.yaml", joint_states="/force")
    assert convert(robot, robot / "bag", out="other") == 2
    assert f"/force has the type {kind}, expected sensor_msgs/msg/JointState." in capsys.readouterr().err


def test_a_bag_that_lacks_a_file_says_so(robot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write(robot / "bag", bags.robot(1.0))
    metadata = yaml.safe_load((bag / "metadata.yaml").read_text())
    metadata["rosbag2_bagfile_information"]["relative_file_paths"].append("bag_7.mcap")
    (bag / "metadata.yaml").write_text(yaml.safe_dump(metadata))
    assert convert(robot, bag) == 0
    said = capsys.readouterr().out
    assert "is incomplete" in said
    assert "bag_7.mcap" in said


def test_times_after_the_end_of_a_bag_are_told(robot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(robot / "bag", bags.robot(2.0))
    assert convert(robot, robot / "bag", "--episode-markers", "1-30", "40-50") == 0
    assert "ends at 2.0 s; asked for were 30 s, 40 s, 50 s, which is after its end." in capsys.readouterr().out
    assert len(LeRobotDataset(robot / "set")[0]) == 5
    assert convert(robot, robot / "bag", "--episode-markers", "30-40", out="other") == 1
    assert not (robot / "other").exists()
