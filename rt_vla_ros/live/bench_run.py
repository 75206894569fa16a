"""The benchmark of the way from a camera image to a velocity command: its processes, on a graph of their own."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from pathlib import Path

from rt_vla_ros import ros
from rt_vla_ros.action_space.frames import BASE_LINK
from rt_vla_ros.live.private_graph import PrivateGraph
from zenoh_ros.commands.errors import CliError

NAMESPACE = "/rt_vla_bench"


def measure(policy: str, seconds: float) -> dict[str, object]:
    """Runs the processes and listens for `seconds` [s]; the figures. Raises CliError where nothing can be measured."""
    with PrivateGraph() as graph, tempfile.TemporaryDirectory(prefix="rt-vla-bench-") as folder:
        try:
            ros.ensure()
        except ImportError as error:
            raise CliError(str(error)) from error
        from rt_vla_ros.benchmarks.node_path import summary
        from rt_vla_ros.live.bench_listener import COMMAND_RATE, listen

        log = Path(folder) / "log"
        to_namespace = ("--ros-args", "-r", f"__ns:={NAMESPACE}")
        nodes = "rt_vla_ros.live.bench_nodes"
        name = str(policy).replace("'", "''")
        parameters = ("-p", f"policy:='{name}'", "-p", f"frame_id:={BASE_LINK}")
        processes = [
            graph.start(nodes, "camera", *to_namespace, log=log),
            graph.start(nodes, "echo", *to_namespace, log=log),
            graph.start(nodes, "policy", *to_namespace, *parameters, log=log),
            graph.start("rt_vla_ros.nodes.smoother_node", *to_namespace, log=log),
        ]
        begin = time.time()
        try:
            times = listen(NAMESPACE, seconds, lambda: all(process.poll() is None for process in processes))
            figures = summary(times, 1 / COMMAND_RATE)
        except (RuntimeError, ValueError) as error:
            output = log.read_text(errors="replace").strip()
            raise CliError(f"{error}\n{output[-2000:]}") from error
    about = {"policy": Path(policy).name, "seconds": seconds, "unix_time": round(begin), "cpus": os.cpu_count()}
    return {**about, "machine": platform.machine(), "python": platform.python_version(), **figures}
