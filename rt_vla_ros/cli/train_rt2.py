"""Train an RT-2: fine-tune a vision-language model on robot data, optionally with web data (co-fine-tuning).

rt-vla train rt2 --base small --robot data/expert --out runs/tried                 # tiny random model, for a quick test
rt-vla train rt2 --recipe rt2-mini --out runs/mini                                  # from scratch
rt-vla train rt2 --base HuggingFaceTB/SmolVLM2-256M-Video-Instruct --robot data/expert --web vqa.jsonl --out runs/rt2
rt-vla train rt2 --base Qwen/Qwen2.5-VL-3B-Instruct --recipe vla0 --robot data/expert --out runs/vla0
rt-vla train rt2 --base openvla/openvla-7b --recipe openvla-lora --robot data/mine --out runs/openvla
accelerate launch --config_file fsdp.yaml -m rt_vla_ros.cli train rt2 --base DIR --robot data/expert --out runs/rt2

The policy is written to OUT/checkpoint: rt-vla evaluate --policy OUT/checkpoint. Run the same command again to resume.
"""

from __future__ import annotations

import argparse
import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from rt_vla_ros.cli.frame_weight_options import add_frame_weight_options, frame_weighting
from rt_vla_ros.cli.main import refused
from rt_vla_ros.data.shares import explicit_shares
from rt_vla_ros.policies.threads import set_threads
from rt_vla_ros.progress import Progress
from rt_vla_ros.training.rt2.fine_tune_settings import METHODS, RECIPES, SMALL, FineTuneSettings
from rt_vla_ros.training.rt2.mini.settings import RECIPE as MINI
from rt_vla_ros.training.rt2.mini.settings import MiniSettings
from rt_vla_ros.training.rt2.settings_changes import with_changes
from rt_vla_ros.training.run_log import PLOT, ROWS
from zenoh_ros.commands.errors import CliError, did_you_mean
from zenoh_ros.commands.numbers import nonnegative_int, positive_float, positive_int

