"""However gentle the motion, no way leads into a forbidden box, also not around its corners."""

from __future__ import annotations

import numpy as np
import pytest
from support.actions import TICK

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.control.controller import Controller
from rt_vla_ros.control.limits import Limits
from rt_vla_ros.control.walls import ForbiddenBox

SIZE, TOLERANCE = 0.1, 1e-4  # half an edge of the box, and how deep the tip may be inside [m]
CUBE = ForbiddenBox((-SIZE,) * 3, (SIZE,) * 3)


def deepest(jerk: float, scale: float, seed: int) -> float:
    """How deep a tip comes into a box that policy or human steer to, most of the time at its corners [m]."""
    source = np.random.default_rng(seed)
    limits = Limits(max_linear_jerk=jerk, max_angular_jerk=3 * jerk, forbidden_boxes=(CUBE,)).scaled(scale)
    controller, human = Controller(limits), bool(source.random() < 0.5)
    direction = source.normal(size=3)
    position = 0.3 * direction / np.linalg.norm(direction)
    if np.abs(position).max() < SIZE + 0.02:
        position *= 1.5
    found, target, until = -np.inf, np.zeros(3), 0.0
    for tick in range(round(3 / TICK)):
        now = round(tick * TICK, 9)
        controller.set_pose(position, now)
        if now >= until:
            until = now + source.uniform(0.1, 0.6)
            corner = source.choice([-SIZE, SIZE], size=3) + source.normal(size=3) * 0.02
            way = [corner - position, -position, source.normal(size=3)][source.choice(3, p=[0.6, 0.2, 0.2])]
            target = way / np.linalg.norm(way) * source.uniform(0.05, 0.6)
        if human:
            controller.steer(np.concatenate([target, np.zeros(3)]), "base", now=now)
        elif tick % 5 == 0:
            step = EndEffectorStep(target * 0.1, np.zeros(3), -1.0)
            controller.accept(ActionChunk((step,), 0.1, frame_id="base"), stamp=now, now=now)
        velocity = controller.tick(now).linear
        for _ in range(4):
            position = position + velocity * TICK / 4
            found = max(found, float((SIZE - np.abs(position)).min()))
    return found


@pytest.mark.parametrize(("jerk", "scale"), [(0.0, 1.0), (20.0, 1.0), (20.0, 0.3), (60.0, 1.0)])
def test_no_corner_of_a_forbidden_box_is_cut_however_gentle_the_motion(jerk: float, scale: float) -> None:
    # Of these seeds, before the corners were watched, 20, 45 and 47 led up to 12 mm deep into the box.
    assert max(deepest(jerk, scale, seed) for seed in (*range(5), 20, 45, 47)) < TOLERANCE
