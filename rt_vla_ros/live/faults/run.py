"""Runs the faults and tabulates the results."""

from __future__ import annotations

import importlib.util
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rt_vla_ros import ros
from rt_vla_ros.benchmarks.memory_growth import SOAK_HEAD, resident, summary
from rt_vla_ros.live.private_graph import PrivateGraph
from zenoh_ros.commands.errors import CliError

LONGEST = 6.0  # timeout for the arm to stand still [s]
LINGER = 2.5  # wait for a reason, and for a forbidden motion [s]
SAMPLE = 5.0  # between two samples of the memory [s]
AWAKE = (0.4, 1.6)  # how long the arm has been moving when a fault comes [s]


def measure(
    repeats: int, only: Sequence[str], seed: int, tell: Callable[[str], None], *, soak: float = 0.0
) -> list[dict[str, Any]]:
    """Each fault `repeats` times, at random moments. only: names; empty: all.

    soak: instead, runs the graph for this time [min] and watches its processes' memory.

    Raises CliError.
    """
    with PrivateGraph() as private, tempfile.TemporaryDirectory(prefix="rt-vla-faults-") as folder:
        try:
            runtime = ros.ensure()
        except ImportError as error:
            raise CliError(str(error)) from error
        from rt_vla_ros.live.faults.graph import FaultGraph
        from rt_vla_ros.live.faults.kinds import FAULTS

        unknown = set(only) - {fault.name for fault in FAULTS}
        if unknown:
            names = ", ".join(repr(fault.name) for fault in FAULTS)
            raise CliError(f"there is no fault {sorted(unknown)[0]!r}, expected one of {names}.")
        chosen = [fault for fault in FAULTS if not only or fault.name in only]
        if runtime != ros.EMBEDDED:  # another middleware does not go through our wire
            chosen = [fault for fault in chosen if fault.set_up != "wire"]
        chosen = installed(chosen, tell)
        log, source = Path(folder) / "log", random.Random(seed)
        graph = FaultGraph(private, log, seed)
        try:
            if soak:
                return _soak(graph, 60 * soak, tell)
            tell(HEAD)
            results = []
            for fault in chosen:
                trials = [_try(graph, fault, source) for _ in range(repeats)]
                results.append(_summary(fault, trials))
                tell(line(results[-1]))
            return results
        except RuntimeError as error:
            raise CliError(f"{error}\n{log.read_text(errors='replace')[-2000:]}") from error
        finally:
            graph.close()


def installed(faults: Sequence[Any], tell: Callable[[str], None]) -> list[Any]:
    """The faults whose message packages are there; tells of the others."""
    from rt_vla_ros.live.faults.processes import SET_UPS

    needs = {SET_UPS[fault.set_up].needs for fault in faults} - {""}
    missing = sorted(package for package in needs if importlib.util.find_spec(package) is None)
    for package in missing:
        tell(f"The faults that need {package} are left out: it is not installed.")
    return [fault for fault in faults if SET_UPS[fault.set_up].needs not in missing]


def _try(graph: Any, fault: Any, source: random.Random) -> dict[str, Any]:
    """One trial: the time to standstill [s], whether the reason was reported, whether the arm moved again, orphans."""
    graph.set_up(fault.set_up)
    graph.to_start()
    graph.set_in_motion()
    graph.spin(source.uniform(*AWAKE))
    graph.forget()
    begun = time.time_ns()
    fault.inject(graph)
    if fault.begins == "action":
        graph.spin(LONGEST, lambda: graph.ended_ns is not None)
        begun = graph.ended_ns or begun
    elif fault.begins == "stop":
        begun = time.time_ns()
    graph.spin(LONGEST, lambda: graph.motion.still_since(begun) is not None)
    still = graph.motion.still_since(begun)

    graph.spin(LINGER, lambda: graph.heard_ns(fault.reason) is not None)
    heard, orphans = graph.heard_ns(fault.reason), graph.orphans()
    ends = [still] if fault.ends == "still" else [still, heard]
    graph.forget()
    graph.spin(0.1)
    fault.repair(graph)
    moved = graph.spin(LINGER if fault.stays else 0.0, lambda: graph.motion.moves())
    return {
        "seconds": np.inf if None in ends else (max(ends) - begun) / 1e9,
        "told": heard is not None,
        "again": moved,
        "orphans": orphans,
    }


def _soak(graph: Any, seconds: float, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Runs one instruction after the other and records the memory of every process."""
    graph.set_in_motion()
    begin = time.monotonic()
    times, sizes = list[float](), {name: list[float]() for name in (*graph.processes, "this one")}
    while not times or times[-1] < seconds:
        pids = {name: process.pid for name, process in graph.processes.items()} | {"this one": os.getpid()}
        times.append(time.monotonic() - begin)
        for name, pid in pids.items():
            sizes[name].append(resident(pid))
        graph.spin(min(SAMPLE, max(0.5, seconds / 20)))
        graph.set_in_motion()
    results = summary(times, sizes)
    tell(SOAK_HEAD)
    for result in results:
        tell(line(result))
    return results


def _summary(fault: Any, trials: Sequence[dict[str, Any]]) -> dict[str, Any]:
    seconds = [trial["seconds"] for trial in trials]
    return {
        "fault": fault.name,
        "trials": len(trials),
        "median": round(float(np.median(seconds)), 3),
        "largest": round(float(np.max(seconds)), 3),
        "bound": fault.bound,
        "within": sum(value <= fault.bound for value in seconds),
        "told": sum(trial["told"] for trial in trials),
        "moved_again": sum(trial["again"] for trial in trials),
        "orphans": sum(trial["orphans"] for trial in trials),
    }


HEAD = (
    "| fault | trials | median [s] | max [s] | bound [s] | within bound | reason reported | moved again | orphans |\n"
    + "|---" * 9
    + "|"
)


def line(result: dict[str, Any]) -> str:
    """A row of the table."""
    return "| " + " | ".join(str(result[key]) for key in result) + " |"


def table(results: Sequence[dict[str, Any]]) -> str:
    """Markdown."""
    return "\n".join([HEAD, *map(line, results)])
