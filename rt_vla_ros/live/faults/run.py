"""Runs the faults, and what came of them as a table."""

from __future__ import annotations

import random
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rt_vla_ros import ros
from rt_vla_ros.live.private_graph import PrivateGraph
from zenoh_ros.commands.errors import CliError

LONGEST = 6.0  # that is waited for the arm to stand still [s]
LINGER = 2.5  # for a reason, and for a motion that must not come back [s]
AWAKE = (0.4, 1.6)  # how long the arm has been moving when a fault comes [s]


def measure(repeats: int, only: Sequence[str], seed: int, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Each fault `repeats` times, at random moments. only: names; empty: all. Raises CliError."""
    with PrivateGraph() as private, tempfile.TemporaryDirectory(prefix="rt-vla-faults-") as folder:
        try:
            ros.ensure()
        except ImportError as error:
            raise CliError(str(error)) from error
        from rt_vla_ros.live.faults.graph import FaultGraph
        from rt_vla_ros.live.faults.kinds import FAULTS

        unknown = set(only) - {fault.name for fault in FAULTS}
        if unknown:
            names = ", ".join(repr(fault.name) for fault in FAULTS)
            raise CliError(f"there is no fault {sorted(unknown)[0]!r}, expected one of {names}.")
        chosen = [fault for fault in FAULTS if not only or fault.name in only]
        log, source = Path(folder) / "log", random.Random(seed)
        graph = FaultGraph(private, log, seed)
        try:
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


def _try(graph: Any, fault: Any, source: random.Random) -> dict[str, Any]:
    """One trial: the time to standstill [s], whether the reason was told, whether the arm moved again."""
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

    def told() -> bool:
        return any(re.search(fault.reason, sentence) for sentence in graph.said)

    graph.spin(LINGER, told)
    said = told()
    graph.forget()
    graph.spin(0.1)
    fault.repair(graph)
    moved = graph.spin(LINGER if fault.stays else 0.0, lambda: graph.motion.moves())
    return {"seconds": np.inf if still is None else (still - begun) / 1e9, "told": said, "again": moved}


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
    }


HEAD = (
    "| fault | trials | median [s] | largest [s] | bound [s] | within | reason told | moved again |\n"
    + "|---" * 8
    + "|"
)


def line(result: dict[str, Any]) -> str:
    """A row of the table."""
    return "| " + " | ".join(str(result[key]) for key in result) + " |"


def table(results: Sequence[dict[str, Any]]) -> str:
    """Markdown."""
    return "\n".join([HEAD, *map(line, results)])
