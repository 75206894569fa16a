"""`rt-vla teleop`: keys as a stick, and the command in a terminal of its own."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from rt_vla_ros import ros

ros.ensure()

from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from rt_vla_ros.msg import ControllerStatus  # noqa: E402
from std_msgs.msg import Bool  # noqa: E402
from support.node_bench import NodeBench  # noqa: E402
from support.smoother_rig import Rig, velocity  # noqa: E402

from rt_vla_ros.cli.teleop import DIRECTIONS, HELP, HOLDS, MOVES, RESTARTED, KeyStick  # noqa: E402
from rt_vla_ros.control.status import State  # noqa: E402

COMMAND = [sys.executable, "-m", "rt_vla_ros.cli", "teleop"]


def test_a_key_moves_for_a_moment_and_holds_the_deadman_for_longer() -> None:
    stick = KeyStick(0.05, 0.3)
    assert not stick.held(0.0)
    assert stick.press("w", 1.0)
    np.testing.assert_array_equal(stick.velocity(1.0), [0.05, 0, 0, 0, 0, 0])
    assert not stick.velocity(1.01 + MOVES).any()
    assert stick.held(1.0 + MOVES)
    assert not stick.held(1.0 + HOLDS)
    stick.press("l", 3.0)
    np.testing.assert_array_equal(stick.velocity(3.1), [0, 0, 0, 0, 0, -0.3])
    stick.release()
    assert not stick.held(3.1)
    assert not stick.velocity(3.1).any()


def test_speeds_change_within_bounds_and_other_keys_do_nothing() -> None:
    stick = KeyStick(0.05, 0.3)
    for key, factor in (("+", 10.0), ("-", 0.1)):
        for _ in range(40):
            assert stick.press(key, 0.0)
        assert not stick.held(0.0)
        stick.press("s", 1.0)
        assert stick.velocity(1.0)[0] == pytest.approx(-0.05 * factor)
        stick.release()
    assert not stick.press("x", 1.0)
    assert not stick.press("", 1.0)


def test_every_direction_has_a_key_that_the_help_names() -> None:
    assert sorted(DIRECTIONS.values()) == [(axis, sign) for axis in range(6) for sign in (-1, 1)]
    assert all(f" {key} " in HELP for key in DIRECTIONS)


def test_without_a_terminal_it_says_so() -> None:
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr


@pytest.fixture
def rig(ros_graph: Any) -> Iterator[Rig]:
    bench = NodeBench()
    yield Rig(bench)
    bench.close()


def test_without_a_smoother_it_says_what_to_start(ros_graph: Any) -> None:
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(COMMAND, stdin=theirs, stderr=subprocess.PIPE, text=True, timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 2
    assert "start it first" in done.stderr
    assert "STOPPED" not in done.stderr  # nobody asked for that


@contextmanager
def teleop(terminal: int, said: list[str]) -> Iterator[subprocess.Popen[str]]:
    """The command on a terminal; the lines that it prints are appended to `said`, all of them by the end."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(COMMAND, stdin=terminal, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        reader = threading.Thread(target=said.extend, args=(process.stdout,))
        reader.start()
        try:
            yield process
        finally:
            process.kill()
            reader.join()


def test_keys_take_over_stop_and_give_back(rig: Rig) -> None:
    ours, theirs = pty.openpty()
    held, said = rig.bench.listen(Bool, "teleop_deadman"), list[str]()
    with teleop(theirs, said) as process:
        # The smoother has heard that no key is held; who holds one from the beginning must let go first.
        rig.bench.until(lambda: len(held) > 5 and rig.node.count_publishers("teleop_twist"))

        def press(keys: str) -> None:
            os.write(ours, keys.encode())

        rig.bench.until(lambda: press("r") or rig.statuses[-1].state == State.HUMAN)
        rig.bench.until(lambda: press("r") or (rig.twists and velocity(rig.twists[-1])[2] > 0.04))
        press("c")
        rig.bench.until(lambda: [one.data for one in rig.grippers] == [1.0])
        rig.bench.until(lambda: rig.statuses[-1].commander == "")
        press("p")
        rig.bench.until(lambda: not rig.statuses[-1].awaits_resume)
        press(" ")
        rig.until_state(State.STOPPED)
        rig.bench.until(lambda: any(line.startswith("STOPPED until ~/release is called: ") for line in said))
        lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        other, status = rig.bench.publisher(ControllerStatus, "controller_status", lasting), ControllerStatus(session=1)
        # Again and again, since the command keeps the newest status only, and the real smoother speaks too.
        rig.bench.until(
            lambda: other.publish(status) or f"{RESTARTED}\n" in said, "it did not hear of another smoother"
        )
        press("q")
        rig.bench.until(lambda: process.poll() is not None)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0
    text = "".join(said)
    assert "Controlling /smoother_node" in text
    assert "the policy's next action on a fresh image moves the arm" in text
    assert "stopped until /smoother_node/release is called" in text
