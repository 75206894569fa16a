"""A mobile base that does not do what it is told is noticed, wherever it heads, and one that slips is not accused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rt_vla_ros.benchmarks.follow_watch import FAULTS, PLAYED_BASE, PlayedArm, actions, play, random_motion
from rt_vla_ros.control.follow_watch import FollowWatch
from rt_vla_ros.control.followed import BASE
from rt_vla_ros.control.track import IDENTITY, multiply, rotate, rotation

TICK = 0.02
PLAIN = PlayedArm(0.2, 0.1, 1.0, 0.02, 0.002, 0.001, 0.002)


def played(
    base: PlayedArm, rng: np.random.Generator, duration: float, begin: float = np.inf, fault: str = ""
) -> tuple[float | None, str]:
    """Time of the alarm [s] and its message; fault: from `begin` [s] on."""
    motion = random_motion(rng) if not fault else PLAYED_BASE.usual
    act, broken = actions(motion, rng, PLAYED_BASE), FAULTS.get(fault, lambda velocity, _since: velocity)
    return play(act, base, rng, duration=duration, begin=begin, fault=broken, watched=PLAYED_BASE)[:2]


def drive(
    told: tuple[float, float, float], went: tuple[float, float, float], duration: float, *, heading: float = 0.0
) -> str | None:
    """A base in its own axes, x, y [m/s] and yaw [rad/s], that began with a heading [rad]. Its first alarm."""
    watch, velocity = FollowWatch(1.0, 0.25, BASE), np.zeros(6)
    velocity[[0, 1, 5]] = told
    place, turn = np.array([5.0, -3.0, 0.0]), rotation(np.array([0, 0, heading]))
    step = rotation(np.array([0, 0, went[2] * TICK]))
    for tick in range(round(duration / TICK)):
        watch.tick(tick * TICK, velocity, watching=True)
        watch.measure(tick * TICK, place, turn)
        if (sentence := watch.alarm()) is not None:
            return sentence
        place, turn = place + rotate(turn, np.array([went[0], went[1], 0.0]) * TICK), multiply(turn, step)
    return None


@pytest.mark.parametrize("seed", range(4))
def test_a_base_that_follows_and_slips_a_little_is_not_accused(seed: int) -> None:
    rng = np.random.default_rng([7, seed])
    base = PLAYED_BASE.random(rng)
    _, sentence = played(base, rng, 6)
    assert not sentence, base


@pytest.mark.parametrize(
    "fault", ["no motion at all", "in the opposite direction", "in a wrong frame, rotated by 90 degrees"]
)
def test_a_base_that_does_not_follow_is_noticed_within_a_second(fault: str) -> None:
    end, sentence = played(PLAIN, np.random.default_rng(3), 5, 2.0, fault)
    assert end is not None
    assert end - 2.0 <= 1.0
    assert "base_follow_time" in sentence


@pytest.mark.parametrize("lag", [0.0, 0.2, 0.4])
def test_a_lag_of_up_to_two_fifths_of_a_second_is_no_fault(lag: float) -> None:
    assert played(replace(PLAIN, lag=lag, inertia=0.0), np.random.default_rng(4), 4)[0] is None


@pytest.mark.parametrize("heading", [0.0, 1.0, -2.5, np.pi])
def test_the_heading_that_it_has_in_the_odometry_does_not_count(heading: float) -> None:
    assert drive((0.3, 0.0, 0.5), (0.3, 0.0, 0.5), 8, heading=heading) is None
    assert drive((0.2, -0.1, 0.0), (0.2, -0.1, 0.0), 3, heading=heading) is None
    assert "base_follow_time" in str(drive((0.3, 0.0, 0.0), (0.0, 0.3, 0.0), 1, heading=heading))


def test_wheels_that_slip_are_tolerated_up_to_a_share() -> None:
    assert drive((0.3, 0.0, 0.4), (0.27, 0.0, 0.32), 8) is None
    assert drive((0.3, 0.0, 0.0), (0.15, 0.0, 0.0), 3) is not None
    assert drive((0.0, 0.0, 0.5), (0.0, 0.0, 0.2), 3) is not None


def test_it_says_what_was_measured() -> None:
    still = str(drive((0.3, 0, 0), (0, 0, 0), 2))
    assert still.startswith("The base does not follow: commanded ")
    assert "went 0 mm (base_follow_time, base_follow_tolerance). Is its driver running" in still
    assert "in another direction, 180 degrees off" in str(drive((0.3, 0, 0), (-0.3, 0, 0), 2))
    aside = str(drive((0.0, 0.3, 0.0), (0.3, 0.0, 0.0), 2))
    assert "90 degrees off" in aside
    assert "can it drive sideways?" in aside
    assert "do its wheels slip?" in str(drive((0.3, 0, 0), (0.15, 0, 0), 3))
    fast = str(drive((0.1, 0, 0), (0.3, 0, 0), 2))
    assert "does its driver scale velocities?" in fast
    assert "commanded to stand still" not in fast
    assert "commanded to turn by" in str(drive((0, 0, 0.5), (0, 0, 0), 2))
    rolls = str(drive((0, 0, 0), (0.1, 0, 0), 2))
    assert rolls.startswith("The base moves although it is commanded to stand still: it went ")
    assert "(base_follow_time). Is another node commanding it, is it pushed or rolling" in rolls


def test_a_drift_of_the_odometry_at_rest_is_no_motion() -> None:
    assert drive((0, 0, 0), (0.003, 0.0, 0.008), 10) is None
    assert drive((0, 0, 0), (0.01, 0.0, 0.0), 5) is not None
    assert drive((0, 0, 0), (0.0, 0.0, 0.03), 5) is not None


@pytest.mark.parametrize("time", [0.1, -1.0, 3.0, np.nan, np.inf])
def test_a_time_that_cannot_be_is_refused_by_its_name(time: float) -> None:
    with pytest.raises(ValueError, match=r"^base_follow_time is .*, expected 0 \(off\) or 0.2 to 2 s"):
        FollowWatch(time, 0.25, BASE)


@pytest.mark.parametrize("tolerance", [0.0, 1.0, np.nan])
def test_a_tolerance_that_cannot_be_is_refused_by_its_name(tolerance: float) -> None:
    with pytest.raises(ValueError, match=r"^base_follow_tolerance is .*, expected a fraction between 0 and 1"):
        FollowWatch(1.0, tolerance, BASE)


def test_what_was_before_a_request_is_not_held_against_it() -> None:
    watch = FollowWatch(1.0, 0.25, BASE)
    for tick in range(200):
        now, watching = tick * TICK, tick >= 100
        watch.tick(now, np.zeros(6), watching=watching)
        watch.measure(now, np.array([0.3 * min(now, 2.0), 0, 0]), IDENTITY)
        assert watch.alarm() is None, tick
