"""An arm that does not do what it is told is noticed, and the one that does is not accused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rt_vla_ros.benchmarks.follow_watch import (
    FAULTS,
    PLAIN,
    PLAYED_ARM,
    USUAL,
    PlayedArm,
    WantedMotion,
    actions,
    play,
    random_arm,
    random_motion,
)
from rt_vla_ros.control.follow_watch import FollowWatch
from rt_vla_ros.control.followed import ARM
from rt_vla_ros.control.track import IDENTITY, rotation

TICK = 0.02


def played(
    motion: WantedMotion, arm: PlayedArm, rng: np.random.Generator, duration: float, begin: float, fault: str = ""
) -> tuple[float | None, str]:
    """Time of the alarm [s] and its message; fault: from `begin` [s] on."""
    act, broken = actions(motion, rng, PLAYED_ARM), FAULTS.get(fault, lambda velocity, _since: velocity)
    return play(act, arm, rng, duration=duration, begin=begin, fault=broken, watched=PLAYED_ARM)[:2]


def follow(speed: float, share: float, duration: float, *, told: float | None = None, turn: float = 0.0) -> str | None:
    """An arm that goes at `share` of a speed [m/s] and turn [rad/s] along x; told: another speed. Its first alarm."""
    watch = FollowWatch(0.4, 0.12)
    command = np.array([speed if told is None else told, 0, 0, turn if told is None else 0, 0, 0])
    for tick in range(round(duration / TICK)):
        now = 5 + tick * TICK
        watch.tick(now, command, watching=True)
        way = share * tick * TICK
        watch.measure(now, np.array([speed * way, 0, 0]), rotation(np.array([turn * way, 0, 0])))
        if (sentence := watch.alarm()) is not None:
            return sentence
    return None


@pytest.mark.parametrize("seed", range(6))
def test_an_arm_that_follows_is_not_accused(seed: int) -> None:
    rng = np.random.default_rng([7, seed])
    arm, motion = random_arm(rng), random_motion(rng)
    _, sentence = played(motion, arm, rng, 3, np.inf)
    assert not sentence, (arm, motion)


@pytest.mark.parametrize("fault", FAULTS)
def test_an_arm_that_does_not_follow_is_noticed_within_half_a_second(fault: str) -> None:
    rng = np.random.default_rng(3)
    motion = replace(USUAL, speed=0.3, turn=1.2)
    end, sentence = played(motion, PLAIN, rng, 3, 1.0, fault)
    assert end is not None
    assert end - 1.0 <= 0.5
    assert "follow_time" in sentence


@pytest.mark.parametrize("lag", [0.0, 0.1, 0.2])
def test_a_lag_of_up_to_a_fifth_of_a_second_is_no_fault(lag: float) -> None:
    rng = np.random.default_rng(4)
    arm = replace(PLAIN, lag=lag, inertia=0.0)
    assert played(USUAL, arm, rng, 3, np.inf)[0] is None


def test_motions_that_no_measurement_resolves_are_no_fault() -> None:
    rng = np.random.default_rng(5)
    slow = WantedMotion(0.0004, 0.003, 0.5, 0.0)
    assert played(slow, PLAIN, rng, 4, 0.0, "no motion at all")[0] is None


def test_a_slow_motion_that_is_not_followed_shows_in_a_longer_window() -> None:
    assert follow(0.01, 0.0, 0.5) is None
    assert follow(0.01, 0.0, 2.0) is not None


def test_it_says_what_was_measured() -> None:
    begin = "The arm does not follow: commanded"
    still = follow(0.1, 0.0, 1)
    assert still is not None
    assert still.startswith(begin)
    assert "mm within 0.3 s, went 0 mm (follow_time, follow_tolerance). Is it paused" in still
    assert "smoothing filter" in str(follow(0.2, 0.57, 1))
    assert "does its driver scale velocities?" in str(follow(0.2, 1.5, 1))
    back = str(follow(0.2, -1.0, 1))
    assert "in another direction, 180 degrees off" in back
    turned = str(follow(0.0, 0.5, 1, turn=1.0))
    assert f"{begin} to turn by" in turned
    assert "degrees within" in turned
    assert "it is commanded to stand still: it went" in str(follow(0.05, 1.0, 1, told=0.0))


def test_a_slow_drift_is_noticed() -> None:
    assert follow(0.004, 1.0, 0.4, told=0.0) is None
    assert follow(0.004, 1.0, 3.0, told=0.0) is not None


def test_what_was_before_a_request_is_not_held_against_it() -> None:
    """Another program moved the arm home."""
    watch = FollowWatch(0.4, 0.12)
    for tick in range(100):
        now, watching = tick * TICK, tick >= 50
        watch.tick(now, np.zeros(6), watching=watching)
        watch.measure(now, np.array([0.1 * min(now, 1.0), 0, 0]), IDENTITY)
        assert watch.alarm() is None, tick


def test_alarms_count_until_the_arm_followed() -> None:
    watch, now, place = FollowWatch(0.4, 0.12), 0.0, 0.0
    counts = []
    for share in (0.0, 0.0, 1.0, 0.0):
        for _ in range(150):
            watch.tick(now, np.array([0.1, 0, 0, 0, 0, 0]), watching=True)
            watch.measure(now, np.array([place, 0, 0]), IDENTITY)
            now, place = now + TICK, place + share * 0.1 * TICK
            if watch.alarm() is not None:
                break
        counts.append(watch.alarms)
        for _ in range(50):
            watch.tick(now, np.zeros(6), watching=False)
            now += TICK
    assert counts == [1, 2, 0, 1]


def test_a_tick_that_came_late_accuses_nobody() -> None:
    """The arm's driver may have stopped by itself meanwhile, or not."""
    for stopped in (True, False):
        watch, place = FollowWatch(0.4, 0.12), 0.0
        last = now = 1.0
        for tick in range(60):
            now += 0.2 if tick == 30 else TICK
            place += 0.3 * min(now - last, 0.1 if stopped else 1.0) if tick else 0.0
            watch.tick(now, np.array([0.3, 0, 0, 0, 0, 0]), watching=True)
            watch.measure(now, np.array([place, 0, 0]), IDENTITY)
            assert watch.alarm() is None, tick
            last = now


