"""Executors call the callbacks of nodes: in the thread that spins, or in a pool."""

from __future__ import annotations

import contextlib
import inspect
import os
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rclpy.constants import LONGEST_WAIT_S
from rclpy.context import Context
from rclpy.gate import Gate
from rclpy.task import Future, Task
from rclpy.utilities import get_default_context

if TYPE_CHECKING:
    from rclpy.node import Node


class TimeoutException(Exception):
    """The timeout has passed."""


class ShutdownException(Exception):
    """The executor was shut down."""


class ExternalShutdownException(Exception):
    """The context was shut down from outside while spinning."""

    def __init__(self) -> None:
        super().__init__("Context has been shutdown from outside")


class ConditionReachedException(Exception):
    """The condition of the wait was met."""


class Executor:
    """Finds the ready callbacks of its nodes and executes them in a fair order: no entity twice before the others.

    Receive threads only queue data in an entity and call `wake`; the spinning thread decides what runs.
    """

    def __init__(self, *, context: Context | None = None) -> None:
        self._context = context or get_default_context()
        self._nodes: list[Node] = []
        self._lock = threading.RLock()
        self._gate = Gate()
        self._woken = False
        self._is_shutdown = False
        self._round: deque[Any] = deque()
        self._tasks: list[tuple[Task[Any], Any]] = []
        self._context._wake_on_interrupt(self)

    @property
    def context(self) -> Context:
        """The context whose shutdown ends spinning."""
        return self._context

    def add_node(self, node: Node) -> bool:
        """Add a node, whose callbacks are then executed; False if it was added before."""
        with self._lock:
            if node in self._nodes:
                return False
            self._nodes = [*self._nodes, node]
            node.executor = self
        self.wake()
        return True

    def remove_node(self, node: Node) -> None:
        """Remove a node."""
        with self._lock:
            self._nodes = [other for other in self._nodes if other is not node]
        self.wake()

    def get_nodes(self) -> list[Node]:
        """Return the added nodes."""
        return list(self._nodes)

    def wake(self) -> None:
        """Make the waiting thread check again; safe in any thread and in signal handlers."""
        if not self._woken:
            self._woken = True
            self._gate.open()

    def create_task(
        self, callback: Callable[..., Any] | Coroutine[Any, Any, Any], *args: Any, **kwargs: Any
    ) -> Task[Any]:
        """Execute a function or coroutine while spinning; the task is the future of its result."""
        task: Task[Any] = Task(callback, args, kwargs, executor=self)
        with self._lock:
            self._tasks.append((task, None))
        self.wake()
        return task

    def spin(self) -> None:
        """Call callbacks until the context or the executor is shut down."""
        while self._context.ok() and not self._is_shutdown:
            self.spin_once()

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Wait for one callback and call it; timeout None: wait forever, 0: do not wait."""
        self._spin_once(timeout_sec, lambda: False)

    def spin_until_future_complete(self, future: Future[Any], timeout_sec: float | None = None) -> None:
        """Call callbacks until the future is done, or the timeout has passed."""
        future._add_waker(self.wake)
        end = None if timeout_sec is None or timeout_sec < 0 else time.monotonic() + timeout_sec
        while self._context.ok() and not self._is_shutdown and not future.done() and not future.cancelled():
            left = None if end is None else max(0.0, end - time.monotonic())
            self._spin_once(left, future.done)
            if end is not None and time.monotonic() >= end:
                return

    def spin_once_until_future_complete(self, future: Future[Any], timeout_sec: float | None = None) -> None:
        """Wait for one callback or for the future, and call the callback."""
        future._add_waker(self.wake)
        self._spin_once(timeout_sec, future.done)

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """Stop spinning and remove the nodes."""
        self._is_shutdown = True
        self.wake()
        self._nodes = []
        return True

    def _spin_once(self, timeout_sec: float | None, condition: Callable[[], bool]) -> None:
        try:
            work = self._wait_for_work(timeout_sec, condition)
        except (ShutdownException, TimeoutException, ConditionReachedException):
            return
        self._perform(work)

    def _perform(self, work: Callable[[], None]) -> None:
        work()

    def _has_capacity(self) -> bool:
        return True

    def _wait_for_work(self, timeout_sec: float | None, condition: Callable[[], bool]) -> Callable[[], None]:
        """Return the next task to run.

        Raises:
            TimeoutException, ShutdownException, ExternalShutdownException, ConditionReachedException.
        """
        end = None if timeout_sec is None or timeout_sec < 0 else time.monotonic() + timeout_sec
        while True:
            if self._is_shutdown:
                raise ShutdownException()
            if not self._context.ok():
                raise ExternalShutdownException()
            if condition():
                raise ConditionReachedException()
            self._drain()
            if self._has_capacity():
                work = self._next_work()
                if work is not None:
                    return work
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutException()
            self._sleep(left)

    def _drain(self) -> None:
        """Reset earlier wakes; later ones are called after their data was queued, so it is not missed."""
        self._gate.close()
        self._woken = False

    def _sleep(self, longest: float | None) -> None:
        waits = [timer._wait_ns() for timer in self._timers()] if self._has_capacity() else []
        seconds = [wait / 1e9 for wait in waits if wait is not None]
        shortest = min([LONGEST_WAIT_S, *seconds] if longest is None else [LONGEST_WAIT_S, longest, *seconds])
        if shortest > 0:
            self._gate.wait(shortest)

    def _timers(self) -> Iterator[Any]:
        for node in self._nodes:
            yield from (timer for timer in node.timers if timer.callback_group.can_execute(timer))

    def _next_work(self) -> Callable[[], None] | None:
        task = self._next_task()
        if task is not None:
            return task
        for refill in (False, True):
            if refill:
                self._round.extend(entity for node in self._nodes for entity in node._entities() if entity._is_ready())
            while self._round:
                work = self._begin(self._round.popleft())
                if work is not None:
                    return work
        return None

    def _next_task(self) -> Callable[[], None] | None:
        with self._lock:
            for task, entity in self._tasks:
                if task._runnable():
                    task._executing = True  # so that no other thread gets it
                    return lambda: self._run_task(task, entity)
        return None

    def _run_task(self, task: Task[Any], entity: Any) -> None:
        task()
        if not task.done():
            return
        with self._lock:
            self._tasks = [other for other in self._tasks if other[0] is not task]
        if entity is not None:
            self._end(entity)
        task.result()  # an exception ends spinning

    def _begin(self, entity: Any) -> Callable[[], None] | None:
        group = entity.callback_group
        if not entity._is_ready() or not group.beginning_execution(entity):
            return None
        call = entity._take()
        if call is None:
            group.ending_execution(entity)
            return None
        return lambda: self._call(entity, call)

    def _call(self, entity: Any, call: Callable[[], Any]) -> None:
        result = None
        try:
            result = call()
        finally:
            if not inspect.iscoroutine(result):
                self._end(entity)
        if inspect.iscoroutine(result):
            task: Task[Any] = Task(result, executor=self)
            task._executing = True
            with self._lock:
                self._tasks.append((task, entity))
            self._run_task(task, entity)

    def _end(self, entity: Any) -> None:
        entity.callback_group.ending_execution(entity)

    def __enter__(self) -> Executor:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        self.shutdown()


class SingleThreadedExecutor(Executor):
    """Executes callbacks in the thread that spins."""


class MultiThreadedExecutor(Executor):
    """Executes callbacks in a thread pool.

    Data stay in the queue of their entity until a thread is free, so a queue of depth 1 gives the newest message.

    Args:
        num_threads: number of threads; None: one per processor available to this process.
    """

    def __init__(self, num_threads: int | None = None, *, context: Context | None = None) -> None:
        super().__init__(context=context)
        if num_threads is None:
            num_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
        if num_threads == 1:
            warnings.warn(
                "MultiThreadedExecutor is used with a single thread.\nUse the SingleThreadedExecutor instead.",
                stacklevel=2,
            )
        self._num_threads = num_threads
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._busy = 0
        self._failures: deque[BaseException] = deque()

    def _has_capacity(self) -> bool:
        return self._busy < self._num_threads

    def _spin_once(self, timeout_sec: float | None, condition: Callable[[], bool]) -> None:
        def interrupted() -> bool:
            return bool(self._failures) or condition()

        with contextlib.suppress(ExternalShutdownException):
            super()._spin_once(timeout_sec, interrupted)
        if self._failures:
            raise self._failures.popleft()

    def _perform(self, work: Callable[[], None]) -> None:
        with self._lock:
            self._busy += 1
            if len(self._threads) < min(self._busy, self._num_threads):
                self._start_thread()
        self._jobs.put(work)

    def _start_thread(self) -> None:
        # Daemon threads, so that a callback that never returns does not keep the process from exiting.
        thread = threading.Thread(target=self._serve, daemon=True, name="rclpy-executor")
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._work(job)

    def _work(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            self._failures.append(error)
        finally:
            with self._lock:
                self._busy -= 1
            self.wake()

    def _end(self, entity: Any) -> None:
        super()._end(entity)
        self.wake()

    def shutdown(self, timeout_sec: float | None = None, *, wait_for_threads: bool = True) -> bool:
        """Stop spinning and, by default, wait until running callbacks have returned.

        Returns:
            False if some are still running after `timeout_sec`.
        """
        super().shutdown(timeout_sec)
        threads, self._threads = self._threads, []
        for _ in threads:
            self._jobs.put(None)
        end = None if timeout_sec is None or timeout_sec < 0 else time.monotonic() + timeout_sec
        if wait_for_threads:
            for thread in threads:
                if thread is not threading.current_thread():
                    thread.join(None if end is None else max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)
