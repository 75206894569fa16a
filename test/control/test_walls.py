"""Boxes that the tip may not enter, beside the walls of the workspace."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support.actions import TICK, action

from rt_vla_ros.control.controller import Controller
from rt_vla_ros.control.limits import Limits
from rt_vla_ros.control.walls import NO_BOX, ForbiddenBox, boxes_of

BOX = ForbiddenBox((-0.1, -0.1, 0.0), (0.1, 0.1, 0.2))


def wander(limits: Limits, start: np.ndarray, rng: np.random.Generator, seconds: float = 12.0) -> list[np.ndarray]:
    """Where a tip goes that is told, five times a second, to go about and across the box at up to 0.5 m/s."""
    controller, position, velocity = Controller(limits), start.copy(), np.zeros(3)
    trail = []
    for tick in range(round(seconds / TICK)):
        now = tick * TICK
        controller.set_pose(position, now)
        if tick % 10 == 0:
            target = rng.uniform((-0.15, -0.15, -0.05), (0.15, 0.15, 0.25))
            step = target - position
            step *= min(1.0, 0.1 / np.linalg.norm(step))
            controller.accept(action(step), stamp=now, now=now)
        velocity = controller.tick(now).linear
        position = position + velocity * TICK
        trail.append(position)
    return trail


@pytest.mark.parametrize("seed", range(6))
def test_no_way_leads_into_a_forbidden_box(seed: int) -> None:
    rng = np.random.default_rng(seed)
    radius = 0.02 * (seed % 2)
    limits = Limits(forbidden_boxes=(BOX,), tip_radius=radius, max_linear_acceleration=rng.uniform(1.5, 6.0))
    trail = wander(limits, np.array([0.2, 0.0, 0.1]), rng)
    grown = BOX.grown(radius - 1e-4)
    inside = [place for place in trail if np.all(place > grown.low) and np.all(place < grown.high)]
    assert not inside
    assert np.ptp(trail, axis=0).min() > 0.1  # it does not merely stand still


def test_it_goes_along_a_wall_and_around_the_corner() -> None:
    limits = Limits(forbidden_boxes=(BOX,))
    beside = np.array([0.1005, 0.0, 0.1])
    velocity = limits.keep_inside(np.array([-0.2, 0.3, 0.1, 0, 0, 0]), beside, TICK)
    assert abs(velocity[0]) < 0.01
    assert (velocity[1], velocity[2]) == (0.3, 0.1)
    above = np.array([0.2, 0.0, 0.4])
    velocity = limits.keep_inside(np.array([-0.3, 0.0, 0.0, 0, 0, 0]), above, TICK)
    assert velocity[0] == -0.3  # high above it


def test_from_inside_every_axis_leads_only_outwards() -> None:
    limits = Limits(forbidden_boxes=(BOX,))
    inside = np.array([0.05, -0.05, 0.15])
    inwards = np.array([-0.1, 0.1, -0.1, 0.5, 0, 0])
    np.testing.assert_array_equal(limits.keep_inside(inwards, inside, TICK), [0, 0, 0, 0.5, 0, 0])
    np.testing.assert_array_equal(limits.keep_inside(-inwards, inside, TICK), -inwards)


def test_a_tip_that_noise_puts_just_inside_still_goes_along_the_wall() -> None:
    limits = Limits(forbidden_boxes=(BOX,))
    velocity = limits.keep_inside(np.array([-0.1, 0.2, 0.0, 0, 0, 0]), np.array([0.099, 0.0, 0.1]), TICK)
    np.testing.assert_array_equal(velocity[:3], [0, 0.2, 0])


def test_a_box_without_an_end_is_a_half_space() -> None:
    table = boxes_of([-math.inf, -math.inf, -math.inf, math.inf, math.inf, 0.1])
    limits = Limits(forbidden_boxes=table, tip_radius=0.05)
    at = np.array([0.0, 0.0, 0.15])
    np.testing.assert_array_equal(limits.keep_inside(np.array([0.1, 0, -0.3, 0, 0, 0]), at, TICK)[:3], [0.1, 0, 0])


def test_the_controller_says_what_holds_it_back() -> None:
    controller = Controller(Limits(forbidden_boxes=(BOX,)))
    controller.set_pose((0.1, 0.0, 0.1), 0.0)
    controller.tick(0.0)
    controller.accept(action((-0.04, 0, 0)), stamp=0, now=0)
    for tick in range(5):
        controller.set_pose((0.1, 0.0, 0.1), tick * TICK)
        command = controller.tick(tick * TICK)
    assert not command.linear.any()
    assert controller.reason == "Following an action, held back by the workspace wall or a forbidden box."


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([1.0, 2.0], "forbidden_boxes has 2 numbers, expected six for each box"),
        ([0.0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0], r"box 2 reaches from \[0, 0, 0\] to \[0, 0, 0\] m, expected x, y, z"),
        ([0.0, 0, math.nan, 1, 1, 1], "box 1 reaches"),
        ([0.0, 0, 1.0, 1, 1, -1], "box 1 reaches"),
    ],
)
def test_boxes_that_cannot_be_are_refused(numbers: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        boxes_of(numbers)


def test_no_box() -> None:
    assert boxes_of([]) == boxes_of(NO_BOX) == ()


@pytest.mark.parametrize("radius", [-0.1, math.nan, math.inf, 0.5])
def test_a_radius_that_cannot_be_is_refused(radius: float) -> None:
    with pytest.raises(ValueError, match="tip_radius is"):
        Limits(tip_radius=radius, workspace_low=(0, 0, 0), workspace_high=(1, 1, 1))


def test_a_speed_scale_slows_down_and_keeps_the_stopping_time() -> None:
    limits = Limits()
    slow = limits.scaled(0.3)
    assert (slow.max_linear_velocity, slow.speed_scale) == (pytest.approx(0.15), 0.3)
    assert slow.stopping_time == pytest.approx(limits.stopping_time)
    controller = Controller(slow)
    controller.accept(action((0.1, 0, 0)), stamp=0, now=0)
    fastest = max(float(np.linalg.norm(controller.tick(tick * TICK).linear)) for tick in range(12))
    assert fastest <= 0.15 + 1e-12
    assert controller.reason == "Following an action, slowed down to the velocity limit (speed_scale 0.3)."


@pytest.mark.parametrize("scale", [0.0, -0.5, 1.01, math.nan, math.inf])
def test_a_speed_scale_that_cannot_be_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="speed_scale is"):
        Limits().scaled(scale)
