"""`rt-vla train rt2 --recipe rt2-mini`: an RT-2 of 1.3 million parameters, from nothing, on a CPU."""

from __future__ import annotations

import argparse
from dataclasses import replace

from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from rt_vla_ros.cli.frame_weight_options import PLAIN
from rt_vla_ros.cli.main import refused
from rt_vla_ros.policies.threads import set_threads
from rt_vla_ros.progress import Progress
from rt_vla_ros.training.rt2.mini.run import CHECKPOINT, MiniRun
from rt_vla_ros.training.rt2.mini.settings import RECIPE, MiniSettings
from rt_vla_ros.training.run_log import PLOT, ROWS
from zenoh_ros.commands.errors import CliError

TAKEN = ("steps", "batch_size", "learning_rate", "robot_share", "plan_share", "seed")
"""Options that are settings of the same name; None: the recipe's."""
NOT_TAKEN = ("base", "robot", "web", "share", "method", "micro_batch_size", *PLAIN)


def train_mini(args: argparse.Namespace) -> int:
    """0 when the policy is trained. args: of `train_rt2.add_arguments`."""
    refuse = [f"--{name.replace('_', '-')}" for name in NOT_TAKEN if getattr(args, name)]
    if refuse:
        raise CliError(f"{', '.join(refuse)} is for fine-tuning; the recipe {RECIPE} makes its model and data itself.")
    if args.device not in ("auto", "cpu"):
        raise CliError(f"the recipe {RECIPE} is trained on the CPU; leave out --device {args.device}.")
    transformers_logging.disable_progress_bar()
    set_threads(args.threads or 1)
    with refused(SafetensorError, ValueError):
        given = {name: value for name in TAKEN if (value := getattr(args, name)) is not None}
        settings = replace(MiniSettings().changed(args.set), **given)
        progress = Progress()
        run = MiniRun(args.out, settings, save_interval=args.save_interval, say=progress.line, update=progress.update)
        run.train()
    progress.line(f"Policy: {args.out / CHECKPOINT}. Losses: {args.out / PLOT}, {ROWS}.")
    return 0
