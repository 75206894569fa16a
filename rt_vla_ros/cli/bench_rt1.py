"""`rt-vla bench rt1`: a step of RT-1-X, RT-1 and rt1-mini on this machine, and of the JAX example if given."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rt_vla_ros.out_file import check_out, write_json
from zenoh_ros.commands.errors import CliError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="also write the figures there")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="steps that are timed; 5")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--cuda-graphs", action="store_true", help="record both halves of a step on a GPU")
    parser.add_argument("--only", metavar="NETWORK", help="rt1-x, rt1 or rt1-mini alone")
    parser.add_argument(
        "--reference", type=Path, metavar="DIR", help="a checkout of open_x_embodiment; needs jax, flax"
    )
    parser.add_argument(
        "--reference-python", default=sys.executable, metavar="PYTHON", help="one that has jax and flax"
    )


def run(args: argparse.Namespace) -> int:
    """0; raises CliError where nothing can be measured."""
    check_out(args.out)
    if not 1 <= args.repeats <= 1000:
        raise CliError(f"--repeats is {args.repeats}, expected 1 to 1000.")
    models = None if args.reference is None else args.reference / "models"
    if models is not None and not (models / "rt1.py").is_file():
        raise CliError(f"{args.reference} has no models/rt1.py; give a checkout of google-deepmind/open_x_embodiment.")
    from rt_vla_ros.benchmarks.rt1 import CASES, RT1BenchSettings, measure, table
    from rt_vla_ros.policies.load import find_device

    cases = tuple(case for case in CASES if args.only in (None, case[0]))
    if not cases:
        raise CliError(f"--only is {args.only!r}, expected one of {', '.join(sorted({name for name, _ in CASES}))}.")
    try:
        device = str(find_device(args.device))
        settings = RT1BenchSettings(args.repeats, cases, device, models, args.reference_python, args.cuda_graphs)
        figures = measure(settings, lambda line: print(line, file=sys.stderr, flush=True))
    except (ValueError, OSError) as error:
        raise CliError(str(error)) from error
    print(table(figures))
    write_json(args.out, figures)
    return 0
