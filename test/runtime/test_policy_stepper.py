"""Frames wait for the robot's state of their time, and not for ever."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.state import StateDimension
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.observations.robot_state import StateError
from rt_vla_ros.runtime.frame_buffer import Frame
from rt_vla_ros.runtime.policy_stepper import PolicyStepper
from rt_vla_ros.runtime.state_samples import StateSamples
from rt_vla_ros.runtime.warm_up import warm_up

MS = 1_000_000
BLACK = np.zeros((96, 96, 3), np.uint8)


class Seeing(ConstantPolicy):
    card = replace(ConstantPolicy.card, state=(StateDimension("q", "rad", -1, 1, "joint:q"),))

    def act(self, observation: Observation) -> ActionChunk:
        self.seen = observation
        return super().act(observation)


class Desk:
    """Frames come every 200 ms; a state may be 100 ms away, an image 500 ms old."""

    def __init__(self) -> None:
        self.now, self.policy = 1000, Seeing()
        self.samples = StateSamples(
            self.policy.card.state,
            max_age=0.1,
            keep=0.6,
            patience=0.1,
            clock=lambda: self.now * MS,
            changed=threading.Condition(),
            origin=lambda one: "the arm is off",
        )
        self.stepper: PolicyStepper[str] = PolicyStepper(
            self.policy, lambda *_: BLACK, max_image_age=0.5, min_confidence=0.0, states=self.samples
        )

    def show(self, stamp: int) -> None:
        self.stepper.buffer.put("front", Frame("image", stamp * MS, 0))

    def move(self, stamp: int) -> None:
        """The joint is at stamp / 10 s."""
        self.samples.put("joint:q", stamp * MS, np.array([stamp / 10_000]))

    def taken(self, now: int) -> int | None:
        """The stamp of the frames that are due."""
        self.now = now
        self.due = self.stepper.take(now * MS)
        return None if self.due is None else self.due.stamp_ns // MS

    def state(self) -> list[float]:
        assert self.due is not None
        self.stepper.decide(self.due)
        assert self.policy.seen.state is not None
        return [float(value) for value in self.policy.seen.state]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_frames_are_due_with_the_state_of_their_time(desk: Desk) -> None:
    desk.move(990)
    desk.show(1000)
    assert desk.taken(1010) is None
    desk.move(1003)
    assert desk.taken(1020) == 1000
    desk.move(1007)
    assert desk.state() == [0.1003]
    assert desk.taken(1030) is None


def test_frames_that_wait_are_not_lost_to_newer_ones(desk: Desk) -> None:
    desk.show(1000)
    assert desk.taken(1010) is None
    desk.show(1033)
    desk.show(1200)
    desk.move(1000)
    assert desk.taken(1210) == 1000
    desk.move(1200)
    assert desk.taken(1220) == 1200


def test_where_none_follows_the_last_one_counts_if_it_is_near(desk: Desk) -> None:
    desk.move(930)
    desk.show(1000)
    assert desk.taken(1100) is None
    assert desk.taken(1101) == 1000
    assert desk.state() == [0.093]


def test_without_a_state_there_is_no_action_and_a_reason(desk: Desk) -> None:
    desk.move(800)
    desk.show(1000)
    assert desk.taken(1101) == 1000
    with pytest.raises(StateError, match="'q' \\(joint:q\\) is stale"):
        desk.state()
    desk.show(1200)
    desk.move(1200)
    assert desk.taken(1201) == 1200
    assert desk.state() == [0.12]


def test_frames_that_waited_too_long_or_for_another_request_are_dropped(desk: Desk) -> None:
    desk.show(1000)
    assert desk.taken(1010) is None
    desk.move(1000)
    assert desk.taken(1501) is None
    desk.show(1600)
    assert desk.taken(1600) is None
    desk.stepper.restart()
    desk.move(1600)
    assert desk.taken(1601) is None


def test_a_policy_is_warmed_up_in_the_middle_of_its_ranges(desk: Desk) -> None:
    warm_up(desk.policy)
    assert desk.policy.seen.state is not None
    assert desk.policy.seen.state.tolist() == [0.0]
