"""`rt-vla train rt2 --recipe rt2-mini`: an RT-2 of 1.3 million parameters, from scratch, on a CPU or a GPU.

One process trains the model; others render. A GPU trains faster than one process can collate and another can render,
so with a GPU there are several of both, depending on the number of CPUs.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace

from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from rt_vla_ros.cli.frame_weight_options import PLAIN
from rt_vla_ros.cli.main import refused
from rt_vla_ros.policies.load import find_device
from rt_vla_ros.policies.threads import set_threads
from rt_vla_ros.progress import Progress
from rt_vla_ros.training.rt2.mini.run import CHECKPOINT, MiniRun
from rt_vla_ros.training.rt2.mini.settings import RECIPE, MiniSettings
from rt_vla_ros.training.run_log import PLOT, ROWS
from zenoh_ros.commands.errors import CliError

TAKEN = ("steps", "batch_size", "learning_rate", "robot_share", "plan_share", "seed")
"""Options that are settings of the same name; None: from the recipe."""
MOST_WORKERS = 3
"""Default number of data loading processes with a GPU."""
NOT_TAKEN = ("base", "robot", "web", "share", "method", "micro_batch_size", *PLAIN)


def train_mini(args: argparse.Namespace) -> int:
    """Return 0 if the policy is trained. args: of `train_rt2.add_arguments`."""
    refuse = [f"--{name.replace('_', '-')}" for name in NOT_TAKEN if getattr(args, name)]
    if refuse:
        raise CliError(f"{', '.join(refuse)} is for fine-tuning; the recipe {RECIPE} creates its own model and data.")
    transformers_logging.disable_progress_bar()
    set_threads(args.threads or 1)
    with refused(SafetensorError, ValueError):
        given = {name: value for name in TAKEN if (value := getattr(args, name)) is not None}
        settings = replace(MiniSettings().changed(args.set), **given)
        device, progress = find_device(args.device), Progress()
        if device.index is not None:  # transformers' Trainer takes the first one that it sees
            others = f"set CUDA_VISIBLE_DEVICES={device.index} instead"
            raise CliError(f"--device {args.device} is not supported by this recipe; {others}.")
        workers, collectors = _processes(device.type == "cuda")
        run = MiniRun(
            args.out,
            settings,
            save_interval=args.save_interval,
            say=progress.line,
            update=progress.update,
            device=device,
            collectors=args.collectors or collectors,
            num_workers=workers if args.num_workers is None else args.num_workers,
        )
        run.train()
    progress.line(f"Policy: {args.out / CHECKPOINT}. Losses: {args.out / PLOT}, {ROWS}.")
    return 0


def _processes(on_gpu: bool) -> tuple[int, int]:
    """Default numbers of data loading and rendering processes."""
    cpus = os.cpu_count() or 1
    return (min(MOST_WORKERS, cpus // 4), max(1, cpus - MOST_WORKERS - 1)) if on_gpu else (0, 1)
