"""The rule, in simulated time."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support.recorded_robot import CARD, MAP, SECOND, START, RecordedRobot, six_card

from rt_vla_ros.control.track import rotation
from rt_vla_ros.recording.resampling import Moment, Resampler


def test_frames_are_a_period_apart_and_have_the_newest_image_that_is_no_later() -> None:
    robot = RecordedRobot()
    resampler, moments = robot.record(3.0)
    assert resampler.over is None
    times = [moment.time_ns for moment in moments]
    assert len(times) == 15
    assert times[0] - SECOND // 100 in robot.image_stamps  # the first camera's image begins it
    assert np.diff(times).tolist() == [SECOND // 5] * 14
    for moment in moments:
        stamp_ns = robot.image_stamps[moment.pictures["front"]]
        assert stamp_ns <= moment.time_ns
        later = [one for one in robot.image_stamps if stamp_ns < one <= moment.time_ns]
        assert later == []


def test_the_action_is_the_displacement_by_interpolated_transforms() -> None:
    _, moments = RecordedRobot().record(2.0)
    np.testing.assert_allclose([one.displacement[:3] for one in moments[1:]], [[0.02, 0, 0]] * 9, atol=1e-12)
    at = 0.3 + 0.1 * (moments[0].time_ns - START) / SECOND
    np.testing.assert_allclose(moments[0].tip.position, [at, 0, 0.2], atol=1e-9)


def test_in_the_axes_of_the_tip_where_the_card_says_so() -> None:
    robot = RecordedRobot(six_card("end_effector"))
    robot.quaternion = rotation(np.array([0, 0, math.pi / 2]))
    robot.turn = np.array([0.5, 0.0, 0.0])  # about the base's x, which is the tip's -y
    _, moments = robot.record(2.0)
    np.testing.assert_allclose(moments[1].displacement, [0, -0.02, 0, 0, -0.1, 0], atol=1e-9)


@pytest.mark.parametrize("frame_id", ["base", "tool"])
def test_commanded_twists_are_integrated_in_whatever_frame_they_are(frame_id: str) -> None:
    robot = RecordedRobot(six_card(), replace(MAP, action_from="commands"))
    robot.velocity = np.zeros(3)  # it does not follow
    robot.quaternion = rotation(np.array([0, 0, math.pi / 2]))
    list(robot.run(0.5))
    resampler, moments = Resampler(robot.streams, robot.now_ns), []
    for _ in range(200):
        robot.streams.put_twist(robot.now_ns, np.array([0.1, 0, 0, 0, 0, 0.5]), frame_id, robot.now_ns)
        moments += list(robot.run(0.01, resampler))
    wanted = [0.02, 0, 0, 0, 0, 0.1] if frame_id == "base" else [0, 0.02, 0, 0, 0, 0.1]
    np.testing.assert_allclose(moments[3].displacement, wanted, atol=1e-9)


def test_a_twist_holds_no_longer_than_its_time() -> None:
    robot = RecordedRobot(six_card(), replace(MAP, action_from="commands"))
    list(robot.run(0.5))
    resampler = Resampler(robot.streams, robot.now_ns)
    list(robot.run(0.5, resampler))
    robot.streams.put_twist(robot.now_ns, np.array([0.1, 0, 0, 0, 0, 0]), "base", robot.now_ns)
    moments = list(robot.run(2.0, resampler))
    np.testing.assert_allclose(sum(one.displacement for one in moments), [0.01, 0, 0, 0, 0, 0], atol=1e-9)
    assert not moments[-1].displacement.any()


def test_memory_does_not_grow() -> None:
    robot = RecordedRobot()
    resampler, _ = robot.record(1.0)
    list(robot.run(20.0, resampler))
    assert all(len(stream) < 60 for stream in [*robot.streams.all(), *robot.streams.moving()])


@pytest.mark.parametrize(
    ("what", "said"), [("camera", "camera 'front'"), ("joints", "joint 'panda_joint1'"), ("tf", "transform")]
)
def test_what_stops_ends_the_episode_there(what: str, said: str) -> None:
    robot = RecordedRobot()
    resampler, moments = robot.record(2.0)
    robot.silent.add(what)
    before = robot.now_ns
    moments += list(robot.run(4.0, resampler))
    assert resampler.over is not None
    assert resampler.finished
    assert said in resampler.over
    assert moments[-1].time_ns <= before + 0.5 * SECOND
    assert list(robot.run(1.0, resampler)) == []


def test_a_gap_in_tf_ends_the_episode_before_it() -> None:
    robot = RecordedRobot()
    resampler, moments = robot.record(2.0)
    robot.silent.add("tf")
    gone = robot.now_ns
    moments += list(robot.run(0.5, resampler))
    robot.silent.clear()
    moments += list(robot.run(2.0, resampler))
    assert resampler.over is not None
    assert "TF has a gap of 0.51 s in the transforms of 'tool'" in resampler.over
    assert moments[-1].time_ns < gone


@pytest.mark.parametrize(("frames", "camera_rate"), [(5.0, 30.0), (5.0, 10.0), (30.0, 30.0)])
def test_a_computer_that_stood_still_for_a_moment_ends_no_episode(frames: float, camera_rate: float) -> None:
    robot = RecordedRobot(replace(CARD, control_rate=frames), camera_rate=camera_rate)
    resampler, moments = robot.record(2.0)
    robot.stand_still(0.33)  # and max_state_age is 0.25 s
    moments += list(robot.run(2.0, resampler))
    assert resampler.over is None
    assert np.diff([one.time_ns for one in moments]).max() <= SECOND / frames + 1
    np.testing.assert_allclose([one.displacement[0] for one in moments[1:]], 0.1 / frames, atol=1e-9)
    problems = [text for name, audit in robot.streams.audits() for text in audit.problems(name)]
    assert sum("so the computer was suspended" in text for text in problems) == 1
    assert robot.streams.pictures["front"].audit.to_dict()["bridged"] == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("pause", [0.33, 3.0])
@pytest.mark.parametrize("late", [0.0, 0.1])
def test_a_pause_after_the_stop_does_not_count(pause: float, late: float) -> None:
    """As in lock step, where a robot says nothing until the next request. late: of the stop, after the last message."""
    robot = RecordedRobot()
    resampler, moments = robot.record(2.0)
    resampler.stop(robot.now_ns + round(late * SECOND))
    robot.stand_still(pause)
    moments += list(robot.run(2.0, resampler))
    assert (resampler.over, resampler.finished) == (None, True)
    assert len(moments) >= 9
    assert [text for name, audit in robot.streams.audits() for text in audit.problems(name)] == []
    assert max(audit.to_dict()["longest_gap"] for _, audit in robot.streams.audits()) < 0.05


@pytest.mark.parametrize("lost", [{"tf"}, {"joints"}, {"tf", "joints"}])
@pytest.mark.parametrize("camera_rate", [3.0, 10.0, 30.0])
def test_what_is_lost_while_a_camera_goes_on_ends_the_episode(lost: set[str], camera_rate: float) -> None:
    robot = RecordedRobot(topics=replace(MAP, max_image_age=1.0), camera_rate=camera_rate)
    resampler, _ = robot.record(3.0)
    robot.silent |= lost
    list(robot.run(0.5, resampler))
    robot.silent -= lost
    list(robot.run(2.0, resampler))
    assert resampler.over is not None
    assert robot.streams.pictures["front"].audit.bridged_ns == 0


def test_a_computer_that_stood_still_for_long_ends_the_episode() -> None:
    robot = RecordedRobot()
    resampler, _ = robot.record(2.0)
    robot.stand_still(1.5)
    list(robot.run(2.0, resampler))
    assert resampler.over is not None
    assert resampler.resume_ns is not None


def test_a_camera_slower_than_the_frames_repeats_its_images() -> None:
    robot = RecordedRobot(camera_rate=3.0)
    resampler, moments = robot.record(4.0)
    assert resampler.over is None
    shown = [one.pictures["front"] for one in moments]
    assert len(set(shown)) < len(shown)
    assert robot.streams.pictures["front"].audit.repeated > 0.3


def test_images_with_stamps_in_the_future_wait_for_their_time() -> None:
    robot = RecordedRobot()
    robot.image_offset_ns = 2 * SECOND // 10
    resampler, moments = robot.record(3.0)
    for moment in moments:
        assert robot.image_stamps[moment.pictures["front"]] <= moment.time_ns
    assert any("in the future" in one for one in robot.streams.pictures["front"].audit.problems("the camera"))
    assert resampler.over is None


def test_a_camera_on_another_clock_is_told_and_waited_for() -> None:
    robot = RecordedRobot()
    robot.image_offset_ns = -900 * SECOND
    resampler, moments = robot.record(1.0)
    assert moments == []
    assert "900 s behind the recorder's clock: is use_sim_time the same in all nodes" in resampler.lacking()[0]
    robot.image_offset_ns = 0  # what comes now is of the recorder's clock, and not what is told of
    _, moments = robot.record(1.0)
    robot.streams.put_picture("front", robot.now_ns + 60 * SECOND, 0, robot.now_ns)
    list(robot.run(1.0))
    assert (
        "1 messages were dropped: its stamps are 60 s ahead" in robot.streams.pictures["front"].audit.problems("x")[0]
    )


def test_a_clock_that_jumps_back_ends_the_episode() -> None:
    robot = RecordedRobot()
    resampler, _ = robot.record(2.0)
    robot.now_ns -= 5 * SECOND
    robot.image_stamp_ns -= 5 * SECOND
    assert list(robot.run(1.0, resampler)) == []
    assert resampler.over is not None
    assert "jumped back by" in resampler.over
    _, again = robot.record(2.0)  # the next one begins anew
    assert len(again) > 5


def test_nothing_begins_before_everything_is_there() -> None:
    robot = RecordedRobot()
    robot.silent = {"camera", "tf"}
    resampler, moments = robot.record(1.0)
    assert moments == []
    assert resampler.lacking() == [
        "The camera 'front' has no recent sample.",
        "TF has no path from 'base' to 'tool'; its frames are: none.",
    ]
    robot.silent = set()
    assert len(list(robot.run(2.0, resampler))) > 5
    assert resampler.lacking() == []


def test_a_stop_bounds_the_frames() -> None:
    robot = RecordedRobot()
    resampler, moments = robot.record(1.0)
    resampler.stop(robot.now_ns)
    stopped = robot.now_ns
    moments += list(robot.run(1.0, resampler))
    assert resampler.finished
    assert resampler.over is None
    assert stopped - SECOND // 5 < moments[-1].time_ns <= stopped


def test_numbers_that_are_none_are_dropped_and_counted() -> None:
    robot = RecordedRobot()
    robot.joints["panda_joint1"] = math.nan
    resampler, moments = robot.record(1.0)
    assert moments == []
    assert "expected finite numbers" in resampler.lacking()[0]
    assert "expected finite" in str(
        robot.streams.put_transform("a", "b", 5, np.full(3, math.inf), np.array([1.0, 0, 0, 0]), START)
    )
    robot.streams.put_gripper(math.nan, START)
    robot.streams.put_twist(START, np.full(6, math.nan), "", START)
    assert robot.streams.grippers.audit.unusable == robot.streams.twists.audit.unusable == 1


def test_who_commands_and_what_is_an_intervention() -> None:
    robot = RecordedRobot()
    resampler, _ = robot.record(0.0)
    said = []
    for commander in ("human", "policy", "human", ""):
        robot.streams.put_commander(robot.now_ns, commander, robot.now_ns)
        said += [(one.commander, one.intervention) for one in robot.run(0.8, resampler)]
    assert list(dict.fromkeys(said)) == [("human", False), ("policy", False), ("human", True), ("", False)]


def test_where_no_status_tells_a_human_commands_while_twists_come() -> None:
    robot = RecordedRobot()
    resampler, _ = robot.record(0.5)
    robot.streams.put_human(robot.now_ns)
    moments = list(robot.run(2.0, resampler))
    assert [one.commander for one in moments if one.commander]
    assert moments[-1].commander == ""
    assert {one.commander for one in RecordedRobot(CARD, replace(MAP, commander="human")).record(1.0)[1]} == {"human"}


def test_a_status_that_says_nobody_outweighs_a_stick_that_is_not_followed() -> None:
    robot = RecordedRobot()
    resampler, _ = robot.record(0.5)
    moments: list[Moment] = []
    for _ in range(10):
        robot.streams.put_commander(robot.now_ns, "", robot.now_ns)
        robot.streams.put_human(robot.now_ns)
        moments += robot.run(0.2, resampler)
    assert {one.commander for one in moments[3:]} == {""}


def test_of_two_statuses_of_one_time_the_later_one_counts() -> None:
    """Simulated time stands still while an action is awaited."""
    robot = RecordedRobot()
    resampler, _ = robot.record(0.5)
    for commander in ("", "policy"):
        robot.streams.put_commander(robot.now_ns, commander, robot.now_ns)
    assert [one.commander for one in robot.run(0.6, resampler)][-1] == "policy"
    assert robot.streams.controls.audit.disordered == 0


def test_a_camera_as_fast_as_the_frames_may_be_a_little_late() -> None:
    robot = RecordedRobot(replace(CARD, control_rate=10.0), camera_rate=10.0)
    list(robot.run(0.5))
    resampler, moments = Resampler(robot.streams, robot.now_ns), []
    for number in range(30):
        robot.image_offset_ns = (-3, 0, 5)[number % 3] * SECOND // 1000
        moments += list(robot.run(0.1, resampler))
    shown = [one.pictures["front"] for one in moments]
    assert len(shown) > 20
    assert set(np.diff(shown)) == {1}
