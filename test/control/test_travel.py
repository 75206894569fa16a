"""How far an arm was told to move."""

from __future__ import annotations

import numpy as np
import pytest
from support.actions import action, run

from rt_vla_ros.control.controller import Controller
from rt_vla_ros.control.travel import Travel

TICK = 0.02


def test_it_is_the_length_of_the_way_there_and_back() -> None:
    controller, travel = Controller(), Travel()
    controller.tick(0.0)
    for i, forth in enumerate((0.04, -0.04)):
        controller.accept(action((forth, 0.0, 0.0), (0.0, 0.0, 0.1)), stamp=i, now=i)
        for k, command in enumerate(run(controller, i, 1.0, TICK)):
            travel.tick(command, i + (k + 1) * TICK)
    assert travel.distance == pytest.approx(0.08, abs=2e-4)
    assert travel.angle == pytest.approx(0.2, abs=1e-3)


def test_what_the_base_is_told_is_added() -> None:
    travel, command = Travel(), Controller().tick(0.0)
    command.linear[:], command.base[:] = [0.0, 0.0, 1.0], [3.0, -4.0, -2.0]
    travel.tick(command, 1.0)
    travel.tick(command, 1.1)
    assert (travel.distance, travel.angle) == (pytest.approx(0.6), pytest.approx(0.2))


def test_who_is_told_nothing_goes_nowhere() -> None:
    travel, command = Travel(), Controller().tick(0.0)
    command.linear[:] = np.array([1.0, 0.0, 0.0])
    travel.tick(None, 0.0)
    travel.tick(command, 1000.0)
    assert travel.distance == 0.0
    travel.tick(None, 1000.05)
    travel.tick(None, 1001.0)
    assert travel.distance == pytest.approx(0.05)


def test_a_clock_that_jumps_adds_no_way() -> None:
    travel, command = Travel(), Controller().tick(0.0)
    command.linear[:] = np.array([1.0, 0.0, 0.0])
    travel.tick(command, 100.0)
    travel.tick(command, 10.0)
    travel.tick(command, 99.0)
    assert travel.distance == pytest.approx(0.1)
