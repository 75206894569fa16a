"""Moments become an episode of a dataset."""

from __future__ import annotations

import errno
import json
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.recorded_robot import CARD, MAP, RecordedRobot, decode, six_card

from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_writer import LeRobotWriter
from rt_vla_ros.data.video import VideoWriter
from rt_vla_ros.recording.episode_builder import EpisodeBuilder, RecordingError
from rt_vla_ros.recording.resampling import Moment, Resampler


@pytest.fixture
def robot() -> RecordedRobot:
    return RecordedRobot()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[LeRobotWriter]:
    writer = LeRobotWriter(tmp_path / "set", CARD, with_scene=False, with_commanders=True)
    yield writer
    assert not list(tmp_path.rglob("*.part"))


def build(writer: LeRobotWriter, robot: RecordedRobot, moments: list[Moment]) -> EpisodeBuilder:
    builder = EpisodeBuilder(writer, robot.streams, decode)
    for moment in moments:
        builder.add(moment)
    return builder


def test_an_episode_reads_back_as_it_was_said(writer: LeRobotWriter, robot: RecordedRobot) -> None:
    resampler, moments = robot.record(1.0)
    robot.streams.put_gripper(1.0, robot.now_ns)
    moments += list(robot.run(1.0, resampler))
    saved = build(writer, robot, moments).save(success=True)
    assert (saved.index, saved.frames, saved.success, saved.problems) == (0, len(moments), True, ())
    episode = LeRobotDataset(writer.directory)[0]
    assert (episode.instruction, episode.success, episode.leader) == ("lift the cube", True, "unknown")
    assert [int(image[0, 0, 0]) for image in episode.images["front"]] == [one.pictures["front"] for one in moments]
    assert episode.states is not None
    np.testing.assert_allclose(episode.states, [[0.1, 0.2]] * len(moments), atol=1e-7)
    moved = np.diff([one.tip.position[0] for one in moments])
    np.testing.assert_allclose(episode.values[:, 1], [*moved, 0], atol=1e-8)
    assert episode.values[:, 0].tolist() == [1.0] * (len(moments) - 1) + [0.0]  # terminate comes last
    assert sorted(set(episode.values[:, -1].tolist())) == [0.0, 1.0]
    assert episode.commanders == ("",) * len(moments)
    audit = json.loads(episode.audit)
    assert audit["problems"] == []
    assert audit["topics"]["the camera 'front'"]["rate"] == pytest.approx(30, abs=0.1)
    assert audit["action_from"] == "tf"


def test_the_decoder_gives_the_displacement_back(tmp_path: Path) -> None:
    """In each form of rotation, frame and polarity of the gripper."""
    for number, (frame, form) in enumerate(
        (a, b) for a in ("base", "end_effector") for b in ("rotation_vector", "rpy")
    ):
        card = six_card(frame, form, gripper_open=1.0, gripper_closed=0.0)
        writer = LeRobotWriter(tmp_path / str(number), card, with_scene=False, with_commanders=True)
        robot = RecordedRobot(card)
        robot.turn = np.array([1.0, -2.0, 0.5])
        robot.streams.put_gripper(0.25, robot.now_ns)
        _, moments = robot.record(1.0)
        build(writer, robot, moments).save(success=False)
        step = ActionDecoder(card).step(LeRobotDataset(writer.directory)[0].values[1])
        np.testing.assert_allclose([*step.translation, *step.rotation], moments[2].displacement, atol=1e-6)
        assert step.gripper == pytest.approx(0.25)


def test_the_gripper_of_an_action_is_what_is_commanded_until_the_next_frame(
    writer: LeRobotWriter, robot: RecordedRobot
) -> None:
    """As its displacement: else a policy learns to wait, with the image before the gripper closes."""
    resampler, moments = robot.record(1.0)
    robot.streams.put_gripper(1.0, robot.now_ns)
    moments += list(robot.run(1.0, resampler))
    build(writer, robot, moments).save(success=False)
    commanded = [one.gripper for one in moments]
    assert sorted(set(commanded)) == [0.0, 1.0]
    assert LeRobotDataset(writer.directory)[0].values[:, -1].tolist() == commanded[1:]


def test_a_failure_ends_with_its_last_whole_period(writer: LeRobotWriter, robot: RecordedRobot) -> None:
    _, moments = robot.record(1.0)
    assert build(writer, robot, moments).save(success=False).frames == len(moments) - 1


def test_an_episode_of_one_frame(writer: LeRobotWriter, robot: RecordedRobot) -> None:
    _, moments = robot.record(0.4)
    saved = build(writer, robot, moments[:1]).save(success=True)
    assert saved.frames == 1
    with pytest.raises(RecordingError, match=r"shorter than one period of the action card, 0\.2 s"):
        build(writer, robot, moments[:1]).save(success=False)
    with pytest.raises(RecordingError, match="shorter than one period"):
        build(writer, robot, []).save(success=True)
    assert len(LeRobotDataset(writer.directory)) == 1


