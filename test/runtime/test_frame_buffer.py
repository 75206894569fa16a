"""Which frames are acted on, in time passed in."""

from __future__ import annotations

import pytest

from rt_vla_ros.runtime.frame_buffer import CameraRate, Frame, FrameBuffer, refuse_age

MS = 1_000_000
PERIOD = 200 * MS


def buffer(*cameras: str) -> FrameBuffer[str]:
    return FrameBuffer(cameras or ("front",), PERIOD, 500 * MS)


def frame(stamp_ms: float, message: str = "") -> Frame[str]:
    return Frame(message or str(stamp_ms), int(stamp_ms * MS), 0)


def test_the_newest_frame_is_used_and_the_older_ones_are_counted() -> None:
    frames = buffer()
    for stamp in (1000, 1033, 1067):
        frames.put("front", frame(stamp))
    taken = frames.take(1070 * MS)
    assert taken is not None
    assert taken["front"].message == "1067"
    assert (frames.received, frames.dropped) == (3, 2)
    assert frames.take(1080 * MS) is None


def test_a_frame_is_due_after_095_of_a_period() -> None:
    frames = buffer()
    frames.put("front", frame(1000))
    assert frames.take(1000 * MS) is not None
    frames.put("front", frame(1189))
    assert frames.take(1189 * MS) is None
    frames.put("front", frame(1190))
    assert frames.take(1190 * MS) is not None


@pytest.mark.parametrize(("periods", "early_ms"), [(1, 10), (3, 10), (8, 10)])
def test_a_frame_is_due_after_so_many_periods_whatever_their_number(periods: int, early_ms: int) -> None:
    frames: FrameBuffer[str] = FrameBuffer(("front",), PERIOD, 500 * MS, periods)
    frames.put("front", frame(1000))
    assert frames.take(1000 * MS) is not None
    due_ms = 1000 + 200 * periods - early_ms
    for stamp_ms in (due_ms - 1, due_ms):
        frames.put("front", frame(stamp_ms))
        assert (frames.take(stamp_ms * MS) is not None) == (stamp_ms == due_ms)


def test_a_stale_frame_is_never_acted_on() -> None:
    frames = buffer()
    frames.put("front", frame(1000))
    assert frames.take(1501 * MS) is None
    assert (frames.stale, frames.age_ns) == (1, 501 * MS)
    frames.put("front", frame(1400))
    assert frames.take(1502 * MS) is not None


def test_a_frame_that_was_acted_on_comes_again() -> None:
    frames = buffer()
    frames.put("front", frame(1000))
    frames.take(1000 * MS)
    frames.put("front", frame(1000))
    assert frames.take(1000 * MS) is None
    assert frames.repeated == 1
    frames.restart()
    frames.put("front", frame(1000))
    assert frames.take(1000 * MS) is not None


def test_a_clock_that_began_anew_is_followed() -> None:
    frames = buffer()
    frames.put("front", frame(90_000))
    frames.take(90_000 * MS)
    frames.put("front", frame(1000))
    assert frames.take(1000 * MS) is not None


def test_all_cameras_must_have_a_fresh_frame() -> None:
    frames = buffer("front", "wrist")
    frames.put("front", frame(1000))
    assert frames.take(1000 * MS) is None
    frames.put("wrist", frame(990))
    taken = frames.take(1000 * MS)
    assert taken is not None
    assert list(taken) == ["front", "wrist"]
    frames.put("front", frame(1300))
    frames.put("wrist", frame(1010))
    assert frames.take(1300 * MS) is None
    frames.put("wrist", frame(1290))
    assert frames.take(1300 * MS) is not None


def test_one_stale_camera_does_not_cost_the_other_its_frame() -> None:
    frames = buffer("front", "wrist")
    frames.put("front", frame(1000))
    frames.put("wrist", frame(1600))
    assert frames.take(1600 * MS) is None
    frames.put("front", frame(1610))
    assert frames.take(1610 * MS) is not None


@pytest.mark.parametrize("camera", ["front", "wrist"])
@pytest.mark.parametrize("ahead", [501, 3000, 3_600_000, -501, -3000])
def test_every_camera_is_judged_by_its_own_stamp(camera: str, ahead: int) -> None:
    frames = buffer("front", "wrist")
    for name in ("front", "wrist"):
        frames.put(name, frame(1000 + ahead * (name == camera)))
    assert frames.take(1000 * MS) is None
    assert (frames.stale, frames.ages_ns[camera]) == (1, -ahead * MS)
    frames.put(camera, frame(1010))
    assert frames.take(1020 * MS) is not None


@pytest.mark.parametrize("ahead", [0, 1, 499, 500])
def test_an_image_may_be_a_little_ahead(ahead: int) -> None:
    frames = buffer()
    frames.put("front", frame(1000 + ahead))
    assert frames.take(1000 * MS) is not None


def test_after_the_clock_went_back_frames_from_before_do_not_count() -> None:
    frames = buffer("front", "wrist")
    for name in ("front", "wrist"):
        frames.put(name, frame(90_000))
    assert frames.take(90_000 * MS) is not None
    frames.put("front", frame(90_200))
    frames.put("wrist", frame(1000))
    assert frames.take(1000 * MS) is None
    frames.put("front", frame(1000))
    assert frames.take(1000 * MS) is not None


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (0.0, None),
        (0.5, None),
        (-0.5, None),
        (0.51, "is older than max_image_age (0.5 s): that of camera 'wrist' is about 0.5 s old."),
        (3.2, "is older than max_image_age (0.5 s): that of camera 'wrist' is about 3 s old."),
        (321.0, "is older than max_image_age (0.5 s): that of camera 'wrist' is about 300 s old."),
        (
            -3.2,
            "is stamped further in the future than max_image_age (0.5 s): that of camera 'wrist' is about 3 s ahead.",
        ),
    ],
)
def test_an_age_that_is_refused_names_camera_and_age(age: float, words: str | None) -> None:
    said = refuse_age("wrist", round(age * 1000) * MS, 0.5)
    expected = f"The newest image {words} The policy waits for a recent one."
    assert said is None if words is None else expected in str(said)


def test_stamps_of_another_clock_are_told_as_such() -> None:
    for age, words in ((1.8e18, "2,000,000,000 s old"), (-1.8e18, "2,000,000,000 s ahead")):
        said = str(refuse_age("front", int(age), 0.5))
        assert words in said
        assert "of another clock: does the camera's driver set them, and is use_sim_time the same everywhere?" in said


def test_a_camera_that_the_policy_does_not_look_through_changes_nothing() -> None:
    frames = buffer("front")
    frames.put("wrist", frame(1000))
    assert frames.received == 0
    assert frames.take(1000 * MS) is None


def test_the_rate_is_that_of_the_stamps() -> None:
    rate = CameraRate()
    for i in range(11):
        assert rate.rate is None
        rate.add(i * 125 * MS)
        rate.add(i * 125 * MS)
    assert rate.rate == pytest.approx(8.0)
    rate.add(0)
    assert rate.rate is None
