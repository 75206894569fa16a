"""Benchmarks of the path from a camera image to a velocity command, with processes on a private graph."""

from __future__ import annotations

import contextlib
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rt_vla_ros import ros
from rt_vla_ros.action_space.frames import BASE_LINK
from rt_vla_ros.live.private_graph import PrivateGraph
from zenoh_ros.commands.errors import CliError

NAMESPACE = "/rt_vla_bench"
TO_NAMESPACE = ("--ros-args", "-r", f"__ns:={NAMESPACE}")


class BenchGraph(NamedTuple):
    """log: output of the processes. record: records for this time [s]; returns the PathTimes. also: adds to the last.

    call: a service by type, name and request; its answer, or None.
    """

    graph: PrivateGraph
    log: Path
    record: Callable[[float], Any]
    also: Callable[[float], Any]
    call: Callable[[Any, str, Any], Any]


def measure(policy: str, seconds: float) -> dict[str, object]:
    """Runs the processes and listens for `seconds` [s]; the figures. Raises CliError if nothing can be measured."""
    from rt_vla_ros.benchmarks.node_path import summary

    begin = time.time()
    with running(policy) as bench:
        from rt_vla_ros.live.bench_listener import COMMAND_RATE

        figures = summary(bench.record(seconds), 1 / COMMAND_RATE)
    return {**about(policy, seconds, begin), **figures}


@contextlib.contextmanager
def running(policy: str) -> Iterator[BenchGraph]:
    """Camera, policy, smoother and the minimal pair, with commands that arrive.

    Raises CliError if nothing can be measured; a RuntimeError or ValueError within the block becomes one too, with the
    output of the processes.
    """
    with PrivateGraph() as graph, tempfile.TemporaryDirectory(prefix="rt-vla-bench-") as folder:
        try:
            ros.ensure()
        except ImportError as error:
            raise CliError(str(error)) from error
        from rt_vla_ros.live.bench_listener import listening

        log = Path(folder) / "log"
        nodes = "rt_vla_ros.live.bench_nodes"
        name = str(policy).replace("'", "''")
        parameters = ("-p", f"policy:='{name}'", "-p", f"frame_id:={BASE_LINK}")
        processes = [
            graph.start(nodes, "camera", *TO_NAMESPACE, log=log),
            graph.start(nodes, "echo", *TO_NAMESPACE, log=log),
            graph.start(nodes, "policy", *TO_NAMESPACE, *parameters, log=log),
            graph.start("rt_vla_ros.nodes.smoother_node", *TO_NAMESPACE, log=log),
        ]
        try:
            with listening(NAMESPACE, lambda: all(process.poll() is None for process in processes)) as listener:
                yield BenchGraph(graph, log, listener.record, listener.also, listener.call)
        except (RuntimeError, ValueError) as error:
            output = log.read_text(errors="replace").strip()
            raise CliError(f"{error}\n{output[-2000:]}") from error


def about(policy: str, seconds: float, begin: float) -> dict[str, object]:
    """What was measured, and on what. begin: Unix time [s]."""
    measured = {"policy": Path(policy).name, "seconds": seconds, "unix_time": round(begin), "cpus": os.cpu_count()}
    return {**measured, "machine": platform.machine(), "python": platform.python_version()}
