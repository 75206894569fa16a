"""`rt-vla bench rt2`: vision-language models with random weights, transformers' `generate` and ours."""

from __future__ import annotations

import argparse
from pathlib import Path

from rt_vla_ros.out_file import check_out, write_json
from zenoh_ros.commands.errors import CliError, did_you_mean

NUMBER_TYPES = ("auto", "float32", "bfloat16")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="also write the figures there")
    parser.add_argument("--shapes", nargs="+", metavar="SHAPE", help="which models; default: by the device")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="rounds, for the median; 5")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ...")
    parser.add_argument("--weights", choices=NUMBER_TYPES, default="auto", help="auto: float32 on a CPU, else bfloat16")
    parser.add_argument("--images", type=int, default=10, metavar="N", help="actions compared in half precision; 10")
    parser.add_argument("--no-pack", action="store_true", help="do not repack linear layers on a CPU")
    parser.add_argument("--cuda-graphs", action="store_true", help="passes of fixed shapes as CUDA graphs")


def run(args: argparse.Namespace) -> int:
    """0; raises CliError where nothing can be measured."""
    from rt_vla_ros.benchmarks.rt2 import RT2BenchOptions, measure, table
    from rt_vla_ros.benchmarks.rt2_shapes import FOR_CPU, FOR_GPU, SHAPES
    from rt_vla_ros.policies.load import find_device
    from rt_vla_ros.policies.rt2.loading.quantization import number_type

    if not 1 <= args.repeats <= 1000:
        raise CliError(f"--repeats is {args.repeats}, expected 1 to 1000.")
    if not 1 <= args.images <= 10_000:
        raise CliError(f"--images is {args.images}, expected 1 to 10000.")
    check_out(args.out)
    try:
        device = find_device(args.device)
    except ValueError as error:
        raise CliError(str(error)) from error
    names = args.shapes or (FOR_GPU if device.type == "cuda" else FOR_CPU)
    for name in names:
        if name not in SHAPES:
            raise CliError(f"there is no shape {name!r}. {did_you_mean(name, SHAPES)}")
    options = RT2BenchOptions(args.repeats, not args.no_pack, args.cuda_graphs, args.images)
    results = []
    for name in names:
        try:
            results.append(measure(name, SHAPES[name], device, number_type(args.weights, device), options))
        except RuntimeError as error:
            raise CliError(str(error)) from error
        print(table(results[-1:]), flush=True)
    write_json(args.out, results)
    return 0
