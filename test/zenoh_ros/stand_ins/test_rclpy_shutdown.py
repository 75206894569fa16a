"""The stand-in ends within seconds, whatever its callbacks do; the real one may wait for them for ever."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
START = """
from rt_vla_ros import ros; ros.ensure()
import threading, time, rclpy
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from std_srvs.srv import Trigger
rclpy.init()
node = rclpy.create_node("node")
executor = MultiThreadedExecutor(num_threads=2)
executor.add_node(node)
"""
END = """
try:
    executor.spin()
except (KeyboardInterrupt, ExternalShutdownException):
    pass
print("ended", flush=True)
"""
NEVER_RETURNS = """
def block():
    print("blocked", flush=True)
    threading.Event().wait()
node.create_timer(0.01, block)
"""
WAITS_FOR_A_SERVICE = """
client = node.create_client(Trigger, "nobody")
def ask():
    print("blocked", flush=True)
    client.call(Trigger.Request())
node.create_timer(0.01, ask)
"""


@pytest.fixture
def blocked(ros_graph: Any, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A program whose callback has begun and will not return."""
    process = subprocess.Popen(
        [sys.executable, "-c", START + request.param + END], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "blocked\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("blocked", [NEVER_RETURNS, WAITS_FOR_A_SERVICE], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_blocked_callback_does_not_keep_the_process(blocked: subprocess.Popen[str], number: int) -> None:
    blocked.send_signal(number)
    out, _ = blocked.communicate(timeout=10.0)
    assert (out, blocked.returncode) == ("ended\n", 0)


def test_a_signal_handler_that_takes_longer_than_the_wait_does_not_stop_the_spinning(ros_graph: Any) -> None:
    program = """
from rt_vla_ros import ros; ros.ensure()
import signal, time, rclpy
from rclpy.executors import SingleThreadedExecutor
rclpy.init()
executor = SingleThreadedExecutor()
executor.add_node(rclpy.create_node("node"))
executor.spin_once(timeout_sec=0.01)
signal.signal(signal.SIGALRM, lambda *_: time.sleep(0.5))
signal.setitimer(signal.ITIMER_REAL, 0.05)
executor.spin_once(timeout_sec=0.2)
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60, check=False).returncode == 0
