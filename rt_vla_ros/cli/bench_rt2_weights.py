"""`rt-vla bench rt2-weights`: what int8 and int4 weights change in a checkpoint's actions, and their size."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from rt_vla_ros.out_file import check_out, write_json
from zenoh_ros.commands.errors import CliError, did_you_mean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--policy", default="rt2-untrained", metavar="PATH_OR_NAME", help="an RT-2 checkpoint")
    parser.add_argument("--shape", metavar="SHAPE", help="in place of a checkpoint: a shape of `bench rt2`, random")
    parser.add_argument("--weights", nargs="+", default=["int8", "int4"], metavar="WAY", help="int8 int4, and others")
    parser.add_argument("--reference", default="auto", metavar="WAY", help="the reference format; auto")
    parser.add_argument("--prompts", type=int, default=20, metavar="N", help="number of actions of each; 20")
    parser.add_argument("--images", type=Path, metavar="DIR", help="input images; default: seeded blocks of colour")
    parser.add_argument("--instruction", nargs="+", default=[], metavar="TEXT", help="instructions, in turn")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ...")
    parser.add_argument("--trust-remote-code", action="store_true", help="run Python code of the checkpoint")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="also write the figures there")


def run(args: argparse.Namespace) -> int:
    """0; raises CliError where nothing can be compared."""
    _check(args)
    from rt_vla_ros.benchmarks.rt2_shapes import SHAPES
    from rt_vla_ros.benchmarks.rt2_weights import compare, make_prompts, shape_policy, table
    from rt_vla_ros.policies.checkpoint.resolve import WEIGHTS
    from rt_vla_ros.policies.load import find_device, load_policy
    from rt_vla_ros.policies.rt2.policy import RT2Policy

    ways = [args.reference, *(way for way in args.weights if way != args.reference)]
    for way in ways:
        if way not in WEIGHTS:
            raise CliError(f"there are no weights {way!r}. {did_you_mean(way, WEIGHTS)}")

    if args.shape is not None and args.shape not in SHAPES:
        raise CliError(f"there is no shape {args.shape!r}. {did_you_mean(args.shape, SHAPES)}")

    def load(weights: str) -> RT2Policy:
        if args.shape is not None:
            return shape_policy(SHAPES[args.shape], weights, find_device(args.device))
        policy = load_policy(args.policy, device=args.device, weights=weights, trust_remote_code=args.trust_remote_code)
        if not isinstance(policy, RT2Policy):
            raise ValueError(f"{args.policy} is no RT-2 policy; others have no int8 and int4 weights.")
        return policy

    prompts = partial(make_prompts, count=args.prompts, folder=args.images, instructions=args.instruction)
    try:
        figures = compare(load, ways, prompts)
    except (ValueError, OSError) as error:
        raise CliError(str(error)) from error
    name = args.shape or args.policy
    print(f"{name}: {table(figures)}")
    write_json(args.out, {"policy": name, **figures})
    return 0


def _check(args: argparse.Namespace) -> None:
    if not 1 <= args.prompts <= 10_000:
        raise CliError(f"--prompts is {args.prompts}, expected 1 to 10000.")
    check_out(args.out)
