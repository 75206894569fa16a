"""Messages of actions, commands and times: there and back."""

from __future__ import annotations

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from support.actions import changed, chunk, one_step

from rt_vla_ros.action_space.ensemble import Ensemble
from rt_vla_ros.control.status import Command, State
from rt_vla_ros.nodes import conversions as convert
from rt_vla_ros.nodes.velocity_topic import arm_velocity, base_velocity


def test_an_action_goes_there_and_back_to_the_last_bit() -> None:
    rng = np.random.default_rng(1)
    action = one_step(
        rng.normal(size=3),
        rng.normal(size=3),
        0.3,
        True,
        0.7,
        0.2,
        (1, 255, 3),
        "plan",
        frame_id="base",
        legal_probability=0.6,
    )
    message = convert.chunk_message(action, 1_234_567_890_123_456_789, "panda_link0", 5_000_000)
    back = convert.chunk_from_message(message)
    (ours,), (theirs,) = back.steps, action.steps
    assert not ours.base.any()
    np.testing.assert_array_equal(ours.translation, theirs.translation)
    np.testing.assert_array_equal(ours.rotation, theirs.rotation)
    assert (ours.gripper, back.terminate, back.confidence, back.period) == (0.3, True, 0.7, 0.2)
    assert (message.legal_probability, back.legal_probability) == (0.6, 0.6)
    assert (back.tokens, back.plan, back.frame_id) == ((1, 255, 3), "plan", "panda_link0")
    assert convert.nanoseconds(message.header.stamp) == 1_234_567_890_123_456_789
    assert convert.nanoseconds(message.latency) == 5_000_000


def test_a_chunk_of_several_steps_goes_there_and_back() -> None:
    ensemble = Ensemble("weighted", 0.5, 8)
    whole = changed(chunk((1, 2, 3), (4, 5, 6), tokens=(1, 2, 3, 4), ensemble=ensemble), 1, gripper=1, terminate=True)
    whole = changed(whole, 0, base=np.array([0.1, -0.2, 0.3]))
    message = convert.chunk_message(whole, 5, "base", 0)
    assert not message.terminate
    back = convert.chunk_from_message(message)
    assert (back.ensemble, back.terminates_at, back.tokens, len(back.steps)) == (ensemble, 1, (1, 2, 3, 4), 2)
    np.testing.assert_array_equal([step.base for step in back.steps], [[0.1, -0.2, 0.3], [0, 0, 0]])
    assert convert.chunk_message(back, 5, "base", 0) == message


@pytest.mark.parametrize(("told", "rule"), [("", "newest"), ("newest", "newest"), ("compensated", "compensated")])
def test_a_rule_of_the_newest_chunk_alone_needs_no_number_of_chunks(told: str, rule: str) -> None:
    message = convert.chunk_message(chunk((1, 2, 3)), 0, "base", 0)
    message.ensemble, message.ensemble_chunks = told, 0
    assert convert.chunk_from_message(message).ensemble == Ensemble(rule)


def test_a_terminate_needs_no_ensemble_that_there_is() -> None:
    message = convert.chunk_message(one_step(terminate=True), 5, "base", 0)
    message.ensemble = "median"
    assert convert.chunk_from_message(message).terminate


def test_not_a_number_survives_the_message_for_the_controller_to_refuse() -> None:
    action = one_step(np.array([np.nan, 0, 0]), np.zeros(3), 0.0, False, 1.0, 0.2)
    assert np.isnan(convert.chunk_from_message(convert.chunk_message(action, 0, "base", 0)).steps[0].translation[0])


def test_a_command_is_a_twist_in_its_frame() -> None:
    command = Command(np.array([1.0, 2, 3]), np.array([4.0, 5, 6]), "base", None, State.MOVING, "", False, True)
    twist = convert.twist_message(arm_velocity(command), 5)
    assert (twist.header.frame_id, twist.header.stamp.nanosec) == ("base", 5)
    back = convert.twist_from_message(twist)
    linear, angular = back.linear, back.angular
    assert back.frame_id == "base"
    np.testing.assert_array_equal([linear, angular], [command.linear, command.angular])


def test_what_a_base_is_told_is_a_planar_twist_in_its_own_frame() -> None:
    still = np.zeros(3)
    command = Command(still, still, "tool0", None, State.MOVING, "", False, True, np.array([1.0, 2, 3]))
    twist = convert.twist_message(base_velocity(command, "base_footprint"), 7)
    assert (twist.header.frame_id, twist.header.stamp.nanosec) == ("base_footprint", 7)
    back = convert.twist_from_message(twist)
    np.testing.assert_array_equal([back.linear, back.angular], [[1, 2, 0], [0, 0, 3]])


@pytest.mark.parametrize("time_ns", [0, 1, 20_000_000, 1_020_000_000, 1_700_000_000_123_456_789])
def test_times_keep_their_nanoseconds(time_ns: int) -> None:
    assert convert.nanoseconds(convert.time_message(time_ns)) == time_ns


@pytest.mark.parametrize(("sec", "nanosec"), [(-1, 0), (-(2**31), 0), (0, 10**9), (5, 2**32 - 1)])
def test_what_is_no_time_becomes_not_a_number(sec: int, nanosec: int) -> None:
    stamp = Time(sec=sec, nanosec=nanosec)
    assert convert.refuse_stamp(stamp) == (
        f"The stamp is {sec} s and {nanosec} ns, expected 0 s or more and less than 10^9 ns."
    )
    assert np.isnan(convert.stamp_seconds(stamp))


def test_a_period_that_is_no_duration_becomes_not_a_number() -> None:
    action = one_step(np.zeros(3), np.zeros(3), 0.0, False, 1.0, 0.2)
    message = convert.chunk_message(action, 0, "base", 0)
    message.period.nanosec = 10**9
    assert np.isnan(convert.chunk_from_message(message).period)


def test_a_time_that_no_message_can_hold_is_the_latest_that_there_is() -> None:
    assert convert.time_message(2**40 * 10**9) == Time(sec=2**31 - 1, nanosec=10**9 - 1)
