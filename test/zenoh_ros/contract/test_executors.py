"""Executors, callback groups, guard conditions, futures and tasks."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import rclpy
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.task import Future
from std_msgs.msg import String

from .conftest import PATIENCE, eventually


class Pool:
    """A MultiThreadedExecutor that spins in a thread of its own."""

    def __init__(self, world: Any, threads: int = 2) -> None:
        self.executor = MultiThreadedExecutor(num_threads=threads, context=world.context)
        self._thread = threading.Thread(target=self.executor.spin)

    def __enter__(self) -> MultiThreadedExecutor:
        self._thread.start()
        return self.executor

    def __exit__(self, *_: Any) -> None:
        self.executor.shutdown()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


def _blocker(entered: threading.Event, release: threading.Event) -> Any:
    def callback() -> None:
        entered.set()
        assert release.wait(PATIENCE)

    return callback


def test_a_blocked_group_does_not_block_another(world: Any) -> None:
    node = world.node("node", spins=False)
    entered, release, ticked = threading.Event(), threading.Event(), threading.Event()
    node.create_timer(0.01, _blocker(entered, release), callback_group=MutuallyExclusiveCallbackGroup())
    with Pool(world) as executor:
        executor.add_node(node)
        assert entered.wait(PATIENCE)
        node.create_timer(0.01, ticked.set, callback_group=MutuallyExclusiveCallbackGroup())
        assert ticked.wait(PATIENCE)
        release.set()


def test_a_mutually_exclusive_group_runs_one_at_a_time(world: Any) -> None:
    node = world.node("node", spins=False)
    group = MutuallyExclusiveCallbackGroup()
    running: list[int] = []
    most: list[int] = []
    turns = threading.Semaphore(0)

    def callback() -> None:
        running.append(1)
        most.append(len(running))
        turns.release()
        running.pop()

    for _ in range(3):
        node.create_timer(0.001, callback, callback_group=group)
    with Pool(world, threads=3) as executor:
        executor.add_node(node)
        for _ in range(30):
            assert turns.acquire(timeout=PATIENCE)
    assert max(most) == 1


def test_a_reentrant_group_runs_a_callback_beside_itself(world: Any) -> None:
    node = world.node("node", spins=False)
    barrier = threading.Barrier(2)
    met = threading.Event()

    def callback() -> None:
        try:
            barrier.wait(PATIENCE)
            met.set()
        except threading.BrokenBarrierError:
            pass

    node.create_timer(0.01, callback, callback_group=ReentrantCallbackGroup())
    with Pool(world) as executor:
        executor.add_node(node)
        assert met.wait(PATIENCE)
        barrier.abort()


def test_the_newest_message_waits_for_a_free_thread(world: Any) -> None:
    node, talker = world.node("node", spins=False), world.node("talker")
    entered, release = threading.Event(), threading.Event()
    heard: list[str] = []

    def callback(message: String) -> None:
        heard.append(message.data)
        entered.set()
        assert release.wait(PATIENCE)

    node.create_subscription(String, "frames", callback, 1, callback_group=MutuallyExclusiveCallbackGroup())
    last = threading.Event()
    node.create_subscription(
        String, "last", lambda message: last.set(), 10, callback_group=MutuallyExclusiveCallbackGroup()
    )
    frames, end = talker.create_publisher(String, "frames", 1), talker.create_publisher(String, "last", 10)
    assert world.spin_until(lambda: frames.get_subscription_count() == 1 and end.get_subscription_count() == 1)
    with Pool(world) as executor:
        executor.add_node(node)
        frames.publish(String(data="first"))
        assert entered.wait(PATIENCE)
        for number in range(5):
            frames.publish(String(data=str(number)))
        end.publish(String())
        assert last.wait(PATIENCE)
        release.set()
        assert eventually(lambda: len(heard) >= 2)
    assert heard[0] == "first"
    assert heard[-1] == "4"


def test_an_exception_in_a_callback_ends_spinning(world: Any) -> None:
    node = world.node("node", spins=False)

    def fail() -> None:
        raise LookupError("on purpose")

    node.create_timer(0.001, fail)
    single = SingleThreadedExecutor(context=world.context)
    single.add_node(node)
    with pytest.raises(LookupError, match="on purpose"):
        single.spin()
    single.remove_node(node)
    pool = MultiThreadedExecutor(num_threads=2, context=world.context)
    pool.add_node(node)
    with pytest.raises(LookupError, match="on purpose"):
        pool.spin()
    pool.shutdown()


def test_spin_once_with_a_timeout_returns(world: Any) -> None:
    world.node("node")
    world.executor.spin_once(timeout_sec=0)
    world.executor.spin_once(timeout_sec=0.01)
    assert len(world.executor.get_nodes()) == 1


def test_spinning_until_a_future_is_done(world: Any) -> None:
    node = world.node("node")
    future: Future = Future()
    node.create_timer(0.01, lambda: future.done() or future.set_result("ready"))
    world.executor.spin_until_future_complete(future, timeout_sec=PATIENCE)
    assert future.result() == "ready"


def test_another_thread_may_end_a_spin(world: Any) -> None:
    world.node("node")
    future: Future = Future()
    thread = threading.Timer(0.05, future.set_result, args=("from outside",))
    thread.start()
    world.executor.spin_until_future_complete(future, timeout_sec=PATIENCE)
    assert future.result() == "from outside"
    thread.join()


def test_spinning_stops_at_the_timeout(world: Any) -> None:
    world.node("node")
    future: Future = Future()
    world.executor.spin_until_future_complete(future, timeout_sec=0.05)
    assert not future.done()


def test_an_executor_can_be_shut_down_from_another_thread(world: Any) -> None:
    executor = SingleThreadedExecutor(context=world.context)
    executor.add_node(world.node("node", spins=False))
    thread = threading.Thread(target=executor.spin)
    thread.start()
    executor.shutdown()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_context_that_ends_ends_spinning(world: Any) -> None:
    executor = SingleThreadedExecutor(context=world.context)
    node, spinning = world.node("node", spins=False), threading.Event()
    executor.add_node(node)
    node.create_timer(0.01, spinning.set)
    ends: list[BaseException | None] = []

    def spin() -> None:
        try:
            executor.spin()
            ends.append(None)
        except ExternalShutdownException as end:
            ends.append(end)

    thread = threading.Thread(target=spin)
    thread.start()
    assert spinning.wait(PATIENCE)
    world.context.shutdown()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert len(ends) == 1


def test_a_node_moves_between_executors(world: Any) -> None:
    node = world.node("node")
    assert node.executor is world.executor
    other = SingleThreadedExecutor(context=world.context)
    assert other.add_node(node)
    assert not other.add_node(node)
    assert node.executor is other
    assert world.executor.get_nodes() == []
    other.shutdown()


def test_a_guard_condition_is_called_once_per_trigger(world: Any) -> None:
    node = world.node("node")
    calls: list[int] = []
    guard = node.create_guard_condition(lambda: calls.append(1))
    world.spin_for(0.02)
    assert calls == []
    threading.Thread(target=guard.trigger).start()
    assert world.spin_until(lambda: calls)
    world.spin_for(0.02)
    assert calls == [1]
    assert node.destroy_guard_condition(guard)


def test_tasks(world: Any) -> None:
    gate: Future = Future()

    async def wait_for_gate() -> str:
        return f"through {await gate}"

    plain = world.executor.create_task(lambda a, b: a + b, 1, b=2)
    patient = world.executor.create_task(wait_for_gate)
    assert world.answer(plain) == 3
    world.spin_for(0.02)
    assert not patient.done()
    gate.set_result("the gate")
    assert world.answer(patient) == "through the gate"


def test_futures() -> None:
    called: list[str] = []
    future: Future = Future()
    future.add_done_callback(lambda done: called.append(f"first {done.result()}"))
    assert (future.done(), future.cancelled(), future.result()) == (False, False, None)
    future.set_result("result")
    future.add_done_callback(lambda done: called.append(f"second {done.result()}"))
    assert called == ["first result", "second result"]
    failed: Future = Future()
    failed.set_exception(LookupError("failed"))
    assert isinstance(failed.exception(), LookupError)
    with pytest.raises(LookupError, match="failed"):
        failed.result()
    cancelled: Future = Future()
    cancelled.cancel()
    assert cancelled.cancelled()


def test_the_global_functions(ros_graph: Any) -> None:
    assert not rclpy.ok()
    rclpy.init(args=[])
    try:
        assert rclpy.ok()
        node = rclpy.create_node("node")
        calls: list[int] = []
        node.create_timer(0.005, lambda: calls.append(1))
        rclpy.spin_once(node, timeout_sec=PATIENCE)
        assert calls == [1]
        future: Future = Future()
        node.create_timer(0.005, lambda: future.done() or future.set_result(True))
        rclpy.spin_until_future_complete(node, future, timeout_sec=PATIENCE)
        assert future.result() is True
    finally:
        rclpy.shutdown()
    assert not rclpy.ok()
    rclpy.try_shutdown()
    rclpy.init(args=[])
    assert rclpy.ok()
    rclpy.shutdown()
