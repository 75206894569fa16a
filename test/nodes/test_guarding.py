"""What goes wrong in a callback: the node goes on, and it is told."""

from __future__ import annotations

from typing import Any

import pytest
from geometry_msgs.msg import TransformStamped, TwistStamped
from rclpy.executors import SingleThreadedExecutor
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.msg import ControllerStatus
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
from support.actions import action
from support.node_bench import NodeBench
from tf2_ros import StaticTransformBroadcaster

from rt_vla_ros.control.status import State
from rt_vla_ros.nodes import guarding
from rt_vla_ros.nodes.conversions import chunk_message
from rt_vla_ros.nodes.diagnostics import Diagnostics, Level, Report
from rt_vla_ros.nodes.running import ProgramNode, _spin_once
from rt_vla_ros.nodes.smoother_node import SmootherNode

OK, ERROR = 0, 2


class Clumsy(ProgramNode):
    """Fails wherever it can."""

    def __init__(self) -> None:
        super().__init__("clumsy")
        self.ticks = 0
        self.create_subscription(String, "topic", self._fail, 10)
        self.create_service(Trigger, "~/at_once", self._fail)
        self.create_service(SetBool, "~/later", self._fail_later)
        self.create_timer(0.01, self._tick)
        self._diagnostics = Diagnostics(self, lambda: Report(Level.OK, "All is well.", {"ticks": self.ticks}))

    def _fail(self, *_arguments: Any) -> Any:
        raise KeyError("not there")

    async def _fail_later(self, _request: SetBool.Request, _response: SetBool.Response) -> SetBool.Response:
        raise AssertionError("x" * 10_000)

    def _tick(self) -> None:
        self.ticks += 1
        if self.ticks == 3:
            raise ZeroDivisionError("by zero")


@pytest.fixture
def clumsy(bench: NodeBench) -> Clumsy:
    return bench.add(Clumsy())


def test_a_timer_that_failed_goes_on(bench: NodeBench, clumsy: Clumsy) -> None:
    bench.until(lambda: clumsy.ticks > 5)
    assert clumsy.callbacks_failed == 1
    assert clumsy.recent_failure is not None
    assert clumsy.recent_failure.startswith("The timer _tick failed: ZeroDivisionError: by zero (_tick, line ")


def test_a_message_whose_callback_fails_is_counted_and_logged_once(
    bench: NodeBench, clumsy: Clumsy, capfd: pytest.CaptureFixture[str]
) -> None:
    bench.until(lambda: clumsy.callbacks_failed)
    publisher = bench.publisher(String, "topic")
    for _ in range(5):
        publisher.publish(String())
    bench.until(lambda: clumsy.callbacks_failed >= 6)
    sentence = "The callback of the topic topic failed: KeyError: 'not there' (_fail, line "
    bench.until_diagnostics("clumsy", ERROR, sentence)
    assert capfd.readouterr().err.count("The callback of the topic topic") == 1


def test_a_failure_is_forgotten_after_a_while(
    bench: NodeBench, clumsy: Clumsy, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.until_diagnostics("clumsy", ERROR, "ZeroDivisionError")
    monkeypatch.setattr(guarding, "LOG_AGAIN", 0.2)
    bench.until_diagnostics("clumsy", OK, "All is well.")
    assert clumsy.callbacks_failed == 1


@pytest.mark.parametrize(("kind", "name"), [(Trigger, "at_once"), (SetBool, "later")])
def test_a_request_whose_callback_fails_is_answered(bench: NodeBench, clumsy: Clumsy, kind: Any, name: str) -> None:
    assert bench.call(kind, f"clumsy/{name}") == kind.Response()
    assert len(clumsy.recent_failure or "") < 500


def test_what_the_executor_raises_does_not_end_the_node(bench: NodeBench) -> None:
    node = ProgramNode("alone")
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def fail() -> None:
        raise ValueError("unguarded")

    node.create_guard_condition(fail).trigger()
    while not node.callbacks_failed:
        _spin_once(node, executor)
    assert "The executor failed: ValueError: unguarded" in str(node.recent_failure)
    executor.shutdown()
    node.destroy_node()


def test_a_smoother_whose_callback_fails_brakes(bench: NodeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    node = bench.add(SmootherNode())
    twists = bench.listen(TwistStamped, "delta_twist_cmds")
    statuses = bench.listen(ControllerStatus, "controller_status")
    policy = bench.publisher(ChunkMsg, "action")
    StaticTransformBroadcaster(bench.world).sendTransform(_root())
    bench.until(lambda: node.transforms.refuse("base") is None and node.count_subscribers("delta_twist_cmds"))
    policy.publish(chunk_message(action(period=1.0), node.get_clock().now().nanoseconds, "base", 0))
    bench.until(lambda: twists and twists[-1].twist.linear.x > 0.01)
    monkeypatch.setattr(node, "_take", lambda message: 1 / 0)
    policy.publish(ChunkMsg())
    bench.until(lambda: statuses[-1].state == State.FAULT)
    assert "The callback of the topic action failed: ZeroDivisionError" in statuses[-1].reason
    bench.until(lambda: twists[-1].twist.linear.x == 0)
    bench.until_diagnostics("smoother_node", ERROR, "ZeroDivisionError")


def _root() -> TransformStamped:
    message = TransformStamped(child_frame_id="base")
    message.header.frame_id, message.transform.rotation.w = "map", 1.0
    return message