DEFAULT = FineTuneSettings()
ONLY_MINI = ("collectors", "num_workers")
AS_SETTINGS = (
    "method",
    "steps",
    "batch_size",
    "micro_batch_size",
    "learning_rate",
    "robot_share",
    "plan_share",
    "seed",
)
"""Options that are settings of the same name; None: from the recipe."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    base = f"a directory, a name on the Hugging Face Hub, or {SMALL!r}: a tiny randomly initialized model"
    add("--base", metavar="MODEL", help=base)
    several = "LeRobot datasets, all with the same action card"
    add("--robot", type=Path, nargs="+", action="extend", default=[], metavar="DIR", help=several)
    web = "visual questions, captions or chats: a file, a directory or a name on the Hub (docs/rt2_training.md)"
    add("--web", nargs="+", action="extend", default=[], metavar="DATA", help=web)
    add(
        "--share",
        action="append",
        default=[],
        metavar="NAME=SHARE",
        help="share of all samples drawn from a dataset, by its name",
    )
    add_frame_weight_options(parser)
    add(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="run directory, resumes if it exists; policy in DIR/checkpoint",
    )
    recipes = f"preset settings: {', '.join(RECIPES)}, see below; or {MINI}, trained from scratch"
    add("--recipe", metavar="NAME", help=recipes)
    add("--method", help=f"{' or '.join(METHODS)} (default {DEFAULT.method})")
    add("--steps", type=positive_int, help=f"optimizer steps (default {DEFAULT.steps:,})")
    add("--batch-size", type=positive_int, help=f"global batch size (default {DEFAULT.batch_size})")
    add(
        "--micro-batch-size",
        type=nonnegative_int,
        help="samples per forward pass and process (default 0: no accumulation)",
    )
    add("--learning-rate", type=positive_float, help=f"peak learning rate (default {DEFAULT.learning_rate:g})")
    add("--robot-share", type=float, help="share of robot samples when there is web data (default 0.5)")
    add("--plan-share", type=float, help="share of robot samples with a plan in words before the action (default 0)")
    add("--seed", type=nonnegative_int, help=f"random seed (default {DEFAULT.seed})")
    add(
        "--save-interval", type=positive_int, default=500, help="steps between checkpoints and validation (default 500)"
    )
    add("--device", default="auto", help="auto, cpu, cuda (default auto)")
    add("--threads", type=positive_int, help=f"CPU threads (default: all; {MINI}: 1)")
    by_device = "{} on a CPU; on a GPU from the number of CPUs"
    add("--collectors", type=positive_int, help=f"{MINI} only: rendering processes (default: {by_device.format(1)})")
    makers = f"{MINI} only: data loading processes, 0: a thread (default: {by_device.format(0)})"
    add("--num-workers", type=nonnegative_int, help=makers)
    other = f"any other setting: a field of FineTuneSettings, or rt2.KEY of rt2_config.json; for {MINI} see below"
    add("--set", action="append", default=[], metavar="KEY=VALUE", help=other)
    parser.epilog = f"settings by recipe:\n{table_of_recipes()}\n\n{settings_of_mini()}"


def run(args: argparse.Namespace) -> int:
    """Return 0 if the policy is trained."""
    if args.recipe is not None and args.recipe not in (*RECIPES, MINI):
        raise CliError(f"there is no recipe {args.recipe!r}. {did_you_mean(args.recipe, (*RECIPES, MINI))}")
    of_mini = [f"--{name.replace('_', '-')}" for name in ONLY_MINI if getattr(args, name) is not None]
    if of_mini and args.recipe != MINI:
        raise CliError(f"{', '.join(of_mini)} requires --recipe {MINI}, which generates its data during training.")
    if args.base is None and args.recipe != MINI:
        raise CliError(f"give --base MODEL to fine-tune a model, or --recipe {MINI} to train one from scratch.")
    try:
        from rt_vla_ros.cli.train_rt2_mini import train_mini
        from rt_vla_ros.training.rt2.fine_tuning import CHECKPOINT, FineTuning, fine_tune, quietly
    except ImportError as error:
        needed = f"training an RT-2 needs accelerate and peft ({error}): pip install 'rt_vla_ros[train]'."
        raise CliError(needed) from error
    if args.recipe == MINI:
        return train_mini(args)
    quietly()
    if args.threads:
        set_threads(args.threads)
    with refused(SafetensorError, ValueError):
        given = [(name, getattr(args, name)) for name in AS_SETTINGS]
        changes = [*(f"{name}={value}" for name, value in given if value is not None)]
        recipe = args.recipe or (SMALL if args.base == SMALL else None)
        settings = with_changes(RECIPES[recipe] if recipe else DEFAULT, [*changes, *args.set])
        settings = replace(settings, shares={**settings.shares, **explicit_shares(args.share)})
        progress: Progress | None = None

        def told(is_main: bool) -> Progress:
            nonlocal progress
            progress = progress or Progress(None if is_main else io.StringIO())
            return progress

        what = FineTuning(
            args.base,
            tuple(args.robot),
            tuple(args.web),
            args.out,
            settings,
            args.save_interval,
            args.device,
            frame_weighting(args),
        )
        done = fine_tune(what, told)
    if done.is_main:
        losses = _losses(done.rows, settings.patience > 0)
        told(True).line(f"{losses}Policy: {args.out / CHECKPOINT}. Losses: {args.out / PLOT}, {ROWS}.")
    return 0


def _losses(rows: Sequence[Mapping[str, Any]], best: bool) -> str:
    """Losses of the written policy: of the last step, or with patience of the best; empty if the log was deleted."""
    learned = [row for row in rows if "training" in row]
    if not learned:
        return ""
    row = min(learned, key=lambda row: row.get("validation", math.inf)) if best else rows[-1]
    held_out = f", validation loss {row['validation']:.3f}" if "validation" in row else ""
    at = f" (step {row['step']:,}, the best)" if best else ""
    return f"Loss {row['training']:.3f}{held_out}{at}. " if "training" in row else ""


def table_of_recipes() -> str:
    """Table of the settings that differ between the recipes."""
    every = {"default": DEFAULT, **RECIPES}
    names = [one.name for one in fields(FineTuneSettings) if one.name not in ("rt2", "shares")]
    names = [name for name in names if len({getattr(settings, name) for settings in every.values()}) > 1]
    rows = [("", *every)] + [(name, *(f"{getattr(s, name)}" for s in every.values())) for name in names]
    return "\n".join("  " + "".join(f"{cell:<{24 if i == 0 else 14}}" for i, cell in enumerate(row)) for row in rows)


def settings_of_mini() -> str:
    """Table of all settings of rt2-mini with their defaults."""
    values = ", ".join(f"{name} {value}" for name, value in asdict(MiniSettings()).items() if value != "")
    return textwrap.fill(values, 110, initial_indent=f"settings of {MINI}: ", subsequent_indent="  ")
