"""Futures, and tasks run by an executor."""

from __future__ import annotations

import inspect
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from rclpy.executors import Executor

T = TypeVar("T")


class Future(Generic[T]):
    """The result of an operation that may not be done yet."""

    def __init__(self, *, executor: Executor | None = None) -> None:
        self._done = False
        self._cancelled = False
        self._result: T | None = None
        self._exception: BaseException | None = None
        self._exception_fetched = False
        self._callbacks: list[Callable[[Future[T]], None]] = []
        self._wakers: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._executor = weakref.ref(executor) if executor is not None else None

    def __del__(self) -> None:
        if self._exception is not None and not self._exception_fetched:
            print(f"The following exception was never retrieved: {self._exception}", file=sys.stderr)

    def __await__(self) -> Generator[Future[T], None, T | None]:
        while not self._done:
            yield self
        return self.result()

    def cancel(self) -> None:
        """Cancel the future, unless it is done."""
        with self._lock:
            if not self._done:
                self._cancelled = True
        self._announce()

    def cancelled(self) -> bool:
        """Return whether it was canceled before it was done."""
        return self._cancelled

    def done(self) -> bool:
        """Return whether there is a result or an exception."""
        return self._done

    def result(self) -> T | None:
        """Return the result, or None if it is not done; raises the exception if there is one."""
        exception = self.exception()
        if exception is not None:
            raise exception
        return self._result

    def exception(self) -> BaseException | None:
        """Return the exception, or None."""
        self._exception_fetched = True
        return self._exception

    def set_result(self, result: T) -> None:
        """Set the result; the future is then done."""
        with self._lock:
            self._result = result
            self._done = True
            self._cancelled = False
        self._announce()

    def set_exception(self, exception: BaseException) -> None:
        """Set an exception; the future is then done."""
        with self._lock:
            self._exception = exception
            self._exception_fetched = False
            self._done = True
            self._cancelled = False
        self._announce()

    def add_done_callback(self, callback: Callable[[Future[T]], None]) -> None:
        """Call `callback(self)` once it is done: by its executor or, without one, in the thread that completes it."""
        with self._lock:
            if not self._done:
                self._callbacks.append(callback)
                return
        self._call(callback)

    def _add_waker(self, waker: Callable[[], None]) -> None:
        """Call `waker()` when it is done, in the thread that completes it."""
        with self._lock:
            if not self._done:
                self._wakers.append(waker)
                return
        waker()

    def _set_executor(self, executor: Executor | None) -> None:
        self._executor = weakref.ref(executor) if executor is not None else None

    def _announce(self) -> None:
        with self._lock:
            callbacks, self._callbacks = self._callbacks, []
            wakers, self._wakers = self._wakers, []
        for waker in wakers:
            waker()
        for callback in callbacks:
            self._call(callback)

    def _call(self, callback: Callable[[Future[T]], None]) -> None:
        executor = self._executor() if self._executor is not None else None
        if executor is not None:
            executor.create_task(callback, self)
        else:
            callback(self)


class Task(Future[T]):
    """A function or coroutine run by an executor; done when it has returned.

    A coroutine that awaits a Future is resumed only when the future is done.
    """

    def __init__(
        self,
        handler: Callable[..., T] | Coroutine[Any, Any, T],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        executor: Executor | None = None,
    ) -> None:
        super().__init__(executor=executor)
        self._handler: Any = handler
        self._args = args
        self._kwargs = kwargs or {}
        self._executing = False
        self._awaited: Future[Any] | None = None
        self._task_lock = threading.Lock()

    def executing(self) -> bool:
        """Return whether it is running."""
        return self._executing

    def _runnable(self) -> bool:
        return not self._done and not self._executing and (self._awaited is None or self._awaited.done())

    def __call__(self) -> None:
        """Run, or resume until the next await that has to wait; does nothing while another thread runs it."""
        if self._done or not self._task_lock.acquire(blocking=False):
            return
        try:
            if not self._done:
                self._executing = True
                self._advance()
        finally:
            self._executing = False
            self._task_lock.release()

    def _advance(self) -> None:
        try:
            if not inspect.iscoroutine(self._handler):
                result = self._handler(*self._args, **self._kwargs)
                if not inspect.iscoroutine(result):
                    self.set_result(result)
                    return
                self._handler = result
            self._await(self._handler.send(None))
        except StopIteration as stop:
            self.set_result(stop.value)
        except Exception as error:
            self.set_exception(error)

    def _await(self, awaited: Any) -> None:
        self._awaited = awaited if isinstance(awaited, Future) else None
        executor = self._executor() if self._executor is not None else None
        if executor is not None:
            self._awaited._add_waker(executor.wake) if self._awaited is not None else executor.wake()
