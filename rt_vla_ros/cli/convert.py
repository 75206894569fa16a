"""Convert a public checkpoint: `rt-vla convert rt1 --from SOURCE --to DIR`, `rt-vla convert vla0 --from DIR --out DIR`.

`rt-vla convert engine --from CHECKPOINT --out DIR --url URL --model NAME` describes an RT-2 whose model an inference
engine runs, such as vLLM: DIR is then the policy.

For RT-1, SOURCE is a Flax msgpack file, an Orbax directory, the prefix of a TensorFlow checkpoint (ckpt-..., without
.index) or a SavedModel directory. The result loads like any other policy: `rt-vla evaluate --policy DIR`.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rt_vla_ros.cli.main import refused, signals_to
from zenoh_ros.commands.errors import CliError

if TYPE_CHECKING:
    from rt_vla_ros.policies.checkpoint.resolve import Checkpoint
    from rt_vla_ros.policies.engine.folder import EngineFolder

LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The values that vLLM takes as --max-lora-rank; its default is 16."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    rt1 = what.add_parser("rt1", help="RT-1 and RT-1-X")
    rt1.add_argument("--from", dest="source", type=Path, required=True, metavar="SOURCE", help="the public checkpoint")
    rt1.add_argument("--to", dest="directory", type=Path, required=True, metavar="DIR", help="a new directory")
    presets = "rt1, rt1-multirobot, rt1-jax, rt1-x; default: the one whose shapes match"
    rt1.add_argument("--preset", metavar="NAME", help=presets)
    robots = "action conventions: google_robot (default), widowx"
    rt1.add_argument("--robot", default="google_robot", metavar="NAME", help=robots)
    order = "order of the action tokens; required for TensorFlow checkpoints, whose code does not define it: "
    order += "base-vector-first (a third party's list for rt1main), jax, or the six names, separated by commas"
    rt1.add_argument("--action-order", metavar="ORDER", help=order)
    base = "also give the base dimensions their roles, so that actions drive a mobile base; default: unused"
    rt1.add_argument("--base", action="store_true", help=base)
    also = "override an RT1Config option of the preset, e.g. time_sequence_length=10; repeatable"
    rt1.add_argument("--set", dest="options", action="append", default=[], metavar="KEY=VALUE", help=also)
    rt1.set_defaults(convert=_rt1)
    _vla0_arguments(what.add_parser("vla0", help="VLA-0 and VLA-0-Smol (both also load unconverted)"))
    _engine_arguments(what.add_parser("engine", help="an RT-2 whose model runs in vLLM or another engine"))


def _vla0_arguments(vla0: argparse.ArgumentParser) -> None:
    source = "the published directory, or its name on the Hugging Face Hub"
    vla0.add_argument("--from", dest="source", required=True, metavar="DIR", help=source)
    statistics = "dataset_stats.pkl (never executed), or a .safetensors or JSON file with min and max; default: "
    statistics += "those in the directory"
    vla0.add_argument("--statistics", type=Path, metavar="FILE", help=statistics)
    base = "tokenizer and processor; default: VLA-0's own, or those of the base model that VLA-0-Smol names"
    vla0.add_argument("--base", type=Path, metavar="DIR", help=base)
    vla0.add_argument(
        "--out", "--to", dest="directory", type=Path, required=True, metavar="DIR", help="a new directory"
    )
    vla0.set_defaults(convert=_vla0)


def _engine_arguments(engine: argparse.ArgumentParser) -> None:
    source = "an RT-2 checkpoint that writes numbers as text: its directory, or its name on the Hugging Face Hub"
    engine.add_argument("--from", dest="source", required=True, metavar="CHECKPOINT", help=source)
    engine.add_argument("--out", dest="directory", type=Path, required=True, metavar="DIR", help="a new directory")
    url = "URL of the engine's OpenAI API (default http://127.0.0.1:8000/v1)"
    engine.add_argument("--url", default="http://127.0.0.1:8000/v1", help=url)
    engine.add_argument("--model", required=True, metavar="NAME", help="the model's name in the engine")
    kinds = "vllm (default); openai: another server with that API, which does not constrain its answers"
    engine.add_argument("--engine", choices=("vllm", "openai"), default="vllm", help=kinds)
    engine.set_defaults(convert=_engine)


def run(args: argparse.Namespace) -> int:
    """Return 0; raises CliError where nothing was converted."""
    return int(args.convert(args))


def _vla0(args: argparse.Namespace) -> int:
    from rt_vla_ros.policies.checkpoint.resolve import resolve
    from rt_vla_ros.policies.rt2.vla0.conversion import convert_vla0

    with refused(ValueError, OSError):
        checkpoint = resolve(args.source, print)
        card = convert_vla0(checkpoint, args.directory, statistics=args.statistics, base=args.base, tell=print)
    print(f"Written: {args.directory}, chunks of {card.horizon} actions.")
    print(f"Try it: `rt-vla doctor --checkpoint {args.directory}`.")
    return 0


def _vllm_command(checkpoint: Checkpoint, model: str, written: EngineFolder) -> str:
    words = ["vllm", "serve", str(checkpoint.model_directory)]
    if checkpoint.adapter is None:
        words += ["--served-model-name", model]
    else:
        rank = next((one for one in LORA_RANKS if one >= written.lora_rank), written.lora_rank)
        words += ["--enable-lora", "--max-lora-rank", str(rank), "--lora-modules", f"{model}={checkpoint.adapter}"]
    words += ["--generation-config", "vllm"]
    if written.template is not None:
        words += ["--chat-template", str(written.template), "--chat-template-content-format", "openai"]
    return shlex.join(words)


def _engine(args: argparse.Namespace) -> int:
    from rt_vla_ros.policies.checkpoint.resolve import resolve
    from rt_vla_ros.policies.engine.description import EngineConfig
    from rt_vla_ros.policies.engine.folder import write_engine_folder

    with refused(ValueError, OSError):
        engine = EngineConfig(args.engine, args.url, args.model)
        checkpoint = resolve(args.source, print)
        written = write_engine_folder(checkpoint, args.directory, engine)
    print(f"Written: {args.directory}. Its model is expected in the engine at {engine.place}.")
    if written.template is not None:
        print(f"The engine needs {written.template} as its chat template: this checkpoint's prompts are not a chat.")
    if args.engine == "vllm":
        print(f"Start it: {_vllm_command(checkpoint, args.model, written)}")
    print(f"Try it: `rt-vla doctor --checkpoint {args.directory}`, then `rt-vla demo --policy {args.directory}`.")
    return 0


def _rt1(args: argparse.Namespace) -> int:
    from safetensors import SafetensorError
    from transformers.utils.logging import disable_progress_bar

    from rt_vla_ros.action_space.rt1_actions import JAX_ORDER
    from rt_vla_ros.policies.rt1.convert.conversion import convert_checkpoint, find_preset
    from rt_vla_ros.policies.rt1.convert.public_cards import action_order, public_card
    from rt_vla_ros.policies.rt1.convert.sources.detect import read_source
    from rt_vla_ros.policies.rt1.convert.weight_names import FLAX

    disable_progress_bar()
    overrides = options(args.options)
    with refused(ValueError, TypeError, SafetensorError):
        order = action_order(args.action_order) if args.action_order else None
        source = read_source(args.source)
        if order is None and source.flavour != FLAX:
            told = "the public code of the TensorFlow release does not define the order of the action tokens"
            ways = "base-vector-first (a third party lists it for rt1main), jax, or the six names"
            raise CliError(f"{told}. Specify it with --action-order: {ways}.")
        if source.flavour == FLAX and order not in (None, JAX_ORDER):
            told = "the token order of a Flax checkpoint is known (jax)"
            raise CliError(f"{told}; leave --action-order out.")
        preset = args.preset or find_preset(source, overrides)
        name = f"{preset} for {args.robot}, converted from {args.source.name}"
        verified = source.flavour == FLAX
        card = partial(
            public_card, name=name, robot=args.robot, order=order or JAX_ORDER, verified=verified, base=args.base
        )
        # A closed terminal or a `kill` becomes an exit, so that incomplete files are removed.
        with signals_to(lambda number, _: sys.exit(128 + number), signal.SIGTERM, signal.SIGHUP):
            report = convert_checkpoint(source, args.directory, preset, card, overrides)
    print(report.table())
    print(f"Written: {args.directory}. It needs 512-d sentence embeddings; make a table of them with `rt-vla embed`.")
    return 0


def options(pairs: list[str]) -> dict[str, Any]:
    """KEY=VALUE -> options of RT1Config; values are JSON or plain strings. Raises CliError."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise CliError(f"--set {pair}: expected KEY=VALUE, such as time_sequence_length=10.")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found