def test_an_instruction_that_changes_makes_parts(writer: LeRobotWriter, robot: RecordedRobot) -> None:
    resampler, moments = robot.record(1.0)
    robot.streams.put_instruction("put it down", robot.now_ns)
    robot.streams.put_instruction("  ", robot.now_ns + 1)  # a stop says nothing of what is shown
    moments += list(robot.run(1.5, resampler))
    build(writer, robot, moments).save(success=True)
    dataset = LeRobotDataset(writer.directory)
    assert [part.instruction for part in dataset.parts] == ["lift the cube", "put it down"]
    assert sum(map(len, dataset)) == len(moments)


def test_without_an_instruction_nothing_is_kept(writer: LeRobotWriter, robot: RecordedRobot) -> None:
    list(robot.run(0.5))
    resampler = Resampler(robot.streams, robot.now_ns)
    builder = build(writer, robot, list(robot.run(1.0, resampler)))
    with pytest.raises(RecordingError, match="The episode has no instruction"):
        builder.save(success=True)


def test_what_ended_early_is_no_success_and_says_why(writer: LeRobotWriter, robot: RecordedRobot) -> None:
    resampler, moments = robot.record(1.0)
    robot.silent.add("camera")
    moments += list(robot.run(4.0, resampler))
    saved = build(writer, robot, moments).save(success=True, over=resampler.over)
    assert not saved.success
    assert "camera 'front' has sent nothing for" in saved.problems[0]
    episode = LeRobotDataset(writer.directory)[0]
    assert (episode.success, len(episode)) == (False, len(moments) - 1)
    assert json.loads(episode.audit)["problems"] == list(saved.problems)


def test_a_contract_that_is_missed_is_told(writer: LeRobotWriter) -> None:
    robot = RecordedRobot(camera_rate=3.0)
    robot.velocity = np.array([0.3, 0.0, 0.0])
    _, moments = robot.record(4.0)
    problems = build(writer, robot, moments).save(success=True).problems
    assert "The camera 'front' is too slow or irregular" in problems[0]
    assert "outside the card's range of 'world_vector_x', -0.04 to 0.04 m; up to 0.06" in problems[1]


def test_corrections_are_marked(writer: LeRobotWriter) -> None:
    robot = RecordedRobot(topics=replace(MAP, commander="policy"))
    _, moments = robot.record(1.0)
    moments = [*moments[:2], *(replace(one, commander="human", intervention=True) for one in moments[2:])]
    build(writer, robot, moments).save(success=True)
    labels = LeRobotDataset(writer.directory).labels(0)
    assert labels.leader == "mixed"
    assert labels.interventions is not None
    assert labels.interventions.tolist() == [False, False] + [True] * (len(moments) - 2)


def test_a_discarded_episode_leaves_nothing(writer: LeRobotWriter, robot: RecordedRobot) -> None:
    _, moments = robot.record(1.0)
    build(writer, robot, moments).discard()
    assert build(writer, robot, moments).save(success=True).index == 0


def test_a_full_disk_loses_that_episode_alone(
    writer: LeRobotWriter, robot: RecordedRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, moments = robot.record(1.0)
    build(writer, robot, moments).save(success=True)
    builder = build(writer, robot, moments)

    def full(_: VideoWriter) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(VideoWriter, "close", full)
        with pytest.raises(OSError, match="No space left"):
            builder.save(success=True)
    assert len(LeRobotDataset(writer.directory)) == 1
    assert build(writer, robot, moments).save(success=True).index == 1
    assert len(LeRobotDataset(writer.directory)) == 2


def test_an_image_that_is_none_ends_the_episode_before_it(writer: LeRobotWriter, robot: RecordedRobot) -> None:
    _, moments = robot.record(1.0)
    last = moments[-1].pictures["front"]

    def broken(camera: str, number: int) -> NDArray[np.uint8]:
        if number == last:
            raise ValueError("Camera 'front' cannot be used.")
        return decode(camera, number)

    builder = EpisodeBuilder(writer, robot.streams, broken)
    for moment in moments[:-1]:
        builder.add(moment)
    with pytest.raises(ValueError, match="cannot be used"):
        builder.add(moments[-1])
    assert builder.save(success=False, over="Camera 'front' cannot be used.").frames == len(moments) - 2


class Shown:
    """What a camera sent."""


def test_images_are_not_kept(writer: LeRobotWriter, robot: RecordedRobot) -> None:
    _, moments = robot.record(2.0)
    builder = EpisodeBuilder(writer, robot.streams, lambda _camera, _shown: np.zeros((16, 16, 3), np.uint8))
    alive = weakref.WeakSet[Shown]()
    for moment in moments:
        shown = Shown()
        alive.add(shown)
        builder.add(replace(moment, pictures={"front": shown}))
    del shown
    assert len(alive) <= 2
    builder.discard()
