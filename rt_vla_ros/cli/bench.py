"""Benchmarks: `rt-vla bench node` measures the latency from a camera image to a velocity command on a private graph.

`rt-vla bench rt1` times RT-1's networks, `rt-vla bench rt2` vision-language models; `rt-vla bench rt2-weights` counts
how many actions int8 and int4 weights change.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rt_vla_ros.cli import bench_rt1, bench_rt2, bench_rt2_weights
from rt_vla_ros.out_file import check_out, write_json
from rt_vla_ros.policies.checkpoint.resolve import find_checkpoint
from zenoh_ros.commands.errors import CliError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    node = what.add_parser(
        "node", help="image -> policy node -> smoother node -> command, and a minimal pair of nodes for comparison"
    )
    node.add_argument("--out", type=Path, metavar="FILE.json", help="also write the figures there")
    node.add_argument("--policy", default="rt1-mini", metavar="PATH_OR_NAME", help="whose inference is measured too")
    node.add_argument("--seconds", type=float, default=30.0, metavar="S", help="duration of the measurement; 30")
    bench_rt1.add_arguments(what.add_parser("rt1", help="RT-1: a step of each network, part by part"))
    bench_rt2.add_arguments(what.add_parser("rt2", help="RT-2: transformers' generate and the decoding engine"))
    bench_rt2_weights.add_arguments(
        what.add_parser("rt2-weights", help="RT-2: what int8 and int4 weights change in a checkpoint's actions")
    )


def run(args: argparse.Namespace) -> int:
    """0; raises CliError where nothing can be measured."""
    if args.what == "rt1":
        return bench_rt1.run(args)
    if args.what == "rt2":
        return bench_rt2.run(args)
    if args.what == "rt2-weights":
        return bench_rt2_weights.run(args)
    if not 1 <= args.seconds <= 3600:
        raise CliError(f"--seconds is {args.seconds:g}, expected 1 to 3600.")
    try:
        find_checkpoint(args.policy)
    except ValueError as error:
        raise CliError(str(error)) from error
    check_out(args.out)
    from rt_vla_ros.benchmarks.node_path import table
    from rt_vla_ros.live.bench_run import measure

    figures = measure(args.policy, args.seconds)
    print(table(figures))
    write_json(args.out, figures)
    return 0
