"""Export a policy for small machines: `rt-vla export CHECKPOINT --to onnx --out DIR.onnx`, or `--to aot --out DIR.aot`.

The directory is a policy like any other (`--policy DIR.onnx`, `policy:=DIR.onnx`), run by onnxruntime: an RT-1 as three
graphs, an RT-2 (rt2-mini and others, see docs/export.md) as two, with its action card and what else it needs. Its
logits are compared with the original's before anything is written. `--to aot` compiles the graphs to machine code for
the CPU of this machine, with torch's AOTInductor.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from rt_vla_ros.cli.main import refused
from rt_vla_ros.policies.checkpoint.files import EXPORTED
from rt_vla_ros.policies.checkpoint.resolve import REMOTE, RT1_FAMILIES, WORDLESS, resolve
from rt_vla_ros.sim.suites import find_suite
from zenoh_ros.commands.errors import CliError
from zenoh_ros.commands.numbers import positive_int

FORMATS = ONNX, AOT = ("onnx", "aot")
DEFAULT_SUITE, DEFAULT_EPISODES = "pick-any", 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="name or path of a policy, such as rt1-mini or rt2-mini")
    add("--to", choices=FORMATS, default=ONNX, help="onnxruntime (default), or machine code for this CPU")
    add("--out", type=Path, required=True, metavar="DIR", help="output directory, such as DIR.onnx; must not exist")
    add("--opset", type=positive_int, metavar="N", help="ONNX opset; a lower one for older runtimes (default 20)")
    add("--int8", action="store_true", help="RT-1: int8 weights, which are smaller, but the tokens may differ")
    data = f"with --int8: dataset, or suite to run the policy on (default {DEFAULT_SUITE})"
    add("--calibration", metavar="DATA|SUITE", help=data)
    add(
        "--episodes",
        type=positive_int,
        metavar="N",
        help=f"with --int8: calibration episodes (default {DEFAULT_EPISODES})",
    )


@refused(ValueError, ImportError)
def run(args: argparse.Namespace) -> int:
    """Return 0; raises CliError where nothing was written."""
    if not args.int8 and (args.calibration is not None or args.episodes is not None):
        raise CliError("--calibration and --episodes require --int8.")
    for option, given in (("--int8", args.int8), ("--opset", args.opset is not None)):
        if given and args.to == AOT:
            raise CliError(f"{option} applies to --to onnx only; omit it, or use --to onnx.")
    tell = partial(print, file=sys.stderr, flush=True)
    checkpoint = resolve(args.checkpoint, tell)
    # Importing torch takes seconds: report a misspelt name first.
    from rt_vla_ros.evaluation.provenance import checkpoint_hash
    from rt_vla_ros.policies.exported.engines import AotEngine, OnnxEngine
    from rt_vla_ros.policies.exported.rt1_writer import export_rt1
    from rt_vla_ros.policies.exported.rt2_writer import export_rt2
    from rt_vla_ros.policies.exported.to_onnx import OLDEST_OPSET, OPSET

    opset = OPSET if args.opset is None else args.opset
    if opset < OLDEST_OPSET:
        raise CliError(f"--opset is {opset}, expected {OLDEST_OPSET} or more, the oldest that torch can export.")
    watch = None
    if args.int8 and checkpoint.family not in (*WORDLESS, *EXPORTED, REMOTE):
        raise CliError("--int8 quantizes RT-1 policies only; an RT-2 is exported in float32. Omit --int8.")
    if args.int8:
        from rt_vla_ros.evaluation.calibration import calibrate

        source, episodes = args.calibration or DEFAULT_SUITE, args.episodes or DEFAULT_EPISODES
        if not Path(source).expanduser().is_dir():
            find_suite(source)
        watch = partial(calibrate, source=source, episodes=episodes)
    original = "" if checkpoint.directory is None or checkpoint.family == REMOTE else checkpoint_hash(args.checkpoint)
    engine = AotEngine() if args.to == AOT else OnnxEngine(opset)
    if checkpoint.family in RT1_FAMILIES:
        made = export_rt1(checkpoint, args.out, original or "", engine=engine, watch=watch, tell=tell)
    else:
        made = export_rt2(checkpoint, args.out, original or "", engine=engine, tell=tell)
    size = sum(made.graph_path(args.out, name).stat().st_size for name in made.graphs)
    bits = f", 8 bits in {' and '.join(made.int8)}" if made.int8 else ""
    form = "compiled for this machine" if made.target else f"in opset {made.opset}{bits}"
    print(f"Written: {args.out}, {len(made.graphs)} graphs {form}, {size / 1e6:.1f} MB.")
    return 0
