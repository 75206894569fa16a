"""Benchmarks: `rt-vla bench node` measures the latency from a camera image to a velocity command on a private graph.

`rt-vla bench rt1` times RT-1's networks, `rt-vla bench rt2` vision-language models, `rt-vla bench rt2-training` RT-2
training throughput; `rt-vla bench rt2-weights` counts the actions that int8 and int4 weights change. `rt-vla bench
batch` times several robots on one network, `rt-vla bench export` a policy and its ONNX exports, `rt-vla bench
serve` a policy server, `rt-vla bench link` one behind a slow link, `rt-vla bench arm` the inverse kinematics solver,
`rt-vla bench bag` the conversion of a bag, `rt-vla bench record` the cost of recording.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from rt_vla_ros.cli.main import refused
from rt_vla_ros.out_file import check_out, write_json
from rt_vla_ros.policies.checkpoint.resolve import WEIGHTS, find_checkpoint
from rt_vla_ros.policies.remote.address import is_remote
from zenoh_ros.commands.errors import CliError, did_you_mean
from zenoh_ros.commands.numbers import positive_int

UNTRAINED = "rt2-untrained"
NUMBER_TYPES = ("auto", "float32", "bfloat16")
COST = ("rt1-mini", 3, 15.0, 4)  # defaults of `bench console`: policy, pages, duration of a round [s], rounds
LONGEST_SOAK = 1440  # [min]
MOST_ROBOTS = 64
OWN_SERVER = "--policy is a remote policy; this command starts its own server: give a local policy."
LONGEST_ROUND_TRIP, MOST_LOST, MOST_CUTS = 5000.0, 0.5, 1000  # [ms], share, number
MOST = {"seconds": 3600, "repeats": 1000, "images": 10_000, "prompts": 10_000, "requests": 1_000_000, "viewers": 16}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    path = "latency image -> policy node -> smoother node -> command, and of a minimal subscriber/publisher baseline"
    node = what.add_parser("node", help=path)
    node.add_argument(
        "--policy", default="rt1-mini", metavar="PATH_OR_NAME", help="policy to run; its inference time is measured too"
    )
    node.add_argument(
        "--seconds", type=float, default=30.0, metavar="S", help="duration of the measurement (default 30)"
    )
    node.set_defaults(measure=_node, bounded=("seconds",))
    _console_arguments(
        what.add_parser("console", help="the latency from image to command with no, one and more console pages open")
    )
    faults = what.add_parser("faults", help="inject faults into the nodes and time how fast the simulated arm stops")
    faults.add_argument("--repeats", type=int, default=20, metavar="N", help="repetitions of each fault (default 20)")
    faults.add_argument("--only", nargs="+", action="extend", default=[], metavar="FAULT", help="only these faults")
    faults.add_argument("--seed", type=int, default=0, metavar="N", help="random seed of the fault times (default 0)")
    faults.add_argument(
        "--soak",
        type=float,
        default=0.0,
        metavar="MINUTES",
        help="instead of faults: watch the memory of the processes for this long",
    )
    faults.set_defaults(measure=_faults, bounded=("repeats",))
    _rt1_arguments(what.add_parser("rt1", help="RT-1: step time of each network, by component"))
    _rt2_arguments(what.add_parser("rt2", help="RT-2: this package's decoding compared with transformers' generate"))
    _batch_arguments(what.add_parser("batch", help="several robots on one network: batched compared with one by one"))
    export = what.add_parser("export", help="a policy and its exports: latency, size, and token agreement")
    export.add_argument("exported", nargs="+", metavar="DIR", help="directories written by `rt-vla export`")
    export.add_argument(
        "--policy", default="rt1-mini", metavar="PATH_OR_NAME", help="original policy (default rt1-mini)"
    )
    export.add_argument("--repeats", type=int, default=100, metavar="N", help="number of timed decisions (default 100)")
    export.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:N ...")
    export.add_argument("--threads", type=positive_int, metavar="N", help="CPU threads (default: all)")
    export.set_defaults(measure=_export, bounded=("repeats",))
    training = what.add_parser(
        "rt2-training", help="RT-2: training samples per second, compared with a plain transformers.Trainer"
    )
    training.add_argument(
        "--seconds", type=float, default=20.0, metavar="S", help="duration of each variant per round (default 20)"
    )
    training.add_argument("--repeats", type=int, default=3, metavar="N", help="rounds for the median (default 3)")
    training.add_argument("--threads", type=positive_int, metavar="N", help="CPU threads (default: all)")
    training.set_defaults(measure=_training, bounded=("seconds", "repeats"))
    arm = what.add_parser(
        "arm", help="inverse kinematics: end-effector velocity to joint velocities, including the pipe"
    )
    arm.add_argument("--requests", type=int, default=2000, metavar="N", help="number of timed requests (default 2000)")
    arm.add_argument("--solver-python", default="", metavar="PYTHON", help="Python interpreter with Pinocchio and Pink")
    arm.set_defaults(measure=_arm, bounded=("requests",))
    changed = "RT-2: number of actions of a checkpoint that int8 and int4 weights change"
    _weights_arguments(what.add_parser("rt2-weights", help=changed))
    served = "policy server: robot processes on loopback; batched compared with one by one"
    _serve_arguments(what.add_parser("serve", help=served))
    _link_arguments(
        what.add_parser("link", help="policy server: image to action over an emulated slow, lossy and cut link")
    )
    _bag_arguments(what.add_parser("bag", help="conversion speed of a bag with two VGA cameras, relative to real time"))
    _record_arguments(what.add_parser("record", help="recording two VGA cameras: lost messages and added latency"))
    for one in what.choices.values():
        one.add_argument("--out", type=Path, metavar="FILE.json", help="also write the results to this file")


def _console_arguments(parser: argparse.ArgumentParser) -> None:
    policy, viewers, seconds, repeats = COST
    parser.add_argument(
        "--policy", default=policy, metavar="PATH_OR_NAME", help="policy that acts meanwhile (default rt1-mini)"
    )
    parser.add_argument(
        "--viewers", type=int, default=viewers, metavar="N", help="maximum number of open pages (default 3)"
    )
    parser.add_argument(
        "--seconds", type=float, default=seconds, metavar="S", help="duration of each round (default 15)"
    )
    parser.add_argument("--repeats", type=int, default=repeats, metavar="N", help="number of rounds (default 4)")
    times = "instead: N times each in a real Chromium, STOP and lost connections while the arm moves"
    parser.add_argument("--in-browser", type=int, default=0, metavar="N", help=times)
    parser.set_defaults(measure=_console, bounded=("viewers", "seconds", "repeats"))


def _rt1_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--repeats", type=int, default=5, metavar="N", help="number of timed steps (default 5)")
    add("--device", default="cpu", help="cpu (default) or cuda")
    add("--cuda-graphs", action="store_true", help="use CUDA graphs for both halves of a step")
    add("--only", metavar="NETWORK", help="only this network: rt1-x, rt1 or rt1-mini")
    add("--reference", type=Path, metavar="DIR", help="checkout of open_x_embodiment to compare with; needs jax, flax")
    add("--reference-python", default=sys.executable, metavar="PYTHON", help="Python interpreter with jax and flax")
    parser.set_defaults(measure=_rt1, bounded=("repeats",))


def _rt2_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--shapes", nargs="+", action="extend", metavar="SHAPE", help="model shapes (default: depends on the device)")
    add("--repeats", type=int, default=5, metavar="N", help="rounds for the median (default 5)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1 ...")
    add("--weights", choices=NUMBER_TYPES, default="auto", help="auto: float32 on a CPU, else bfloat16")
    add("--images", type=int, default=10, metavar="N", help="number of actions compared in half precision (default 10)")
    add("--no-pack", action="store_true", help="do not repack linear layers on a CPU")
    add("--cuda-graphs", action="store_true", help="run fixed-shape passes as CUDA graphs")
    parser.set_defaults(measure=_rt2, bounded=("repeats", "images"))


def _batch_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--policy", default="rt1-mini", metavar="PATH_OR_NAME", help="RT-1 or RT-2 checkpoint (default rt1-mini)")
    add(
        "--batch-sizes",
        type=_sizes,
        default="1,2,4,8,16,32",
        metavar="N,N...",
        help="numbers of robots (default 1,2,4,8,16,32)",
    )
    add("--repeats", type=int, default=10, metavar="N", help="number of timed actions per robot (default 10)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1 ...")
    add("--weights", choices=NUMBER_TYPES, default="auto", help="auto: float32 on a CPU")
    add("--threads", type=positive_int, metavar="N", help="CPU threads (default: all)")
    parser.set_defaults(measure=_batch, bounded=("repeats",))


def _sizes(text: str) -> list[int]:
    return [positive_int(part) for part in text.split(",")]


def _weights_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--policy", default=UNTRAINED, metavar="PATH_OR_NAME", help="an RT-2 checkpoint")
    add("--shape", metavar="SHAPE", help="instead of a checkpoint: a shape of `bench rt2` with random weights")
    add(
        "--weights",
        nargs="+",
        default=["int8", "int4"],
        metavar="WAY",
        help="weight formats to compare (default int8 int4)",
    )
    add("--reference", default="auto", metavar="WAY", help="reference weight format (default auto)")
    add("--prompts", type=int, default=20, metavar="N", help="number of actions per format (default 20)")
    add("--images", type=Path, metavar="DIR", help="input images (default: random color blocks)")
    add("--instruction", nargs="+", action="extend", default=[], metavar="TEXT", help="instructions, used in turn")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1 ...")
    add("--trust-remote-code", action="store_true", help="run code of the checkpoint")
    parser.set_defaults(measure=_weights, bounded=("prompts",))


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--policy", default="rt1-mini", metavar="PATH_OR_NAME", help="policy to serve (default rt1-mini)"
    )
    parser.add_argument(
        "--robots", default="1,2,4,8", metavar="N,...", help="numbers of concurrent robots (default 1,2,4,8)"
    )
    parser.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="duration per number of robots (default 10)"
    )
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--ray", action="store_true", help="compare with a replica on Ray instead of one by one")
    whole = "compare continuous batching with whole batches instead of one by one (RT-2)"
    other.add_argument("--whole-batches", action="store_true", help=whole)
    parser.add_argument("--plan", action="store_true", help="an RT-2 writes a plan before each action")
    soak = "instead: check each answer and the memory while the last number of robots come and go for this long"
    parser.add_argument("--soak", type=float, default=0.0, metavar="MINUTES", help=soak)
    parser.set_defaults(measure=_serve, bounded=("seconds",))


def _link_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--policy", default="rt1-mini", metavar="PATH_OR_NAME", help="policy to serve (default rt1-mini)")
    add(
        "--round-trips",
        type=_numbers,
        default="0,20,80,200",
        metavar="MS,MS...",
        help="round-trip times of the link [ms] (default 0,20,80,200)",
    )
    add(
        "--losses",
        type=_numbers,
        default="0,0.01",
        metavar="P,P...",
        help="shares of lost TCP segments, each with every round-trip time (default 0,0.01)",
    )
    add("--cuts", type=int, default=5, metavar="N", help="number of cuts of 2 s, over the last link (default 5)")
    add("--seconds", type=float, default=10.0, metavar="S", help="duration for each link (default 10)")
    parser.set_defaults(measure=_link, bounded=("seconds",))


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected comma-separated numbers, got {text!r}") from None


def _bag_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--seconds", type=float, default=60.0, metavar="S", help="length of the bag (default 60)")
    add("--codecs", nargs="+", action="extend", metavar="CODEC", help="video codecs (default: all available)")
    add("--raw", action="store_true", help="uncompressed images (60 s: 3.2 GiB) instead of JPEG")
    parser.set_defaults(measure=_bag, bounded=("seconds",))


def _record_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--policy", default="rt1-mini", metavar="PATH_OR_NAME", help="policy that acts meanwhile (default rt1-mini)")
    add("--codec", default="lossless", metavar="CODEC", help="video codec (default lossless)")
    add("--seconds", type=float, default=20.0, metavar="S", help="duration of each round (default 20)")
    add("--repeats", type=int, default=3, metavar="N", help="rounds, each without and with the recorder (default 3)")
    parser.set_defaults(measure=_record, bounded=("seconds", "repeats"))


def run(args: argparse.Namespace) -> int:
    """Return 0; raises CliError where nothing can be measured."""
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
        raise CliError(f"--robots is {args.robots!r}, expected comma-separated numbers from 1 to {MOST_ROBOTS}.")
    _check_soak(args.soak)
    if args.soak and args.whole_batches:
        raise CliError("--whole-batches does not apply to --soak.")
    if is_remote(args.policy):
        raise CliError(OWN_SERVER)
    from rt_vla_ros.benchmarks.serving import RAY, WAYS, WHOLE, measure, table

    tell, robots = partial(print, file=sys.stderr, flush=True), [int(word) for word in words]
    if args.soak:
        return _serve_soak(args, robots[-1], tell)
    ways = RAY if args.ray else WHOLE if args.whole_batches else WAYS
    if args.plan:
        ways = {way: (*options, "--plan") for way, options in ways.items()}
    figures = measure(args.policy, robots, args.seconds, tell, ways)
    print(table(figures))
    return figures


def _serve_soak(args: argparse.Namespace, robots: int, tell: Callable[[str], None]) -> Any:
    from rt_vla_ros.benchmarks.serving_soak import measure, table

    options = (*(("--ray", "--replicas", "2") if args.ray else ()), *(("--plan",) if args.plan else ()))
    figures = measure(args.policy, robots, args.soak, tell, options)
    print(table(figures))
    return figures


def _link(args: argparse.Namespace) -> Any:
    for option, values, most in (
        ("--round-trips", args.round_trips, LONGEST_ROUND_TRIP),
        ("--losses", args.losses, MOST_LOST),
        ("--cuts", [args.cuts], MOST_CUTS),
    ):
        if not all(0 <= value <= most for value in values):
            given = ",".join(f"{value:g}" for value in values)
            raise CliError(f"{option} is {given}, expected 0 to {most:g}.")
    find_checkpoint(args.policy)
    if is_remote(args.policy):
        raise CliError(OWN_SERVER)
    from rt_vla_ros.benchmarks.slow_link import table
    from rt_vla_ros.live.slow_link_run import measure

    tell = partial(print, file=sys.stderr, flush=True)
    round_trips = [value / 1000 for value in args.round_trips]
    figures = measure(args.policy, round_trips, args.losses, args.seconds, args.cuts, tell)
    print(table(figures))
    return figures


def _console(args: argparse.Namespace) -> Any:
    if args.in_browser:
        if (args.policy, args.viewers, args.seconds, args.repeats) != COST:
            raise CliError("--in-browser measures something else: leave out the other options.")
        return _in_browser(args.in_browser)
    find_checkpoint(args.policy)
    from rt_vla_ros.benchmarks.console_cost import table
    from rt_vla_ros.live.console_cost_run import measure

    tell = partial(print, file=sys.stderr, flush=True)
    figures = measure(args.policy, args.viewers, args.seconds, args.repeats, tell)
    print(table(figures["rows"]))
    return figures


def _in_browser(repeats: int) -> Any:
    if not 1 <= repeats <= MOST["repeats"]:
        raise CliError(f"--in-browser is {repeats}, expected 1 to {MOST['repeats']}.")
    from rt_vla_ros.benchmarks.console_times import table
    from rt_vla_ros.live.console_times_run import measure

    figures = measure(repeats, partial(print, file=sys.stderr, flush=True))
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


def _record(args: argparse.Namespace) -> Any:
    find_checkpoint(args.policy)
    from rt_vla_ros.benchmarks.bag_conversion import encoders
    from rt_vla_ros.benchmarks.recording_cost import table
    from rt_vla_ros.live.recording_cost_run import measure

    _check_name("is no codec", args.codec, encoders())
    tell = partial(print, file=sys.stderr, flush=True)
    figures = measure(args.policy, args.seconds, args.repeats, args.codec, tell)
    print(table(figures))
    return figures


def _check_soak(minutes: float) -> None:
    if not 0 <= minutes <= LONGEST_SOAK:
        raise CliError(f"--soak is {minutes:g}, expected up to {LONGEST_SOAK} minutes.")


def _faults(args: argparse.Namespace) -> Any:
    _check_soak(args.soak)
    from rt_vla_ros.live.faults.run import measure

    return measure(args.repeats, args.only, args.seed, partial(print, flush=True), soak=args.soak)


def _rt1(args: argparse.Namespace) -> Any:
    if args.reference is None and args.reference_python != sys.executable:
        raise CliError("--reference-python needs --reference DIR; give both.")
    models = None if args.reference is None else args.reference / "models"
    if models is not None and not (models / "rt1.py").is_file():
        raise CliError(
            f"{args.reference} has no models/rt1.py; expected a checkout of google-deepmind/open_x_embodiment."
        )
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
            raise CliError("--shape replaces the checkpoint: leave out --policy and --trust-remote-code.")

    def load(weights: str) -> RT2Policy:
        if args.shape is not None:
            return shape_policy(SHAPES[args.shape], weights, find_device(args.device))
        policy = load_policy(args.policy, device=args.device, weights=weights, trust_remote_code=args.trust_remote_code)
        if not isinstance(policy, RT2Policy):
            raise ValueError(f"{args.policy} is not an RT-2 policy; only those have int8 and int4 weights.")
        return policy

    prompts = partial(make_prompts, count=args.prompts, folder=args.images, instructions=args.instruction)
    figures = compare(load, ways, prompts)
    name = args.shape or args.policy
    print(f"{name}: {table(figures)}")
    return {"policy": name, **figures}


def _check_name(there: str, name: str, choices: Iterable[str]) -> None:
    if name not in choices:
        raise CliError(f"there {there} {name!r}. {did_you_mean(name, choices)}")
