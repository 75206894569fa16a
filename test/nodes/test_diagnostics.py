"""What every node's diagnostics hold."""

from __future__ import annotations

import socket

from diagnostic_msgs.msg import DiagnosticArray
from support.node_bench import NodeBench

from rt_vla_ros.nodes.diagnostics import LONGEST, Level, Report
from rt_vla_ros.nodes.smoother_node import SmootherNode


def test_they_name_the_host_that_the_node_runs_on(bench: NodeBench) -> None:
    heard: list[DiagnosticArray] = bench.listen(DiagnosticArray, "/diagnostics")
    bench.add(SmootherNode())
    bench.until(lambda: heard)
    (status,) = heard[0].status
    assert (status.name, status.hardware_id) == ("/smoother_node", socket.gethostname())


def test_of_a_sentence_without_end_only_the_beginning_is_told() -> None:
    assert Report(Level.OK, "x" * 10_000_000).message == "x" * LONGEST