def test_old_measurements_and_a_reset() -> None:
    watch = FollowWatch(0.4, 0.12)
    for tick in range(40):
        watch.tick(tick * TICK, np.zeros(6), watching=True)
        watch.measure(tick * TICK, np.zeros(3), IDENTITY)
        watch.measure(0.0, np.full(3, 9.0), IDENTITY)
    assert watch.alarm() is None
    watch.measure(0.9, np.full(3, 2 * ARM.floor[0]), IDENTITY)
    assert watch.alarm() is not None
    watch.reset()
    assert watch.alarm() is None


def test_its_memory_is_long_enough_for_the_longest_time_at_the_highest_rate() -> None:
    """At 500 Hz and with the longest follow_time: 10 s of commands, while older ones are dropped."""
    watch, speed = FollowWatch(2.0, 0.12), 0.02
    for tick in range(round(14 / 0.002)):
        now = tick * 0.002
        watch.tick(now, np.array([speed, 0, 0, 0, 0, 0]), watching=True)
        if tick % 100 == 0:
            watch.measure(now, np.array([speed * now, 0, 0]), IDENTITY)
            assert watch.alarm() is None, now


@pytest.mark.parametrize("follow_time", [0.1, -1.0, 3.0, np.nan, np.inf])
def test_a_time_that_cannot_be_is_refused(follow_time: float) -> None:
    with pytest.raises(ValueError, match=r"expected 0 \(off\) or 0.2 to 2 s"):
        FollowWatch(follow_time, 0.12)


@pytest.mark.parametrize("tolerance", [0.0, 1.0, np.nan])
def test_a_tolerance_that_cannot_be_is_refused(tolerance: float) -> None:
    with pytest.raises(ValueError, match="expected a fraction between 0 and 1"):
        FollowWatch(0.4, tolerance)
