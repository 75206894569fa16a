"""Replicas in processes of their own, without Ray, which tests can kill."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from rt_vla_ros.serving.cluster.replica import PolicyReplica, ReplicaSource
from rt_vla_ros.serving.decider import ReplicaLostError

STARTING = 300.0
FORKS = multiprocessing.get_context("forkserver")  # imports torch once for all replicas
FORKS.set_forkserver_preload(["rt_vla_ros.serving.cluster.replica"])


def serve_calls(pipe: Connection, source: ReplicaSource) -> None:
    """One replica: answers calls until its pipe is closed."""
    replica = PolicyReplica(source)
    pipe.send("ready")
    with suppress(EOFError):
        while True:
            method, arguments = pipe.recv()
            pipe.send(asyncio.run(getattr(replica, method)(*arguments)))


class ProcessReplica:
    """One process. calls: number of calls of each method."""

    def __init__(self, source: ReplicaSource) -> None:
        self.pipe, theirs = FORKS.Pipe()
        self.process = FORKS.Process(target=serve_calls, args=(theirs, source), daemon=True)
        self.process.start()
        theirs.close()
        self.calls: list[str] = []
        self.busy = threading.Event()

    def wait(self) -> None:
        assert self.pipe.poll(STARTING)
        assert self.pipe.recv() == "ready"

    def signal(self, number: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)


class ProcessReplicas:
    """Implements cluster.decider.Replicas: the idle replica that was called least."""

    alive = True

    def __init__(self, source: ReplicaSource, number: int) -> None:
        self.most, self.source = number, source
        self.all: list[ProcessReplica] = []
        self._changed = threading.Condition()
        self.add(number)

    @property
    def running(self) -> int:
        return len(self.all)

    def add(self, number: int = 1) -> Sequence[ProcessReplica]:
        new = [ProcessReplica(self.source) for _ in range(number)]
        for one in new:
            one.wait()
        with self._changed:
            self.all += new
            self._changed.notify_all()
        return new

    def call(self, method: str, *arguments: Any, patience: float) -> Any:
        with self._changed:
            if not self._changed.wait_for(self._idle, patience):
                raise ReplicaLostError("There is none.")
            one = min(self._idle(), key=lambda one: len(one.calls))
            one.calls.append(method)
            one.busy.set()
        try:
            one.pipe.send((method, arguments))
            if not one.pipe.poll(patience):
                raise ReplicaLostError("It does not answer.")
            result = one.pipe.recv()
        except (EOFError, OSError, ReplicaLostError) as error:
            with self._changed:
                self.all.remove(one)
            raise ReplicaLostError(str(error)) from error
        with self._changed:
            one.busy.clear()
            self._changed.notify_all()
        return result

    def close(self) -> None:
        for one in self.all:
            one.process.kill()

    def _idle(self) -> list[ProcessReplica]:
        return [one for one in self.all if not one.busy.is_set()]
