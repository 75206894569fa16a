"""Export a policy to ONNX for small machines: `rt-vla export CHECKPOINT --to onnx --out DIR.onnx`.

The directory is a policy like any other (`--policy DIR.onnx`, `policy:=DIR.onnx`), run by onnxruntime: an RT-1 as three
graphs, an RT-2 (rt2-mini and others, see docs/export.md) as two, with its action card and what else it needs. Its
logits are compared with the original's before anything is written.
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

FORMATS = ("onnx",)
DEFAULT_SUITE, DEFAULT_EPISODES = "pick-any", 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="name or path of a policy, such as rt1-mini or rt2-mini")
    add("--to", choices=FORMATS, default=FORMATS[0], help="output format (default onnx)")
    add("--out", type=Path, required=True, metavar="DIR.onnx", help="output directory; must not exist")
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
    tell = partial(print, file=sys.stderr, flush=True)
    checkpoint = resolve(args.checkpoint, tell)
    # Importing torch takes seconds: report a misspelt name first.
    from rt_vla_ros.evaluation.provenance import checkpoint_hash
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
    if checkpoint.family in RT1_FAMILIES:
        made = export_rt1(checkpoint, args.out, original or "", opset=opset, watch=watch, tell=tell)
    else:
        made = export_rt2(checkpoint, args.out, original or "", opset=opset, tell=tell)
    size = sum(path.stat().st_size for path in args.out.glob("*.onnx"))
    bits = f", 8 bits in {' and '.join(made.int8)}" if made.int8 else ""
    print(f"Written: {args.out}, {len(made.graphs)} graphs in opset {made.opset}{bits}, {size / 1e6:.1f} MB.")
    return 0
