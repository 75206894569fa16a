"""Several robots on one network: latency of an action by batch size, compared with one robot after the other."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.benchmarks.rt2_weights import INSTRUCTIONS, make_prompts
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.observations.robot_state import middle_state
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.shared import SharedPolicy

STEPS_PER_IMAGE = 4
COLUMNS = {
    "batch_size": "batch",
    "alone_ms": "one by one [ms]",
    "batched_ms": "batched [ms]",
    "times_as_many": "times as many",
    "actions_per_second": "actions/s",
    "actions": "actions",
    "differing": "differing",
}


def measure(
    shared: SharedPolicy,
    sizes: Sequence[int],
    *,
    repeats: int = 10,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Results for each number of robots; both ways in alternation, on the same images, in float32 or as loaded.

    A robot's image changes every fourth step; instructions have different lengths.
    alone_ms, batched_ms: of an action, medians. times_as_many: throughput ratio, median over the rounds.
    differing: actions with a token that differs from the unbatched one.
    Raises ValueError for more robots than the maximum batch size.
    """
    too_many = [size for size in sizes if size > shared.max_batch_size]
    if too_many:
        raise ValueError(
            f"The policy {shared.name} takes {shared.max_batch_size} robots at a time, expected no batch of "
            f"{too_many[0]}."
        )
    load, rows = os.getloadavg()[0], []
    for size in sizes:
        rows.append(_robots(shared, size, repeats))
        tell(f"{size} robots: {rows[-1]['times_as_many']} times as many actions as one by one")
    machine = {"cpus": os.cpu_count(), "threads": torch.get_num_threads(), "load_average": round(load, 2)}
    return {"policy": shared.name, **machine, "unix_time": round(time.time()), "batches": rows}


def table(figures: dict[str, Any]) -> str:
    """The results as text."""
    rows = [list(COLUMNS.values())]
    rows += [[str(row[key]) for key in COLUMNS] for row in figures["batches"]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    threads = f"{figures['threads']} threads of {figures['cpus']} CPUs"
    return "\n".join([*lines, f"{figures['policy']}, {threads}, load before {figures['load_average']}"])


def _robots(shared: SharedPolicy, size: int, repeats: int) -> dict[str, Any]:
    alone, together = ([shared.session() for _ in range(size)] for _ in range(2))
    for number in range(size):
        for session in (alone[number], together[number]):
            session.reset(INSTRUCTIONS[number % len(INSTRUCTIONS)])
    state = middle_state(shared.card.state)
    pictures = [replace(seen, state=state) for _, seen in make_prompts(shared.card, size + repeats)]
    single, batch, differing = [], [], 0
    for step in range(-STEPS_PER_IMAGE, repeats):  # the first ones warm up and fill histories
        seen = [
            replace(pictures[(number + step // STEPS_PER_IMAGE) % len(pictures)], stamp=step * shared.card.period)
            for number in range(size)
        ]
        one, wanted = _timed(lambda pairs: [_act(shared, [pair])[0] for pair in pairs], alone, seen)
        many, found = _timed(lambda pairs: _act(shared, pairs), together, seen)
        if step >= 0:
            single.append(one)
            batch.append(many)
            differing += sum(a.tokens != b.tokens for a, b in zip(wanted, found, strict=True))
    return {
        "batch_size": size,
        "alone_ms": round(1000 * statistics.median(single) / size, 2),
        "batched_ms": round(1000 * statistics.median(batch) / size, 2),
        "times_as_many": round(statistics.median(a / b for a, b in zip(single, batch, strict=True)), 2),
        "actions_per_second": round(size / statistics.median(batch), 1),
        "actions": size * repeats,
        "differing": differing,
    }


def _act(shared: SharedPolicy, requests: Sequence[tuple[Policy, Observation]]) -> list[ActionChunk]:
    found = shared.act(requests)
    for one in found:
        if isinstance(one, Exception):
            raise one
    return [one for one in found if isinstance(one, ActionChunk)]


Pairs = list[tuple[Policy, Observation]]


def _timed(
    work: Callable[[Pairs], list[ActionChunk]], robots: Sequence[Policy], seen: Sequence[Observation]
) -> tuple[float, list[ActionChunk]]:
    """Duration [s] and result."""
    pairs = list(zip(robots, seen, strict=True))
    started = time.perf_counter()
    chunks = work(pairs)
    return time.perf_counter() - started, chunks
