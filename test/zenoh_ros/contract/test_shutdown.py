"""The end: shutdown(), signals, and what may not be done after it."""

from __future__ import annotations

import signal
from typing import Any

import pytest
import rclpy
from rclpy.exceptions import InvalidHandle
from std_msgs.msg import String

SPINS = """
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
rclpy.init(args=sys.argv)
node = rclpy.create_node("spinner")
says = node.create_timer(0.01, lambda: (print("spins"), says.cancel()))
try:
    rclpy.spin(node)
    print("returned")
except KeyboardInterrupt:
    print("KeyboardInterrupt")
except (ExternalShutdownException, RuntimeError) as end:
    # rclpy (Jazzy) may find its context gone halfway through preparing to wait, and says so with a RuntimeError.
    assert isinstance(end, ExternalShutdownException) or "context" in str(end), end
    print("ExternalShutdownException")
deadline = time.monotonic() + 10
while rclpy.ok() and time.monotonic() < deadline:  # the handler may be behind the exception
    time.sleep(0.01)
print(rclpy.ok())
node.destroy_node()
rclpy.try_shutdown()
"""

SPINS_IN_A_POOL = SPINS.replace("rclpy.spin(node)", "rclpy.spin(node, MultiThreadedExecutor(num_threads=2))")

NO_HANDLERS = """
import os, signal
from rclpy.signals import SignalHandlerOptions
rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
node = rclpy.create_node("node")
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(20)
except KeyboardInterrupt:
    print("KeyboardInterrupt", rclpy.ok())
rclpy.shutdown()
"""

FORGETS_TO_SHUT_DOWN = """
rclpy.init(args=sys.argv)
node = rclpy.create_node("careless")
publisher = node.create_publisher(__import__("std_msgs.msg").msg.String, "topic", 10)
print("done")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_spinning(program: Any, number: int) -> None:
    spinner = program(SPINS)
    assert spinner.read_line() == "spins"
    spinner.process.send_signal(number)
    code, out, err = spinner.end()
    assert code == 0, err
    # Between two callbacks spin() just returns; while it waits it raises.
    ends = ["ExternalShutdownException", "returned"] + ["KeyboardInterrupt"] * (number == signal.SIGINT)
    assert out.split()[0] in ends
    assert out.split()[1] == "False"
    assert err == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_spinning_in_a_pool(program: Any, number: int) -> None:
    spinner = program(SPINS_IN_A_POOL)
    assert spinner.read_line() == "spins"
    spinner.process.send_signal(number)
    code, out, err = spinner.end()
    assert code == 0, err
    assert out.split()[-1] == "False"
    assert "Traceback" not in err


def test_signals_may_be_left_alone(program: Any) -> None:
    code, out, err = program(NO_HANDLERS).end()
    assert (code, out.split()) == (0, ["KeyboardInterrupt", "True"]), err


def test_a_process_ends_without_shutdown(program: Any) -> None:
    code, out, err = program(FORGETS_TO_SHUT_DOWN).end()
    assert (code, out, err) == (0, "done\n", "")


def test_shutdown_happens_once(ros_graph: Any) -> None:
    context = rclpy.Context()
    with pytest.raises(RuntimeError):
        rclpy.shutdown(context=context)
    rclpy.init(args=[], context=context)
    called: list[str] = []

    class Listener:
        def told(self) -> None:
            called.append("told")

    listener = Listener()
    context.on_shutdown(listener.told)
    assert context.ok()
    rclpy.shutdown(context=context)
    assert (context.ok(), called) == (False, ["told"])
    with pytest.raises(RuntimeError):
        rclpy.shutdown(context=context)
    rclpy.try_shutdown(context=context)


def test_init_happens_once(world: Any) -> None:
    with pytest.raises(RuntimeError):
        rclpy.init(args=[], context=world.context)


def test_the_domain(world: Any, ros_graph: Any) -> None:
    assert world.context.get_domain_id() == ros_graph.domain


def test_domains_are_apart(make_world: Any, ros_graph: Any) -> None:
    here = make_world()
    observer = here.node("observer")
    elsewhere = rclpy.Context()
    rclpy.init(args=[], context=elsewhere, domain_id=(ros_graph.domain + 1) % 230)
    rclpy.create_node("hidden", context=elsewhere)
    near = make_world().node("near")
    assert observer.wait_for_node("/near", timeout=20.0)
    assert near.wait_for_node("/observer", timeout=20.0)
    assert sorted(near.get_node_names()) == ["near", "observer"]
    rclpy.shutdown(context=elsewhere)


def test_nothing_is_published_after_the_end(world: Any) -> None:
    node = world.node("node")
    publisher, other = node.create_publisher(String, "topic", 10), node.create_publisher(String, "other", 10)
    node.destroy_publisher(other)
    with pytest.raises(InvalidHandle):
        other.publish(String())
    world.context.shutdown()
    with pytest.raises((RuntimeError, InvalidHandle)):
        publisher.publish(String())


def test_a_destroyed_node_leaves_the_graph(make_world: Any) -> None:
    here, there = make_world(), make_world()
    observer, node = here.node("observer"), there.node("brief")
    assert observer.wait_for_node("/brief", timeout=20.0)
    node.destroy_node()
    assert here.spin_until(lambda: "brief" not in observer.get_node_names())
