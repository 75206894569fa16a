"""Train a policy: from datasets, or by a recipe that collects its own episodes.

rt-vla train rt1 --data data/expert data/corrected --out runs/mine
rt-vla train rt1 --recipe rt1-mini --out runs/mini
rt-vla train rt1 --data data/300px --preset rt1 --out runs/full                  # the paper's size; wants a GPU
accelerate launch --num_processes 4 -m rt_vla_ros.cli train rt1 --data data/300px --preset rt1 --out runs/full

The policy is OUT/checkpoint: rt-vla evaluate --policy OUT/checkpoint. The same command again carries on where a run was
ended, however it ended.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from rt_vla_ros.data.lerobot import LeRobotDataset, load_datasets
from rt_vla_ros.policies.rt1.configuration import PRESETS
from rt_vla_ros.progress import Progress
from rt_vla_ros.training.distributed import Group, is_launched, joined
from rt_vla_ros.training.learner import STATE
from rt_vla_ros.training.recipe import RECIPES
from rt_vla_ros.training.recipe_settings import with_settings
from rt_vla_ros.training.run_log import PLOT, ROWS
from rt_vla_ros.training.supervised import CHECKPOINT, SupervisedRun
from rt_vla_ros.training.supervised_settings import Settings, table_of_defaults, usual_settings
from rt_vla_ros.training.train import train_by_recipe
from zenoh_ros.commands.errors import CliError, did_you_mean
from zenoh_ros.commands.numbers import nonnegative_int, positive_float, positive_int

FAMILIES = ("rt1",)
OF_DATA: dict[str, object] = {
    "preset": "rt1-mini",
    "start": None,
    "windows": None,
    "learning_rate": None,
    "validation": 0.1,
    "every": 500,
    "device": "auto",
}
OF_RECIPES: dict[str, object] = {"collectors": 1, "evaluate": 100}
"""Options that belong to one of the two ways, and their defaults."""
USUAL = Settings()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("family", help="what to train: rt1")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="of the run; its policy: DIR/checkpoint")
    parser.add_argument("--seed", type=nonnegative_int, default=USUAL.seed, help="of the run (default 0)")
    parser.add_argument(
        "--steps", type=positive_int, help=f"of the optimiser (default {USUAL.steps:,}; with --recipe the recipe's)"
    )
    parser.add_argument("--threads", type=positive_int, help="of the CPU (default: all; with --recipe 1)")
    data = parser.add_argument_group("from datasets")
    data.add_argument("--data", type=Path, nargs="+", metavar="DIR", help="datasets; all with the same action card")
    data.add_argument("--preset", help=f"size of the network: {', '.join(PRESETS)}")
    data.add_argument("--start", type=Path, metavar="CHECKPOINT", help="begin with its weights (default: at random)")
    data.add_argument("--windows", type=positive_int, help="histories per step, of all processes (default: see below)")
    data.add_argument("--learning-rate", type=positive_float, help="the highest (default: see below)")
    data.add_argument("--validation", type=float, help="share of the episodes held back (default 0.1)")
    data.add_argument("--every", type=positive_int, help="steps between two savings (default 500)")
    data.add_argument("--device", help="auto, cpu, cuda, cuda:N (default auto)")
    recipe = parser.add_argument_group("by a recipe")
    recipe.add_argument("--recipe", help=f"from nothing, with episodes of its own: {', '.join(RECIPES)}")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="another setting: network.KEY, an option of RT1Config, or a field of Settings "
        "(training/supervised_settings.py), with --recipe of Recipe (training/recipe.py)",
    )
    recipe.add_argument("--collectors", type=positive_int, help="processes that play episodes (default 1)")
    recipe.add_argument("--evaluate", type=nonnegative_int, help="episodes per suite at the end (100)")
    parser.set_defaults(**OF_DATA, **OF_RECIPES)
    parser.epilog = f"settings by preset, with --data:\n{table_of_defaults()}"


def run(args: argparse.Namespace) -> int:
    """0 when the policy is trained."""
    if args.family not in FAMILIES:
        raise CliError(f"{args.family!r} cannot be trained. {did_you_mean(args.family, FAMILIES)}")
    if (args.data is None) == (args.recipe is None):
        raise CliError("give either --data DIR ... to learn from datasets, or --recipe NAME to collect while learning.")
    _refuse_options_of_the_other_way(args)
    transformers_logging.disable_progress_bar()
    try:
        if args.recipe is not None:
            if is_launched():
                raise CliError("a recipe's learner is one process; several are for --data.")
            _by_recipe(args)
        else:
            _from_datasets(args)
    except (SafetensorError, ValueError, OSError) as error:
        raise CliError(str(error)) from error
    return 0


def _refuse_options_of_the_other_way(args: argparse.Namespace) -> None:
    way, other, usual = ("--data", "--recipe", OF_RECIPES) if args.recipe is None else ("--recipe", "--data", OF_DATA)
    given = [f"--{name.replace('_', '-')}" for name, value in usual.items() if getattr(args, name) != value]
    if given:
        hint = "" if args.recipe is None else ". A recipe's settings are changed with --set, such as --set windows=16"
        raise CliError(f"{', '.join(given)} is for {other}, not for {way}{hint}.")


def _by_recipe(args: argparse.Namespace) -> None:
    if args.recipe not in RECIPES:
        raise CliError(f"there is no recipe {args.recipe!r}. {did_you_mean(args.recipe, RECIPES)}")
    length = [] if args.steps is None else [f"steps={args.steps}"]
    train_by_recipe(
        args.recipe,
        with_settings(RECIPES[args.recipe], [*args.set, *length]),
        args.out,
        args.out / CHECKPOINT,
        seed=args.seed,
        episodes=args.evaluate,
        collectors=args.collectors,
        threads=args.threads or 1,
    )


def _from_datasets(args: argparse.Namespace) -> None:
    if args.preset not in PRESETS:
        raise CliError(f"there is no preset {args.preset!r}. {did_you_mean(args.preset, PRESETS)}")
    if args.threads:
        torch.set_num_threads(args.threads)
    start = None if args.start is None else str(args.start)
    given = {"start": start, "steps": args.steps, "windows": args.windows, "learning_rate": args.learning_rate}
    changes = {key: value for key, value in given.items() if value is not None}
    usual = usual_settings(args.preset, validation=args.validation, seed=args.seed, **changes)
    settings = with_settings(usual, args.set)
    _refuse_twice_the_same(args.data)
    datasets = load_datasets(args.data)
    with joined(args.device) as group:
        _train_in(group, args, settings, datasets, Progress(None if group.is_first else io.StringIO()))


def _refuse_twice_the_same(directories: list[Path]) -> None:
    places = [directory.resolve() for directory in directories]
    again = [str(one) for one, place in zip(directories, places, strict=True) if places.count(place) > 1]
    if again:
        raise CliError(
            f"--data names the same dataset more than once ({', '.join(again)}): its episodes would be held back and "
            "learned from. Name each once."
        )


def _train_in(
    group: Group, args: argparse.Namespace, settings: Settings, datasets: list[LeRobotDataset], progress: Progress
) -> None:
    made = SupervisedRun(args.out, datasets, settings, progress.update, group)
    together = "" if group.size == 1 else f" and {group.size - 1} more"
    progress.line(
        f"{len(made.training)} episodes to learn from, {len(made.validation)} held back, {made.store.frames:,} frames; "
        f"on {group.device}{together}."
    )
    if made.began:
        progress.line(made.began)
    if made.learner.steps:
        progress.line(f"Carrying on after step {made.learner.steps:,} ({args.out / STATE}).")
    made.train(args.every, progress.update)
    if not group.is_first:
        return
    last = made.log[-1]
    rest = f", {last['validation']:.3f} on the episodes held back" if "validation" in last else ""
    progress.line(
        f"Loss {last['training']:.3f}{rest}. Policy: {args.out / CHECKPOINT}. Losses: {args.out / PLOT}, {ROWS}."
    )
