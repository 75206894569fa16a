"""Train an RT-1 from datasets, or with a recipe that collects its own episodes (DAgger).

rt-vla train rt1 --data data/expert data/corrected --out runs/mine
rt-vla train rt1 --data data/demos data/takeovers --intervention-weight 4 --before-takeover 1 --out runs/second
rt-vla train rt1 --recipe rt1-mini --out runs/mini
rt-vla train rt1 --data data/expert --teacher rt2-mini --out runs/student        # learns another policy's actions
rt-vla train rt1 --recipe rt1-mini --teacher rt2-mini --out runs/student2
rt-vla train rt1 --data data/300px --preset rt1 --out runs/full                  # the paper's size; needs a GPU
accelerate launch --num_processes 4 -m rt_vla_ros.cli train rt1 --data data/300px --preset rt1 --out runs/full

The policy is written to OUT/checkpoint: rt-vla evaluate --policy OUT/checkpoint. Run the same command again to resume.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from rt_vla_ros.cli.frame_weight_options import PLAIN, add_frame_weight_options, frame_weighting
from rt_vla_ros.cli.main import refused
from rt_vla_ros.cli.remote_options import add_remote_options, patient, remote_settings
from rt_vla_ros.data.lerobot import load_datasets
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.policies.rt1.configuration import PRESETS
from rt_vla_ros.policies.threads import set_threads
from rt_vla_ros.progress import Progress
from rt_vla_ros.training.dagger_source import DaggerSource, collectors
from rt_vla_ros.training.dataset_source import DatasetSource
from rt_vla_ros.training.distributed import is_launched, process_group
from rt_vla_ros.training.learner import STATE
from rt_vla_ros.training.run import CHECKPOINT, TrainingRun
from rt_vla_ros.training.run_log import PLOT, ROWS
from rt_vla_ros.training.settings import OWN, RECIPES, TrainingSettings, default_settings, table_of_defaults
from rt_vla_ros.training.settings_file import with_settings
from zenoh_ros.commands.errors import CliError, did_you_mean
from zenoh_ros.commands.numbers import nonnegative_int, positive_float, positive_int

OF_DATA: dict[str, object] = {"preset": OWN, "validation": None, "cache_frames": False, "num_workers": 1}
OF_DATA |= {"weights": None, **PLAIN}
OF_RECIPES: dict[str, object] = {"collectors": None}  # options that belong to one of the two ways, and their defaults
OF_BOTH = ("steps", "batch_size", "learning_rate", "init_from", "teacher", "seed")
"""Options that are settings of the same name; None: from the preset or recipe."""
DEFAULT = TrainingSettings()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="run directory, resumes if it exists; policy in DIR/checkpoint",
    )
    add("--seed", type=nonnegative_int, help=f"random seed (default {DEFAULT.seed})")
    add("--steps", type=positive_int, help=f"optimizer steps (default {DEFAULT.steps:,}; with --recipe the recipe's)")
    add("--batch-size", type=positive_int, help="global batch size, in samples (default: see below)")
    add("--learning-rate", type=positive_float, help="peak learning rate (default: see below)")
    add("--init-from", metavar="CHECKPOINT", help="initialize from these weights (default: random)")
    taught = "policy whose actions are learned (distillation): with --data on the datasets' frames, instead of the "
    taught += "recorded actions; with --recipe in place of the scripted expert; a name, path or remote:HOST"
    add("--teacher", metavar="CHECKPOINT", help=taught)
    add("--save-interval", type=positive_int, default=500, help="steps between checkpoints (default 500)")
    add(
        "--evaluate",
        type=nonnegative_int,
        help="evaluation episodes per suite after training (with --recipe 100, else 0)",
    )
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N, also for the teacher (default auto)")
    add("--threads", type=positive_int, help="CPU threads (default: all; with --recipe 1)")
    data = parser.add_argument_group("from datasets")
    several = "dataset directories, all with the same action card"
    data.add_argument("--data", type=Path, nargs="+", action="extend", metavar="DIR", help=several)
    drawn = "relative sampling weight per frame of each dataset (default: equal)"
    data.add_argument("--weights", type=float, nargs="+", metavar="W", help=drawn)
    add_frame_weight_options(data)
    data.add_argument("--preset", help=f"network size: {', '.join(PRESETS)}")
    data.add_argument("--validation", type=float, help=f"share of the episodes held out (default {DEFAULT.validation})")
    frames = "decode all videos to DIR/frames first (default: decode on demand)"
    data.add_argument("--cache-frames", action="store_true", help=frames)
    data.add_argument("--num-workers", type=positive_int, help="data loading threads (default 1)")
    recipe = parser.add_argument_group("with a recipe")
    recipe.add_argument("--recipe", help=f"recipe that collects its own episodes: {', '.join(RECIPES)}")
    recipe.add_argument("--collectors", type=positive_int, help="processes that collect episodes (default 1)")
    other = "any other setting: a field of TrainingSettings (training/settings.py) or network.KEY of RT1Config; with "
    other += "--recipe also dagger.KEY of DaggerSettings"
    add("--set", action="append", default=[], metavar="KEY=VALUE", help=other)
    add_remote_options(parser, "--teacher")
    parser.set_defaults(**OF_DATA, **OF_RECIPES)
    parser.epilog = f"settings by preset, with --data:\n{table_of_defaults()}"


def run(args: argparse.Namespace) -> int:
    """Return 0 if the policy is trained."""
    if (args.data is None) == (args.recipe is None):
        raise CliError("give either --data DIR ... to train from datasets, or --recipe NAME to collect while training.")
    way, other, usual = ("--data", "--recipe", OF_RECIPES) if args.recipe is None else ("--recipe", "--data", OF_DATA)
    given = [f"--{name.replace('_', '-')}" for name, value in usual.items() if getattr(args, name) != value]
    if given:
        raise CliError(f"{', '.join(given)} requires {other} and cannot be used with {way}.")
    transformers_logging.disable_progress_bar()
    with refused(ImportError, SafetensorError, ValueError):
        if args.recipe is None:
            _from_datasets(args)
        elif is_launched():
            raise CliError("a recipe trains in a single process; distributed training needs --data.")
        else:
            _by_recipe(args)
    return 0


def _changes(args: argparse.Namespace, *more: str) -> list[str]:
    """The options as KEY=VALUE, then those of --set."""
    given = [(name, getattr(args, name.rpartition(".")[2])) for name in (*OF_BOTH, *more)]
    return [*(f"{name}={value}" for name, value in given if value is not None), *args.set]


def _by_recipe(args: argparse.Namespace) -> None:
    if args.recipe not in RECIPES:
        raise CliError(f"there is no recipe {args.recipe!r}. {did_you_mean(args.recipe, RECIPES)}")
    settings = with_settings(RECIPES[args.recipe], _changes(args, "dagger.collectors"))
    set_threads(args.threads or 1)
    remote, progress = _remote(args, settings), Progress()
    source = DaggerSource(settings, args.recipe, remote=remote)
    assert settings.dagger is not None
    with process_group(args.device) as group:
        made = TrainingRun(args.out, source, settings, progress.update, group)
        count = settings.dagger.collectors
        with collectors(args.out, count, args.device, remote) as source.check_collectors:
            _train(made, args, progress)
        _evaluate(made, 100 if args.evaluate is None else args.evaluate, progress)


def _from_datasets(args: argparse.Namespace) -> None:
    if args.preset not in PRESETS:
        raise CliError(f"there is no preset {args.preset!r}. {did_you_mean(args.preset, PRESETS)}")
    if args.threads:
        set_threads(args.threads)
    settings = with_settings(default_settings(args.preset), _changes(args, "validation"))
    places = [directory.resolve() for directory in args.data]
    again = [str(one) for one, place in zip(args.data, places, strict=True) if places.count(place) > 1]
    if again:
        kept = "its episodes would be in both the training and the validation split. Give each once."
        raise CliError(f"--data names the same dataset more than once ({', '.join(again)}): {kept}")
    datasets = load_datasets(args.data)
    with process_group(args.device) as group:
        progress = Progress(None if group.is_main else io.StringIO())
        frames, workers = args.cache_frames, args.num_workers
        weighting = frame_weighting(args, args.weights)
        source = DatasetSource(
            datasets,
            settings,
            group,
            weighting=weighting,
            cache_frames=frames,
            num_workers=workers,
            device=args.device,
            remote=_remote(args, settings),
        )
        made = TrainingRun(args.out, source, settings, progress.update, group)
        together = "" if group.size == 1 else f" and {group.size - 1} more"
        episodes = f"{len(source.training)} training episodes, {len(source.validation)} held out"
        progress.line(f"{episodes}, {source.windows.frames:,} frames; on {group.device}{together}.")
        for sentence in source.effect():
            progress.line(sentence)
        clipped = [f"{use.clipped:.2%} of {use.dimension.name}" for use in source.windows.use if use.clipped]
        whose = "Recorded actions" if source.teacher is None else "The teacher's actions"
        progress.line(f"{whose} outside the action card's ranges: {', '.join(clipped) or 'none'}.")
        _train(made, args, progress)
        if group.is_main:
            _evaluate(made, args.evaluate or 0, progress)


def _remote(args: argparse.Namespace, settings: TrainingSettings) -> RemoteSettings:
    """Of the teacher. Raises CliError if they are given without one."""
    remote = remote_settings(args)
    if remote != RemoteSettings() and not settings.teacher:
        raise CliError("the options --remote-... are for a teacher; give one with --teacher.")
    return patient(remote)


def _train(made: TrainingRun, args: argparse.Namespace, progress: Progress) -> None:
    if made.initialised:
        progress.line(made.initialised)
    if made.learner.steps:
        progress.line(f"Resuming after step {made.learner.steps:,} ({args.out / STATE}).")
    made.train(args.save_interval, progress.update)


def _evaluate(made: TrainingRun, episodes: int, progress: Progress) -> None:
    if episodes:
        made.evaluate(episodes, progress.line)
    last = made.log.rows[-1]
    rest = f", validation loss {last['validation']:.3f}" if "validation" in last else ""
    out = made.directory
    progress.line(f"Loss {last['training']:.3f}{rest}. Policy: {out / CHECKPOINT}. Losses: {out / PLOT}, {ROWS}.")
