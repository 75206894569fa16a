"""Benchmarks: `rt-vla bench node` measures the latency from a camera image to a velocity command on a private graph.

`rt-vla bench rt1` times RT-1's networks, `rt-vla bench rt2` vision-language models, `rt-vla bench rt2-training` how
fast one learns; `rt-vla bench rt2-weights` counts how many actions int8 and int4 weights change. `rt-vla bench batch`
times several robots on one network, `rt-vla bench export` a policy beside its exports to ONNX, `rt-vla bench serve` a
policy server, `rt-vla bench arm` the solver of the inverse kinematics, `rt-vla bench bag` the conversion of a bag.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from rt_vla_ros.cli.main import refused
from rt_vla_ros.out_file import check_out, write_json
from rt_vla_ros.policies.checkpoint.resolve import WEIGHTS, find_checkpoint
from zenoh_ros.commands.errors import CliError, did_you_mean
from zenoh_ros.commands.numbers import positive_int

UNTRAINED = "rt2-untrained"
NUMBER_TYPES = ("auto", "float32", "bfloat16")
LONGEST_SOAK = 1440  # [min]
MOST_ROBOTS = 64
MOST = {"seconds": 3600, "repeats": 1000, "images": 10_000, "prompts": 10_000, "requests": 1_000_000, "viewers": 16}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    path = "image -> policy node -> smoother node -> command, and a minimal pair of nodes for comparison"
    node = what.add_parser("node", help=path)
    node.add_argument("--policy", default="rt1-mini", metavar="PATH_OR_NAME", help="whose inference is measured too")
    node.add_argument("--seconds", type=float, default=30.0, metavar="S", help="duration of the measurement; 30")
    node.set_defaults(measure=_node, bounded=("seconds",))
    console = what.add_parser("console", help="the same with none, one and more pages of the console open, in turn")
    console.add_argument("--policy", default="rt1-mini", metavar="PATH_OR_NAME", help="that acts meanwhile; rt1-mini")
    console.add_argument("--viewers", type=int, default=3, metavar="N", help="pages that are open at most; 3")
    console.add_argument("--seconds", type=float, default=15.0, metavar="S", help="of each round; 15")
    console.add_argument("--repeats", type=int, default=4, metavar="N", help="of the rounds; 4")
    console.set_defaults(measure=_console, bounded=("viewers", "seconds", "repeats"))
    faults = what.add_parser("faults", help="kills, stops and damages the nodes and times the simulated arm")
    faults.add_argument("--repeats", type=int, default=20, metavar="N", help="of each fault; 20")
    faults.add_argument("--only", nargs="+", action="extend", default=[], metavar="FAULT", help="these alone")
    faults.add_argument("--seed", type=int, default=0, metavar="N", help="of the random moments; 0")
    faults.add_argument(
        "--soak", type=float, default=0.0, metavar="MINUTES", help="no faults: is the processes' memory flat so long?"
    )
    faults.set_defaults(measure=_faults, bounded=("repeats",))
    _rt1_arguments(what.add_parser("rt1", help="RT-1: a step of each network, part by part"))
    _rt2_arguments(what.add_parser("rt2", help="RT-2: transformers' generate and the decoding engine"))
    _batch_arguments(what.add_parser("batch", help="several robots on one network, beside one after the other"))
    export = what.add_parser("export", help="a policy beside its exports to ONNX: time, size, and equal tokens")
    export.add_argument("exported", nargs="+", metavar="DIR.onnx", help="what `rt-vla export` has written")
    export.add_argument("--policy", default="rt1-mini", metavar="PATH_OR_NAME", help="the original; rt1-mini")
    export.add_argument("--repeats", type=int, default=100, metavar="N", help="decisions that are timed; 100")
    export.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:N ...")
    export.add_argument("--threads", type=positive_int, metavar="N", help="of the CPU (default: all)")
    export.set_defaults(measure=_export, bounded=("repeats",))
    training = what.add_parser("rt2-training", help="RT-2: samples a second beside a plain transformers.Trainer")
    training.add_argument("--seconds", type=float, default=20.0, metavar="S", help="of each way in a round; 20")
    training.add_argument("--repeats", type=int, default=3, metavar="N", help="rounds, for the median; 3")
    training.add_argument("--threads", type=positive_int, metavar="N", help="of the CPU (default: all)")
    training.set_defaults(measure=_training, bounded=("seconds", "repeats"))
    arm = what.add_parser("arm", help="the solver that turns the tip's velocity into joint velocities, pipe included")
    arm.add_argument("--requests", type=int, default=2000, metavar="N", help="answers that are timed; 2000")
    arm.add_argument("--solver-python", default="", metavar="PYTHON", help="one that has Pinocchio and Pink")
    arm.set_defaults(measure=_arm, bounded=("requests",))
    changed = "RT-2: what int8 and int4 weights change in a checkpoint's actions"
    _weights_arguments(what.add_parser("rt2-weights", help=changed))
    serve = what.add_parser("serve", help="a policy server: robots as processes on loopback, batched and one by one")
    serve.add_argument("--policy", default="rt1-mini", metavar="PATH_OR_NAME", help="what is served; rt1-mini")
    serve.add_argument("--robots", default="1,2,4,8", metavar="N,...", help="how many at a time; 1,2,4,8")
    serve.add_argument("--seconds", type=float, default=10.0, metavar="S", help="of each; 10")
    serve.set_defaults(measure=_serve, bounded=("seconds",))
    _bag_arguments(what.add_parser("bag", help="converts a bag with two VGA cameras: is it faster than playing it?"))
    for one in what.choices.values():
        one.add_argument("--out", type=Path, metavar="FILE.json", help="also write the figures there")


def _rt1_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--repeats", type=int, default=5, metavar="N", help="steps that are timed; 5")
    add("--device", default="cpu", help="cpu (default) or cuda")
    add("--cuda-graphs", action="store_true", help="record both halves of a step on a GPU")
    add("--only", metavar="NETWORK", help="rt1-x, rt1 or rt1-mini alone")
    add("--reference", type=Path, metavar="DIR", help="a checkout of open_x_embodiment; needs jax, flax")
    add("--reference-python", default=sys.executable, metavar="PYTHON", help="one that has jax and flax")
    parser.set_defaults(measure=_rt1, bounded=("repeats",))


def _rt2_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--shapes", nargs="+", action="extend", metavar="SHAPE", help="which models; default: by the device")
    add("--repeats", type=int, default=5, metavar="N", help="rounds, for the median; 5")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1 ...")
    add("--weights", choices=NUMBER_TYPES, default="auto", help="auto: float32 on a CPU, else bfloat16")
    add("--images", type=int, default=10, metavar="N", help="actions compared in half precision; 10")
    add("--no-pack", action="store_true", help="do not repack linear layers on a CPU")
    add("--cuda-graphs", action="store_true", help="passes of fixed shapes as CUDA graphs")
    parser.set_defaults(measure=_rt2, bounded=("repeats", "images"))


def _batch_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--policy", default="rt1-mini", metavar="PATH_OR_NAME", help="an RT-1 or RT-2 checkpoint; rt1-mini")
    add("--batch-sizes", type=_sizes, default="1,2,4,8,16,32", metavar="N,N...", help="robots; 1,2,4,8,16,32")
    add("--repeats", type=int, default=10, metavar="N", help="actions of each robot that are timed; 10")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1 ...")
    add("--weights", choices=NUMBER_TYPES, default="auto", help="auto: float32 on a CPU")
    add("--threads", type=positive_int, metavar="N", help="of the CPU (default: all)")
    parser.set_defaults(measure=_batch, bounded=("repeats",))


def _sizes(text: str) -> list[int]:
    return [positive_int(part) for part in text.split(",")]


def _weights_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--policy", default=UNTRAINED, metavar="PATH_OR_NAME", help="an RT-2 checkpoint")
    add("--shape", metavar="SHAPE", help="in place of a checkpoint: a shape of `bench rt2`, random")
    add("--weights", nargs="+", default=["int8", "int4"], metavar="WAY", help="int8 int4, and others")
    add("--reference", default="auto", metavar="WAY", help="the reference format; auto")
    add("--prompts", type=int, default=20, metavar="N", help="number of actions of each; 20")
    add("--images", type=Path, metavar="DIR", help="input images; default: seeded blocks of colour")
    add("--instruction", nargs="+", action="extend", default=[], metavar="TEXT", help="instructions, in turn")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1 ...")
    add("--trust-remote-code", action="store_true", help="run Python code of the checkpoint")
    parser.set_defaults(measure=_weights, bounded=("prompts",))


def _bag_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--seconds", type=float, default=60.0, metavar="S", help="of the bag; 60")
    add("--codecs", nargs="+", action="extend", metavar="CODEC", help="of the videos; default: all that are there")
    add("--raw", action="store_true", help="images as they are (60 s: 3.2 GiB) in place of JPEG")
    parser.set_defaults(measure=_bag, bounded=("seconds",))


def run(args: argparse.Namespace) -> int:
    """0; raises CliError where nothing can be measured."""
    for name in args.bounded:
        if not 1 <= getattr(args, name) <= MOST[name]:
            raise CliError(f"--{name} is {getattr(args, name):g}, expected 1 to {MOST[name]}.")
    check_out(args.out)
    with refused(ValueError):
        figures = args.measure(args)
    write_json(args.out, figures)
    return 0


def _node(args: argparse.Namespace) -> Any:
    find_checkpoint(args.policy)
    from rt_vla_ros.benchmarks.node_path import table
    from rt_vla_ros.live.bench_run import measure

    figures = measure(args.policy, args.seconds)
    print(table(figures))
    return figures


def _serve(args: argparse.Namespace) -> Any:
    find_checkpoint(args.policy)
    words = args.robots.split(",")
    if not all(word.isdecimal() and 1 <= int(word) <= MOST_ROBOTS for word in words):
        raise CliError(f"--robots is {args.robots!r}, expected numbers of 1 to {MOST_ROBOTS} with commas between.")
    from rt_vla_ros.benchmarks.serving import measure, table

    figures = measure(args.policy, [int(word) for word in words], args.seconds, partial(print, file=sys.stderr))
    print(table(figures))
    return figures


def _console(args: argparse.Namespace) -> Any:
    find_checkpoint(args.policy)
    from rt_vla_ros.benchmarks.console_cost import table
    from rt_vla_ros.live.console_cost_run import measure

    tell = partial(print, file=sys.stderr, flush=True)
    figures = measure(args.policy, args.viewers, args.seconds, args.repeats, tell)
    print(table(figures["rows"]))
    return figures


def _arm(args: argparse.Namespace) -> Any:
    from rt_vla_ros.benchmarks.arm_solver import measure, table

    figures = measure(args.requests, args.solver_python)
    print(table(figures))
    return figures


def _bag(args: argparse.Namespace) -> Any:
    from rt_vla_ros.benchmarks.bag_conversion import encoders, measure, table

    there = encoders()
    for name in args.codecs or ():
        _check_name("is no codec", name, there)
    figures = measure(args.seconds, args.codecs or there, partial(print, flush=True), raw=args.raw)
    print(table(figures))
    return figures


def _faults(args: argparse.Namespace) -> Any:
    if not 0 <= args.soak <= LONGEST_SOAK:
        raise CliError(f"--soak is {args.soak:g}, expected up to {LONGEST_SOAK} minutes.")
    from rt_vla_ros.live.faults.run import measure

    return measure(args.repeats, args.only, args.seed, partial(print, flush=True), soak=args.soak)


def _rt1(args: argparse.Namespace) -> Any:
    if args.reference is None and args.reference_python != sys.executable:
        raise CliError("--reference-python is for --reference DIR; name both.")
    models = None if args.reference is None else args.reference / "models"
    if models is not None and not (models / "rt1.py").is_file():
        raise CliError(f"{args.reference} has no models/rt1.py; give a checkout of google-deepmind/open_x_embodiment.")
    from rt_vla_ros.benchmarks.rt1 import CASES, measure, table
    from rt_vla_ros.policies.load import find_device

    cases = tuple(case for case in CASES if args.only in (None, case[0]))
    if not cases:
        raise CliError(f"--only is {args.only!r}, expected one of {', '.join(sorted({name for name, _ in CASES}))}.")
    device = str(find_device(args.device))
    options = {"repeats": args.repeats, "python": args.reference_python, "cuda_graphs": args.cuda_graphs}
    figures = measure(cases, models, device=device, tell=partial(print, file=sys.stderr, flush=True), **options)
    print(table(figures))
    return figures


def _rt2(args: argparse.Namespace) -> Any:
    from rt_vla_ros.benchmarks.rt2 import measure, table
    from rt_vla_ros.benchmarks.rt2_shapes import FOR_CPU, FOR_GPU, SHAPES
    from rt_vla_ros.policies.load import find_device
    from rt_vla_ros.policies.rt2.loading.quantization import number_type

    device = find_device(args.device)
    names = args.shapes or (FOR_GPU if device.type == "cuda" else FOR_CPU)
    for name in names:
        _check_name("is no shape", name, SHAPES)
    options = {"repeats": args.repeats, "images": args.images}
    options |= {"pack": not args.no_pack, "fixed_shapes": args.cuda_graphs}
    results = []
    for name in names:
        with refused(RuntimeError):
            results.append(measure(name, SHAPES[name], device, number_type(args.weights, device), **options))
        print(table(results[-1:]), flush=True)
    return results


def _batch(args: argparse.Namespace) -> Any:
    find_checkpoint(args.policy)
    from rt_vla_ros.benchmarks.batches import measure, table
    from rt_vla_ros.policies.load import load_policy
    from rt_vla_ros.policies.shared import share_policy
    from rt_vla_ros.policies.threads import set_threads

    if args.threads:
        set_threads(args.threads)
    shared = share_policy(load_policy(args.policy, device=args.device, weights=args.weights))
    tell = partial(print, file=sys.stderr, flush=True)
    figures = measure(shared, args.batch_sizes, repeats=args.repeats, tell=tell)
    print(table(figures))
    return figures


def _export(args: argparse.Namespace) -> Any:
    for name in (args.policy, *args.exported):
        find_checkpoint(name)
    from rt_vla_ros.benchmarks.exported import measure, table
    from rt_vla_ros.policies.threads import set_threads

    if args.threads:
        set_threads(args.threads)
    with refused(ImportError):
        figures = measure(args.policy, args.exported, args.repeats, args.device)
    print(table(figures))
    return figures


def _training(args: argparse.Namespace) -> Any:
    from rt_vla_ros.benchmarks.rt2_training import measure, table
    from rt_vla_ros.policies.threads import set_threads

    if args.threads:
        set_threads(args.threads)
    figures = measure(args.seconds, args.repeats)
    print(table(figures))
    return figures


def _weights(args: argparse.Namespace) -> Any:
    from rt_vla_ros.benchmarks.rt2_shapes import SHAPES
    from rt_vla_ros.benchmarks.rt2_weights import compare, make_prompts, shape_policy, table
    from rt_vla_ros.policies.load import find_device, load_policy
    from rt_vla_ros.policies.rt2.policy import RT2Policy

    ways = [args.reference, *(way for way in args.weights if way != args.reference)]
    for way in ways:
        _check_name("are no weights", way, WEIGHTS)
    if args.shape is not None:
        _check_name("is no shape", args.shape, SHAPES)
        if args.policy != UNTRAINED or args.trust_remote_code:
            raise CliError("--shape is in place of a checkpoint: leave out --policy and --trust-remote-code.")

    def load(weights: str) -> RT2Policy:
        if args.shape is not None:
            return shape_policy(SHAPES[args.shape], weights, find_device(args.device))
        policy = load_policy(args.policy, device=args.device, weights=weights, trust_remote_code=args.trust_remote_code)
        if not isinstance(policy, RT2Policy):
            raise ValueError(f"{args.policy} is no RT-2 policy; others have no int8 and int4 weights.")
        return policy

    prompts = partial(make_prompts, count=args.prompts, folder=args.images, instructions=args.instruction)
    figures = compare(load, ways, prompts)
    name = args.shape or args.policy
    print(f"{name}: {table(figures)}")
    return {"policy": name, **figures}


def _check_name(there: str, name: str, choices: Iterable[str]) -> None:
    if name not in choices:
        raise CliError(f"there {there} {name!r}. {did_you_mean(name, choices)}")
