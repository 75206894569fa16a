"""The benchmark of a slow link: the nodes on a private graph, and between them and a policy server a link that can be
slow, lossy or cut."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from rt_vla_ros.benchmarks.serving import serving
from rt_vla_ros.benchmarks.slow_link import cut_row, link_row
from rt_vla_ros.live.bench_run import about, running
from rt_vla_ros.live.wire import Wire

CUT, BEFORE, AFTER = 2.0, 1.0, 4.0  # a cut, and the recording before and after it [s]
SETTLE = 1.0  # after a change of the link [s]


def measure(
    policy: str,
    round_trips: Sequence[float],
    losses: Sequence[float],
    seconds: float,
    cuts: int,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """round_trips: of the links [s]. losses: shares of lost segments, for each of them. seconds: of each recording.

    cuts: how often the link is cut, at the last of the round trips and losses. Raises CliError or ValueError.
    """
    begin = time.time()
    with serving(policy) as server:
        wire = Wire(int(server.address.rpartition(":")[2]))
        try:
            with running(f"remote:127.0.0.1:{wire.port}") as bench:
                links, cut = list[dict[str, Any]](), list[dict[str, Any]]()
                for round_trip, loss in product(round_trips, losses):
                    wire.round_trip, wire.loss = round_trip, loss
                    bench.record(SETTLE)
                    links.append(link_row(bench.record(seconds), round_trip, loss, seconds))
                    tell(f"round trip {1000 * round_trip:g} ms, {loss:.0%} lost: {links[-1]}")
                for index in range(cuts):
                    cut.append(_cut(wire, bench.record, bench.also))
                    tell(f"cut {index + 1} of {cuts}: {cut[-1]}")
        finally:
            wire.close()
    return {**about(policy, seconds, begin), "links": links, "cut_s": CUT, "cuts": cut}


def _cut(wire: Wire, record: Callable[[float], Any], also: Callable[[float], Any]) -> dict[str, Any]:
    """Cuts the link for a while. also: records further."""
    record(BEFORE)
    cut = time.time_ns()
    wire.cut()
    also(CUT)
    restored = time.time_ns()
    wire.restore()
    return cut_row(also(AFTER), cut, restored)
