"""The recorder in simulated time, with its encoding thread."""

from __future__ import annotations

import errno
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.recorded_robot import CARD, RecordedRobot, decode

from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_writer import LeRobotWriter
from rt_vla_ros.data.video import VideoWriter
from rt_vla_ros.recording import episode_recorder
from rt_vla_ros.recording.episode_builder import RecordingError, SavedEpisode
from rt_vla_ros.recording.episode_recorder import EpisodeRecorder


class Session:
    """A robot and its recorder."""

    def __init__(self, directory: Path) -> None:
        self.robot = RecordedRobot()
        writer = LeRobotWriter(directory, CARD, with_scene=False, with_commanders=True)
        self.recorder = EpisodeRecorder(writer, self.robot.streams, decode, lambda _picture: 1000)
        self.run(0.5)

    def run(self, seconds: float) -> SavedEpisode | RecordingError | None:
        """Until the episode is over, if it ends meanwhile."""
        for _ in range(round(seconds * 100)):
            self.robot.step()
            outcome = self.recorder.advance(self.robot.now_ns)
            if outcome is not None:
                return outcome
        return None

    def until_over(self) -> SavedEpisode | RecordingError:
        for _ in range(3000):
            outcome = self.run(0.01)
            if outcome is not None:
                return outcome
            time.sleep(0.002)
        raise AssertionError("it does not end")

    def start(self) -> None:
        self.recorder.start("lift the cube", self.robot.now_ns)

    def stop(self) -> SavedEpisode | RecordingError:
        self.recorder.stop(success=True, now_ns=self.robot.now_ns)
        return self.until_over()


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path / "set")


def test_episodes_one_after_the_other(session: Session, tmp_path: Path) -> None:
    for index in range(2):
        session.start()
        assert session.run(2.0) is None
        assert session.recorder.frames >= 9
        assert session.recorder.problems(session.robot.now_ns) == []
        saved = session.stop()
        assert isinstance(saved, SavedEpisode)
        assert (saved.index, saved.success, saved.problems) == (index, True, ())
        assert not session.recorder.busy
    assert [len(episode) for episode in LeRobotDataset(tmp_path / "set")] == [10, 10]


def test_what_is_asked_at_the_wrong_time_is_refused(session: Session) -> None:
    for act in (session.recorder.discard, session.stop):
        with pytest.raises(RecordingError, match=r"No episode is being recorded\."):
            act()
    with pytest.raises(RecordingError, match="give one, or publish it on 'instruction'"):
        session.recorder.start(" ", session.robot.now_ns)
    session.start()
    with pytest.raises(RecordingError, match="An episode is being recorded already"):
        session.start()


def test_a_discarded_episode_and_the_end_of_the_recorder(session: Session, tmp_path: Path) -> None:
    session.start()
    session.run(1.0)
    session.recorder.discard()
    assert str(session.until_over()) == "The episode was discarded."
    assert not session.recorder.busy
    assert not list(tmp_path.rglob("*.part"))
    session.start()
    session.run(1.0)
    saved = session.recorder.finish(session.robot.now_ns)
    assert isinstance(saved, SavedEpisode)
    assert (saved.index, saved.success, saved.problems[0]) == (0, False, "The recorder was shut down.")
    assert len(LeRobotDataset(tmp_path / "set")) == 1


def test_discarding_waits_for_nothing(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow encoder holds nobody up, and what waits for it is not encoded any more."""
    begun, goes_on, added = threading.Event(), threading.Event(), list[int]()
    add = VideoWriter.add

    def slow(writer: VideoWriter, image: NDArray[np.uint8]) -> None:
        begun.set()
        added.append(1)
        goes_on.wait()
        add(writer, image)

    monkeypatch.setattr(VideoWriter, "add", slow)
    session.start()
    session.run(2.0)
    assert begun.wait(10.0)
    session.recorder.discard()
    assert session.recorder.busy
    assert not session.recorder.recording
    for act in (session.recorder.discard, session.stop):
        with pytest.raises(RecordingError, match=r"No episode is being recorded\."):
            act()
    with pytest.raises(RecordingError, match="The discarded episode is still being removed: try again in a moment"):
        session.start()
    assert session.run(0.5) is None
    goes_on.set()
    assert str(session.until_over()) == "The episode was discarded."
    assert len(added) == 1
    assert not list(tmp_path.rglob("*.part"))
    session.start()
    session.run(1.0)
    assert isinstance(session.stop(), SavedEpisode)


def test_an_unplugged_camera_ends_the_episode_by_itself(session: Session) -> None:
    session.start()
    session.run(2.0)
    session.robot.silent.add("camera")
    saved = session.until_over()
    assert isinstance(saved, SavedEpisode)
    assert not saved.success
    assert "the camera 'front' has sent nothing for" in saved.problems[0]
    session.start()
    session.run(2.0)
    assert session.recorder.problems(session.robot.now_ns) == ["The camera 'front' has no recent sample."]
    lost = session.stop()
    assert str(lost) == "Nothing was recorded. The camera 'front' has no recent sample."


def test_a_full_disk_while_it_records_loses_that_episode(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.start()
    session.run(1.0)
    assert isinstance(session.stop(), SavedEpisode)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "set")

    session.start()
    with monkeypatch.context() as patch:
        patch.setattr(VideoWriter, "add", full)
        lost = session.until_over()
    assert str(lost) == (
        "The episode is lost: set: no space left on the disk; free some space or choose another path. "
        "Earlier episodes are intact."
    )
    session.start()
    session.run(1.0)
    assert isinstance(session.stop(), SavedEpisode)
    assert len(LeRobotDataset(tmp_path / "set")) == 2
    assert not list(tmp_path.rglob("*.part"))


def test_a_recorder_that_is_shut_down_ends_although_images_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(episode_recorder, "SHUTDOWN", 0.5)

    def slow(camera: str, number: int) -> NDArray[np.uint8]:
        time.sleep(0.2)
        return decode(camera, number)

    session = Session(tmp_path / "set")
    session.recorder._decode = slow
    session.start()
    session.run(6.0)
    saved = session.recorder.finish(session.robot.now_ns)
    assert isinstance(saved, SavedEpisode)
    assert 1 <= saved.frames < 25  # of 30
    assert not saved.success
    assert saved.problems[0] == "The recorder was shut down."


@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [("MOST_WAITING", 3, r"those of 3 moments \("), ("WAITING_BYTES", 10_000_000, r"moments \(1\d MB\) were queued")],
)
def test_images_that_wait_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, said: str
) -> None:
    monkeypatch.setattr(episode_recorder, limit, value)

    def slow(camera: str, number: int) -> NDArray[np.uint8]:
        time.sleep(0.2)
        return decode(camera, number)

    session = Session(tmp_path / "set")
    session.recorder._decode, session.recorder._size = slow, lambda _picture: 1_500_000
    session.start()
    saved = session.until_over()
    assert isinstance(saved, SavedEpisode)
    assert not saved.success
    assert re.match("Images arrive faster than they can be encoded: .*" + said, saved.problems[0])
