"""What moves the joints, period by period: the tip's way, limits, singularities, and every reason to stand still."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import numpy as np
import pinocchio  # noqa: F401
import pytest
from support.played_joints import PlayedJoints

from rt_vla_ros.arms import joint_commander, solver_process
from rt_vla_ros.arms.panda_urdf import NAMES, READY


@pytest.fixture(params=["position", "velocity"])
def arm(request: pytest.FixtureRequest) -> Iterator[PlayedJoints]:
    """In both ways of commanding."""
    with PlayedJoints(request.param) as arm:
        yield arm


@pytest.fixture
def positions() -> Iterator[PlayedJoints]:
    """Commanded by positions."""
    with PlayedJoints("position") as arm:
        yield arm


@pytest.fixture
def one() -> Iterator[PlayedJoints]:
    """With a solver of its own."""
    with PlayedJoints("position", shared=False) as arm:
        yield arm


@pytest.mark.parametrize(
    ("linear", "angular"),
    [((0.1, 0, 0), (0, 0, 0)), ((0, -0.1, 0.05), (0, 0, 0)), ((0, 0, 0), (0, 0.3, 0)), ((0.05, 0.05, 0), (0, 0, -0.3))],
)
def test_the_tip_goes_and_turns_as_commanded(arm: PlayedJoints, linear: tuple, angular: tuple) -> None:
    before = arm.pose()
    arm.drive([*linear, *angular], 1.0)
    arm.rest()
    way, turn = arm.moved(before)
    # Less what the joints' acceleration costs at the start, which the smoother never asks for; see the next test.
    assert np.linalg.norm(way - np.array(linear)) < 0.01 * np.linalg.norm(linear) + 0.001
    assert np.linalg.norm(turn - np.array(angular)) < 0.01 * np.linalg.norm(angular) + 0.004
    assert arm.commander.reason is None


def test_a_smooth_motion_is_whole_within_one_percent(arm: PlayedJoints) -> None:
    before, way = arm.pose(), np.array([0.12, 0.09, 0.0])
    for share in np.r_[np.linspace(0, 1, 20), np.ones(80), np.linspace(1, 0, 20)]:
        arm.drive([*(share * way), 0, 0, 0], 0.01)
    arm.rest()
    moved, turned = arm.moved(before)
    assert np.linalg.norm(moved - way) < 0.01 * np.linalg.norm(way)
    assert np.linalg.norm(turned) < 0.002


def test_a_joint_at_its_limit_stops_the_motion_and_keeps_its_direction(arm: PlayedJoints) -> None:
    before, warnings = arm.pose(), set()
    for _ in range(900):
        arm.drive([0, 0, 0, 0, 0, 0.8], 0.01)
        warnings.add((arm.commander.warning or "").partition(" (")[0])
    assert any("is near its limit" in warning for warning in warnings)
    assert "near its limit" in arm.commander.reason
    assert "others are free" in arm.commander.reason
    assert np.abs(arm.commander.velocities).max() < 1e-3
    assert (arm.positions > arm.lower + 0.04).all()
    assert (arm.positions < arm.upper - 0.04).all()
    way, turn = arm.moved(before)
    assert np.linalg.norm(way) < 0.01
    assert np.linalg.norm(turn[:2]) < 0.02
    arm.drive([0, 0, 0, 0, 0, -0.4], 1.0)
    assert arm.commander.reason is None
    assert arm.moved(before)[1][2] != turn[2]


def test_near_a_singularity_it_slows_down_stops_and_comes_out_again(arm: PlayedJoints) -> None:
    before, speeds = arm.pose(), []
    for _ in range(80):
        at = arm.pose()[:3]
        arm.drive([0.1, 0, 0, 0, 0, 0], 0.1)
        speeds.append(np.linalg.norm(arm.pose()[:3] - at) / 0.1)
    assert "singularity" in arm.commander.reason
    assert speeds[5] == pytest.approx(0.1, rel=0.02)
    assert speeds[-1] < 0.002
    assert np.max(np.diff(speeds)[5:]) < 0.01
    assert np.abs(arm.moved(before)[0][1:]).max() < 0.003
    arm.drive([-0.1, 0, 0, 0, 0, 0], 1.0)
    assert arm.commander.reason is None
    assert np.linalg.norm(arm.pose()[:3] - at) > 0.08


def test_joint_speeds_are_kept_and_the_direction_too(arm: PlayedJoints) -> None:
    before = arm.pose()
    fastest = np.zeros(7)
    for _ in range(15):
        arm.drive([0, 3.0, 0, 0, 0, 0], 0.01)
        fastest = np.maximum(fastest, np.abs(arm.commander.velocities))
    assert (fastest <= np.array([2.175] * 4 + [2.61] * 3) * 1.001).all()
    way, _ = arm.moved(before)
    assert np.linalg.norm(way[[0, 2]]) < 0.05 * abs(way[1])


@pytest.mark.parametrize("twist", [None, np.zeros(6)])
def test_it_brakes_within_the_joints_accelerations(arm: PlayedJoints, twist: np.ndarray | None) -> None:
    arm.drive([0.2, 0, 0, 0, 0, 0], 1.0)
    last, ticks = arm.commander.velocities, 0
    while arm.commander.velocities.any():
        arm.tick(twist)
        change = np.abs(arm.commander.velocities - last) / 0.01
        assert (change <= np.array([15, 7.5, 10, 12.5, 15, 20, 20]) * 1.01).all()
        last, ticks = arm.commander.velocities, ticks + 1
    assert 1 < ticks < 30
    assert arm.commander.reason is None


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda arm: arm.hold_states(), "The last joint state of 'panda_joint1' is 0.2"),
        (lambda arm: arm.say(3, float("nan")), "The joint states have an invalid position of 'panda_joint4': nan."),
        (lambda arm: arm.say(3, float("inf")), "The joint states have an invalid position of 'panda_joint4': inf."),
    ],
)
def test_without_the_joints_states_it_stands_still_at_once(arm: PlayedJoints, spoil, words: str) -> None:
    arm.drive([0.2, 0, 0, 0, 0, 0], 0.5)
    spoil(arm)
    for _ in range(25):
        command = arm.tick(np.array([0.2, 0, 0, 0, 0, 0]))
        if arm.commander.reason:
            break
    assert words in arm.commander.reason
    assert not arm.commander.velocities.any()
    held = arm.commander.position if arm.interface == "position" else np.zeros(7)
    np.testing.assert_array_equal(command, held)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_velocity_that_is_none_stands_still(arm: PlayedJoints, number: float) -> None:
    arm.drive([0.2, 0, 0, 0, 0, 0], 0.5)
    arm.tick(np.array([0.2, number, 0, 0, 0, 0]))
    assert "non-finite value" in arm.commander.reason
    assert not arm.commander.velocities.any()


def test_a_solver_that_is_killed_stands_still_and_is_started_again(one: PlayedJoints) -> None:
    one.drive([0.1, 0, 0, 0, 0, 0], 0.3)
    first = one.commander.solver.pid
    os.kill(first, signal.SIGKILL)
    begin = time.monotonic()
    while one.commander.velocities.any():
        one.tick(np.array([0.1, 0, 0, 0, 0, 0]))
    assert time.monotonic() - begin < 0.2
    told = "The inverse kinematics solver has ended (signal 9)", "has not answered within 20 ms"  # at first
    assert any(reason in one.commander.reason for reason in told)
    one.until_ready()
    assert one.commander.solver.pid not in (None, first)
    before = one.pose()
    one.drive([0.1, 0, 0, 0, 0, 0], 0.5)
    assert one.moved(before)[0][0] > 0.04


def test_a_solver_that_hangs_stands_still_within_two_periods_and_is_killed(one: PlayedJoints) -> None:
    one.drive([0.1, 0, 0, 0, 0, 0], 0.3)
    first = one.commander.solver.pid
    os.kill(first, signal.SIGSTOP)
    begin = time.monotonic()
    one.tick(np.array([0.1, 0, 0, 0, 0, 0]))
    assert time.monotonic() - begin < 0.1
    assert "has not answered within 20 ms" in one.commander.reason
    assert not one.commander.velocities.any()
    one.until_ready()
    assert one.commander.solver.started == 2


def test_a_solver_that_was_late_goes_on(one: PlayedJoints) -> None:
    one.drive([0.1, 0, 0, 0, 0, 0], 0.3)
    os.kill(one.commander.solver.pid, signal.SIGSTOP)
    one.tick(np.array([0.1, 0, 0, 0, 0, 0]))
    os.kill(one.commander.solver.pid, signal.SIGCONT)
    one.until_ready()
    assert one.commander.solver.started == 1


def test_a_solver_that_cannot_start_is_given_up_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    with PlayedJoints("position", python="/nowhere/python", shared=False) as arm:
        arm.tick(None)
        assert "cannot start" in arm.commander.reason
        assert "/nowhere/python" in arm.commander.reason
    monkeypatch.setattr(solver_process, "_BOOT", "raise SystemExit(3)")
    with PlayedJoints("position", shared=False) as arm:
        until = time.monotonic() + 60.0
        while "not restarted again" not in (arm.commander.reason or "") and time.monotonic() < until:
            arm.tick(None)
            time.sleep(0.01)
        assert "has ended (exit code 3)" in arm.commander.reason
        assert "It was started 5 times within a minute, so it is not restarted again." in arm.commander.solver.problem


def test_the_commanded_position_does_not_run_away(positions: PlayedJoints) -> None:
    positions.stuck = True
    leads = []
    for _ in range(250):
        positions.drive([0.1, 0, 0, 0, 0, 0], 0.01)
        leads.append(np.abs(positions.commander.position - positions.positions).max())
    assert max(leads) <= 0.1 + 1e-9
    assert "does not follow" in positions.commander.reason
    positions.stuck = False


def test_a_stop_at_once_goes_no_farther_than_a_joint_needs_to_brake(positions: PlayedJoints) -> None:
    """A drive that lags behind, or an arm whose brakes are on, is led by up to max_position_lead."""
    arm = positions
    arm.drive([0.2, 0, 0, 0, 0, 0], 0.5)
    arm.stuck = True
    arm.drive([0.2, 0, 0, 0, 0, 0], 0.1)
    lead, speed = arm.commander.position - arm.positions, arm.commander.velocities
    assert np.abs(lead).max() > 0.02
    arm.tick(np.full(6, np.nan))
    most = 0.01 + speed**2 / (2 * np.array([15, 7.5, 10, 12.5, 15, 20, 20]))
    held = arm.commander.position - arm.positions
    assert (np.abs(held) <= most + 1e-9).all()
    assert (np.abs(held) <= np.abs(lead) + 1e-9).all()
    assert (held * lead >= 0).all()


def test_an_arm_that_was_blocked_does_not_jump_when_it_is_free(positions: PlayedJoints) -> None:
    arm = positions
    arm.stuck = True
    arm.drive([0.2, 0, 0, 0, 0, 0], 2.0)
    assert np.abs(arm.commander.position - arm.positions).max() > 0.09
    commands = [arm.tick(None) for _ in range(150)]
    last = [command for command in commands if command is not None][-1]
    np.testing.assert_allclose(last, arm.positions)
    assert commands[-1] is None


def test_an_arm_that_was_moved_by_hand_is_not_pulled_back(positions: PlayedJoints) -> None:
    positions.drive([0.1, 0, 0, 0, 0, 0], 0.3)
    positions.rest(1.0)
    positions.positions = positions.positions + 0.05
    positions.rest(0.1)
    moved = positions.positions.copy()
    positions.tick(np.array([0.01, 0, 0, 0, 0, 0]))
    assert np.abs(positions.commander.position - moved).max() < 0.002


def test_nothing_is_said_before_there_is_something_to_say_and_long_after(positions: PlayedJoints) -> None:
    assert positions.tick(None) is None
    positions.drive([0.1, 0, 0, 0, 0, 0], 0.2)
    assert positions.tick(None) is not None
    positions.rest(joint_commander.HALT + 0.5)
    assert positions.tick(None) is None


def test_joints_in_the_controllers_order_move_alike() -> None:
    ways = []
    for names in (NAMES, NAMES[::-1]):
        with PlayedJoints("position", joints=names) as arm:
            before = arm.pose()
            arm.drive([0.1, 0.05, 0, 0, 0, 0.1], 0.5)
            assert arm.commander.joints == names
            ways.append(arm.moved(before)[0])
    np.testing.assert_allclose(ways[0], ways[1], atol=1e-6)
    assert READY[3] < -2
