"""Check and time everything in this package that uses a GPU (or a CPU), part by part.

With --out the results are written after each part, and the same command resumes: parts that passed with the same
device, torch and version of this package are kept, the others run again. Benchmarks use published model sizes on a GPU
and small ones on a CPU, where everything runs in one thread. Exit code: 0 all passed or skipped, 1 a part failed, 2
invalid arguments.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from rt_vla_ros.out_file import check_out
from rt_vla_ros.policies.load import find_device
from rt_vla_ros.selftest import parts as table
from rt_vla_ros.selftest.runner import FAILED, PASSED, SKIPPED, Machine, Part, ResultsFile, run_parts, versions
from zenoh_ros.commands.errors import CliError, did_you_mean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda, cuda:1 ...")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="results file; resumes if it exists")
    parser.add_argument("--overwrite", action="store_true", help="overwrite the results in FILE.json")
    alone = "run only these parts; `rt2` selects all names that start with `rt2-`"
    parser.add_argument("--only", nargs="+", action="extend", metavar="PART", help=alone)
    parser.add_argument("--list", action="store_true", help="list the parts and exit")


def run(args: argparse.Namespace) -> int:
    """Return 0 if everything passed or was skipped, 1 if something failed. Raises CliError."""
    parts = _chosen(args.only)
    if args.list:
        width = max(len(part.name) for part in parts)
        print("\n".join(f"{part.name:<{width}}  {part.summary}" for part in parts))
        return 0
    check_out(args.out)
    with tempfile.TemporaryDirectory(prefix="rt-vla-selftest-") as folder:
        try:
            machine = Machine(find_device(args.device))
            file = ResultsFile(args.out or Path(folder) / "results.json", overwrite=args.overwrite)
        except ValueError as error:
            hint = " Choose another --out, or overwrite it with --overwrite." if args.out and args.out.exists() else ""
            raise CliError(f"{error}{hint}") from error
        if not machine.on_gpu:
            torch.set_num_threads(1)  # threads that wait for each other are slow beside other work
        _run_all(parts, machine, file)
    print(_figures(parts, machine, file))
    if args.out is not None:
        print(f"Written: {args.out}")
    return int(any(file.results[part.name].status == FAILED for part in parts))


def _chosen(names: Sequence[str] | None) -> Sequence[Part]:
    try:
        return table.PARTS if names is None else table.chosen(names)
    except KeyError as error:
        (name,) = error.args
        known = did_you_mean(name, [part.name for part in table.PARTS])
        raise CliError(f"there is no part {name!r}. {known} `rt-vla selftest --list` shows all parts.") from error


def _run_all(parts: Sequence[Part], machine: Machine, file: ResultsFile) -> None:
    """Run the parts here, and those left over after the loss of the GPU in a new process."""
    rest = run_parts(parts, machine, file)
    if rest:
        print("This process lost the GPU; a new process runs the remaining parts.", flush=True)
        names, place = [part.name for part in rest], ("--device", str(machine.device), "--out", str(file.path))
        subprocess.run([sys.executable, "-m", "rt_vla_ros.cli", "selftest", *place, "--only", *names], check=False)
        file.read()


def _figures(parts: Sequence[Part], machine: Machine, file: ResultsFile) -> str:
    results = [file.results[part.name] for part in parts]
    tables = [result.table for result in results if result.table]
    counts = [f"{sum(result.status == status for result in results)} {status}" for status in (PASSED, FAILED, SKIPPED)]
    about = ", ".join(f"{name} {version}" for name, version in versions(machine).items() if name != "device")
    took = sum(result.seconds for result in results)
    return "\n".join(["", f"{machine.name}; {about}", *tables, f"{', '.join(counts)}; {took:.0f} s in total."])
