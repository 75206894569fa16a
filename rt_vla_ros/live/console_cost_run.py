"""Benchmark of the cost of open pages for the control path: rounds with none, one and more of them, in turn."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rt_vla_ros.benchmarks.console_cost import CostRound, summary
from rt_vla_ros.live.bench_run import TO_NAMESPACE, BenchGraph, about, running
from rt_vla_ros.live.private_graph import PrivateGraph

START_UP = 60.0  # of the console, and of the pages [s]
SETTLE = 1.0  # after pages are opened or closed [s]


def measure(policy: str, viewers: int, seconds: float, repeats: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """seconds: of each round [s]; there are three in each of the repeats. tell: gets a line for each.

    Raises CliError if nothing can be measured.
    """
    begin, rounds, counts = time.time(), list[CostRound](), sorted({0, 1, viewers})
    with running(policy) as bench:
        console, port = start_console(bench.graph, bench.log, *TO_NAMESPACE[1:])
        for repeat in range(repeats):
            # In both orders, so that other load on the machine affects all alike.
            for count in counts if repeat % 2 == 0 else reversed(counts):
                rounds.append(_round(bench, console.pid, port, count, repeat, seconds))
                tell(f"repeat {repeat + 1} of {repeats}: {count} pages open, {rounds[-1].pictures:.1f} pictures/s each")
        rows = summary(rounds)
    return {**about(policy, seconds, begin), "repeats": repeats, "rows": rows}


def start_console(
    graph: PrivateGraph, log: Path, *arguments: str, port: int = 0
) -> tuple[subprocess.Popen[bytes], int]:
    """The console's process and its port. arguments: of ROS, for its node. Raises RuntimeError if it serves no page.

    port: 0 for any.
    """
    begin = log.stat().st_size if log.exists() else 0
    console = graph.start("rt_vla_ros.nodes.console_node", "--ros-args", *arguments, "-p", f"port:={port}", log=log)
    return console, int(await_said(console, log, r"The page is at http://localhost:(\d+)/", begin))


def _round(bench: BenchGraph, console: int, port: int, count: int, repeat: int, seconds: float) -> CostRound:
    with _pages(bench, port, count) as shown:
        bench.record(SETTLE)
        used, begun = processor_time(console), time.monotonic()
        times = bench.record(seconds)
        spent, wall = processor_time(console), time.monotonic() - begun
    share = None if used is None or spent is None else (spent - used) / wall
    return CostRound(count, repeat, times, sum(shown), share, os.getloadavg()[0])


@contextmanager
def _pages(bench: BenchGraph, port: int, count: int) -> Iterator[list[float]]:
    """Opens this many pages; afterwards the list holds the pictures per second of each."""
    shown = list[float]()
    if not count:
        yield shown
        return
    log = bench.log.with_name("viewers")
    log.write_bytes(b"")
    process = bench.graph.start("rt_vla_ros.console.viewers", str(port), str(count), log=log)
    try:
        await_said(process, log, "(ready)")
        yield shown
        process.send_signal(signal.SIGTERM)
        shown.append(float(await_said(process, log, r"ready\n([0-9.]+)\n")))
    finally:
        process.kill()
        process.wait()


def await_said(process: subprocess.Popen[bytes], log: Path, pattern: str, begin: int = 0) -> str:
    """The pattern's group in a process's output, after `begin` [bytes]. Raises RuntimeError if it is not said."""
    deadline = time.monotonic() + START_UP
    while True:
        ended = process.poll() is not None
        said = log.read_bytes()[begin:].decode(errors="replace")
        if (found := re.search(pattern, said)) is not None:
            return found[1]
        if ended or time.monotonic() > deadline:
            raise RuntimeError(f"Expected {pattern!r} in the output of a process, got: {said[-2000:]}")
        time.sleep(0.02)


def processor_time(pid: int) -> float | None:
    """CPU time of a process [s]; None if the system does not report it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
