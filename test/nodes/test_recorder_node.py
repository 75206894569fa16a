"""The recorder among a camera, joints and transforms that are played: what is published is what is in the dataset."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from numpy.typing import NDArray
from rclpy.action import ActionClient
from rosgraph_msgs.msg import Clock
from rt_vla_ros.action import RecordEpisode
from rt_vla_ros.msg import ControllerStatus
from rt_vla_ros.srv import StartEpisode
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64, Header, String
from std_srvs.srv import SetBool, Trigger
from support.node_bench import NEWEST, NodeBench
from support.recorded_robot import CARD
from tf2_msgs.msg import TFMessage

from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.nodes.conversions import time_message
from rt_vla_ros.nodes.images import image_message
from rt_vla_ros.nodes.recorder_node import NO_TERMINATE, RecorderNode
from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.recording.episode_builder import EpisodeBuilder, SavedEpisode

SECOND = 1_000_000_000
PERIOD = SECOND // 50


class RecorderRig:
    """A recorder and a robot that publishes at 50 Hz, images of noise at 10 Hz; the simulated time is its own."""

    def __init__(self, bench: NodeBench) -> None:
        self.bench, self.node = bench, bench.add(RecorderNode())
        self.now_ns = self.begin_ns = 1_000 * SECOND
        self.published: dict[int, NDArray[np.uint8]] = {}
        self._rng = np.random.default_rng(0)
        self._clock = bench.publisher(Clock, "/clock")
        self._image = bench.publisher(Image, "camera", NEWEST)
        self.joints = bench.publisher(JointState, "joint_states")
        self._tf = bench.publisher(TFMessage, "/tf")
        self._status = bench.publisher(ControllerStatus, "controller_status")
        self.instructions = bench.publisher(String, "instruction")
        self.gripper = bench.publisher(Float64, "gripper_command")
        self.commander, self.dry_run = "", False

    def position(self, time_ns: int) -> float:
        """Of the tip along x [m]."""
        return 0.3 + 0.05 * math.sin((time_ns - self.begin_ns) / SECOND)

    def between(self, time_ns: int) -> float:
        """Of the tip in the middle between two transforms."""
        return (self.position(time_ns - PERIOD // 2) + self.position(time_ns + PERIOD // 2)) / 2

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 50)):
            self.now_ns += PERIOD
            stamp = time_message(self.now_ns)
            self._clock.publish(Clock(clock=stamp))
            self.bench.until(lambda: self.node.get_clock().now().nanoseconds == self.now_ns)
            place = TransformStamped(header=Header(stamp=stamp, frame_id="base"), child_frame_id="tool")
            place.transform.translation.x, place.transform.rotation.w = self.position(self.now_ns), 1.0
            self._tf.publish(TFMessage(transforms=[place]))
            joints = JointState(header=Header(stamp=stamp), name=["panda_joint2", "panda_joint1"])
            joints.position = [0.5, self.position(self.now_ns)]
            self.joints.publish(joints)
            status = ControllerStatus(header=Header(stamp=stamp), commander=self.commander, dry_run=self.dry_run)
            self._status.publish(status)
            if self.now_ns % (5 * PERIOD) == 0:
                pixels = self._rng.integers(0, 256, (16, 16, 3), np.uint8)
                self.published[self.now_ns] = pixels
                self._image.publish(image_message(pixels, self.now_ns, "camera"))
            self.bench.spin_for(0.002)

    def call(self, kind: Any, name: str, **fields: Any) -> Any:
        return self.bench.call(kind, f"/recorder_node/{name}", **fields)

    def stop(self, success: bool) -> Any:
        """The response; time goes on meanwhile."""
        client = self.bench.world.create_client(SetBool, "/recorder_node/stop")
        self.bench.until(client.service_is_ready)
        future = client.call_async(SetBool.Request(data=success))
        while not future.done():
            self.run(0.1)
        return future.result()


@pytest.fixture
def rig(make_bench: Callable[..., NodeBench], tmp_path: Path) -> RecorderRig:
    (tmp_path / "card.json").write_text(json.dumps(CARD.to_dict()))
    settings = {
        "cameras": '["front=camera"]',
        "tip_frame": "tool",
        "card": str(tmp_path / "card.json"),
        "out": str(tmp_path / "set"),
        "use_sim_time": "true",
    }
    words = [word for name, value in settings.items() for word in ("-p", f"recorder_node:{name}:={value}")]
    return RecorderRig(make_bench(*words))


def test_the_dataset_has_what_was_published(rig: RecorderRig, tmp_path: Path) -> None:
    marks = rig.bench.listen(String, "recorder_node/episode")
    rig.run(0.6)
    answer = rig.call(StartEpisode, "start", instruction="lift the cube")
    assert (answer.success, answer.message) == (True, "Recording started.")
    rig.commander = "policy"
    rig.run(1.0)
    rig.commander = "human"
    rig.gripper.publish(Float64(data=1.0))
    rig.run(1.0)
    answer = rig.stop(True)
    assert answer.success, answer.message
    assert "Episode 0 of" in answer.message
    episode = LeRobotDataset(tmp_path / "set")[0]
    stamps = sorted(rig.published)
    first = next(i for i, one in enumerate(stamps) if np.array_equal(rig.published[one], episode.images["front"][0]))
    for k in range(len(episode)):  # a frame every 0.2 s, an image every 0.1 s
        np.testing.assert_array_equal(episode.images["front"][k], rig.published[stamps[first + 2 * k]])
        at = rig.between(stamps[first + 2 * k] + PERIOD // 2)
        assert episode.states is not None
        np.testing.assert_allclose(episode.states[k], [rig.position(stamps[first + 2 * k]), 0.5], atol=1e-6)
        moved = rig.between(stamps[first + 2 * k] + PERIOD // 2 + SECOND // 5) - at if k + 1 < len(episode) else 0.0
        np.testing.assert_allclose(episode.values[k, 1:5], [moved, 0, 0, 0], atol=1e-7)
    assert len(episode) >= 10
    assert json.loads((tmp_path / "set/meta/info.json").read_text())["robot_type"] == "robot"
    assert episode.values[-1, 0] == 0  # terminate
    assert {episode.values[0, -1], episode.values[-1, -1]} == {0.0, 1.0}
    assert episode.commanders is not None
    assert list(dict.fromkeys(episode.commanders))[-2:] == ["policy", "human"]
    assert episode.interventions is not None
    assert episode.interventions.tolist() == [one == "human" for one in episode.commanders]
    assert (episode.leader, episode.success, episode.instruction) == ("mixed", True, "lift the cube")
    assert [mark.data for mark in marks] == ["start: lift the cube", "success"]


def test_a_goal_is_told_how_it_goes_and_what_became_of_it(rig: RecorderRig, tmp_path: Path) -> None:
    marks = rig.bench.listen(String, "recorder_node/episode")
    client = ActionClient(rig.bench.world, RecordEpisode, "/recorder_node/record")
    rig.bench.until(client.server_is_ready)
    heard: list[Any] = []
    sent = client.send_goal_async(
        RecordEpisode.Goal(instruction="lift it"), feedback_callback=lambda message: heard.append(message.feedback)
    )
    rig.bench.until(sent.done)
    ended = sent.result().get_result_async()
    rig.run(2.0)
    second = client.send_goal_async(RecordEpisode.Goal(instruction="another"))
    rig.bench.until(second.done)
    assert not second.result().accepted
    rig.bench.until(lambda: heard and heard[-1].frames > 3, "no feedback")
    assert rig.stop(False).success
    rig.bench.until(ended.done)
    answer = rig.call(SetBool, "label", data=True)
    assert (answer.success, answer.message) == (True, f"Episode 0 of {tmp_path / 'set'} is a success.{NO_TERMINATE}")
    rig.bench.until(lambda: [mark.data for mark in marks] == ["start: lift it", "failure", "label: success"])
    assert LeRobotDataset(tmp_path / "set").labels(0).success
    result = ended.result().result
    assert (result.saved, result.episode, result.success, result.path) == (True, 0, False, str(tmp_path / "set"))
    assert result.frames == len(LeRobotDataset(tmp_path / "set")[0])


def test_a_dataset_has_one_recorder(rig: RecorderRig, tmp_path: Path) -> None:
    with pytest.raises(StartError, match=rf"set is being written by another process \(PID {os.getpid()}\)"):
        RecorderNode()
    rig.bench.kill(rig.node)
    rig.bench.add(RecorderNode())


def test_a_canceled_goal_is_discarded(rig: RecorderRig, tmp_path: Path) -> None:
    client = ActionClient(rig.bench.world, RecordEpisode, "/recorder_node/record")
    rig.bench.until(client.server_is_ready)
    sent = client.send_goal_async(RecordEpisode.Goal(instruction="lift it"))
    rig.bench.until(sent.done)
    handle = sent.result()
    ended = handle.get_result_async()
    rig.run(1.0)
    marks = rig.bench.listen(String, "recorder_node/episode")
    rig.bench.until(handle.cancel_goal_async().done)
    rig.bench.until(ended.done)
    rig.bench.until(lambda: [mark.data for mark in marks] == ["discard"])
    assert (ended.result().result.saved, ended.result().result.sentence) == (False, "The episode was discarded.")
    assert not rig.node.recorder.busy


def test_a_goal_whose_episode_is_being_written_is_not_canceled(
    rig: RecorderRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = ActionClient(rig.bench.world, RecordEpisode, "/recorder_node/record")
    rig.bench.until(client.server_is_ready)
    sent = client.send_goal_async(RecordEpisode.Goal(instruction="lift it"))
    rig.bench.until(sent.done)
    ended = sent.result().get_result_async()
    rig.run(1.0)
    written, save = threading.Event(), EpisodeBuilder.save

    def save_late(*args: Any, **options: Any) -> SavedEpisode:
        written.wait(30)
        return save(*args, **options)

    monkeypatch.setattr(EpisodeBuilder, "save", save_late)
    stopped = rig.bench.world.create_client(SetBool, "/recorder_node/stop").call_async(SetBool.Request(data=True))
    for _ in range(200):
        if not rig.node.recorder.recording:
            break
        rig.run(0.1)
    assert rig.node.recorder.busy
    canceled = sent.result().cancel_goal_async()
    rig.bench.until(canceled.done)
    assert not canceled.result().goals_canceling
    written.set()
    rig.bench.until(lambda: ended.done() and stopped.done())
    assert ended.result().result.saved


def test_in_simulated_time_a_message_that_overtakes_the_clock_is_no_fault(rig: RecorderRig, tmp_path: Path) -> None:
    rig.run(0.6)
    assert rig.call(StartEpisode, "start", instruction="lift the cube").success
    rig.run(1.0)
    stamp = time_message(rig.now_ns + SECOND // 5)
    early = JointState(header=Header(stamp=stamp), name=["panda_joint2", "panda_joint1"], position=[0.5, 0.0])
    rig.joints.publish(early)
    rig.bench.spin_for(0.1)
    rig.run(1.0)
    assert rig.stop(True).success
    assert json.loads(LeRobotDataset(tmp_path / "set").labels(0).audit)["problems"] == []


def test_what_a_smoother_only_shows_commands_nothing(rig: RecorderRig, tmp_path: Path) -> None:
    rig.commander, rig.dry_run = "policy", True
    rig.run(0.6)
    assert rig.call(StartEpisode, "start", instruction="lift the cube").success
    rig.run(1.0)
    assert rig.stop(True).success
    assert {*(LeRobotDataset(tmp_path / "set").labels(0).commanders or ())} == {""}


def test_what_is_asked_at_the_wrong_time_is_refused(rig: RecorderRig) -> None:
    assert "There is no instruction" in rig.call(StartEpisode, "start", instruction="").message
    assert rig.call(Trigger, "discard").message == "No episode is being recorded."
    assert "has no episodes yet" in rig.call(SetBool, "label", data=True).message
    answer = rig.call(SetBool, "stop", data=True)
    assert (answer.success, answer.message) == (False, "No episode is being recorded.")
    rig.instructions.publish(String(data="lift the cube"))
    rig.run(0.2)
    assert rig.call(StartEpisode, "start", instruction="").success
    assert "stop it with its label" in rig.call(SetBool, "label", data=True).message
    assert "already" in rig.call(StartEpisode, "start", instruction="x").message
    answer = rig.call(Trigger, "discard")
    assert (answer.success, answer.message) == (True, "The episode was discarded.")


def test_it_says_what_it_waits_for(rig: RecorderRig) -> None:
    rig.bench.until_diagnostics("recorder_node", 1, "no /clock was received")
    rig.run(0.1)
    rig.bench.until_diagnostics("recorder_node", 0, "Ready;")


def test_guesses_that_nobody_confirmed_are_named(
    make_bench: Callable[..., NodeBench], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    card = replace(CARD, notes=("TO CONFIRM: 10 actions a second are enough.", "Made on Monday."))
    (tmp_path / "card.json").write_text(json.dumps(card.to_dict()))
    settings = ("tip_frame:=tool", f"card:={tmp_path / 'card.json'}", f"out:={tmp_path / 'set'}")
    bench = make_bench(*(word for one in settings for word in ("-p", f"recorder_node:{one}")))
    bench.add(RecorderNode())
    assert "1 of the action card's notes says TO CONFIRM." in capfd.readouterr().err


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ((), "The parameter 'card' is missing"),
        (("card:=nothing.json", "out:=set"), "There is no action card nothing.json"),
        (("codec:=gif",), "'codec' is 'gif', expected one of lossless, h264, av1"),
    ],
)
def test_it_does_not_start_with_what_makes_no_sense(
    make_bench: Callable[..., NodeBench], settings: tuple[str, ...], said: str
) -> None:
    make_bench(*(word for one in settings for word in ("-p", f"recorder_node:{one}")))
    with pytest.raises(StartError, match=said):
        RecorderNode()
