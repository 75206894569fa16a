"""Training: steps of the learner in this process, the command in separate processes."""

from __future__ import annotations

import importlib.util
import math
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from rt_vla_ros.json_lines import read_rows
from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.selftest.runner import FailedError, Found, Machine, SkippedError, exact_float32
from rt_vla_ros.training.batch import Batch
from rt_vla_ros.training.distributed import ProcessGroup
from rt_vla_ros.training.learner import Learner
from rt_vla_ros.training.settings import TrainingSettings

TOLERANCES = {"float32": 1e-3, "bfloat16": 3e-2}
"""Largest relative difference of the first loss from the one in float32 on a CPU."""
STEPS, WINDOWS = 8, 4
PATIENCE = 300.0  # [s] for the command; processes that wait for each other would do so for hours
LAST_WORDS = 1000  # characters of what a command said that are kept when it fails


def recipe_step(precision: str, machine: Machine) -> Found:
    """The first loss equals a CPU's in float32, and decreases on the same batch in a few steps."""
    config, batch = RT1Config.preset("rt1-mini"), _batch()
    settings = TrainingSettings(batch_size=WINDOWS, warmup=2, jitter=0.0, precision=precision)
    exact = Learner(replace(settings, precision="float32"), config).step([batch]).action
    learner = Learner(settings, config, ProcessGroup(device=machine.device))
    with exact_float32():
        losses = [learner.step([batch]).action for _ in range(STEPS)]
    error = abs(losses[0] - exact) / exact
    said = f"loss {losses[0]:.4f} ({exact:.4f} in float32 on a CPU), {losses[-1]:.4f} after {STEPS} steps"
    figures = {"losses": losses, "cpu_float32": exact}
    if not (error <= TOLERANCES[precision] and losses[-1] < losses[0]):
        raise FailedError(f"{said}; expected a first loss within {TOLERANCES[precision]:.0e} and a decrease.", figures)
    return Found(said, figures)


def two_processes(machine: Machine) -> Found:
    """The same in two processes: two GPUs over nccl, or a CPU over gloo."""
    if machine.on_gpu and torch.cuda.device_count() < 2:
        raise SkippedError("it needs two GPUs, there is one.")
    return supervised_step(machine, ("torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m"))


def supervised_step(machine: Machine, launcher: tuple[str, ...] = ()) -> Found:
    """`rt-vla train rt1 --data` in a separate process, or in those of a launcher."""
    return _by_command(machine, ("rt1", "--validation", "0.25", "--data"), launcher)


def fine_tuning(method: str, machine: Machine) -> Found:
    """`rt-vla train rt2` on a small random model, in bfloat16. method: "full" or "lora"."""
    missing = [name for name in ("accelerate", "peft") if importlib.util.find_spec(name) is None]
    if missing:
        raise SkippedError(f"it needs {missing[0]}: pip install {missing[0]}.")
    settings = ("--base", "small", "--method", method, "--set", "validation=0.25", "--set", "precision=bfloat16")
    return _by_command(machine, ("rt2", *settings, "--robot"), ())


def _by_command(machine: Machine, family: tuple[str, ...], launcher: tuple[str, ...]) -> Found:
    """family: the start of the command, up to the option for a dataset."""
    if importlib.util.find_spec("pyarrow") is None:
        raise SkippedError("datasets need pyarrow: pip install pyarrow.")
    from rt_vla_ros.selftest.random_episodes import make_episode, write_dataset

    with tempfile.TemporaryDirectory(prefix="rt-vla-selftest-") as folder:
        data, out = Path(folder) / "data", Path(folder) / "run"
        write_dataset(data, [make_episode(seed) for seed in range(4)])
        size = ("--steps", "2", "--save-interval", "2", "--batch-size", "4")
        device = machine.device.type if launcher else str(machine.device)  # of several, each takes its own GPU
        where = ("--device", device, *(() if machine.on_gpu else ("--threads", "1")))
        place = (str(data), "--out", str(out))
        _finish([sys.executable, "-m", *launcher, "rt_vla_ros.cli", "train", *family, *place, *size, *where])
        row = read_rows(out / "losses.jsonl", FailedError)[-1]
        if not math.isfinite(row["training"]):
            raise FailedError(f"The loss is {row['training']}, expected a number.", row)
        load_policy(str(out / "checkpoint"), device=str(machine.device))
    return Found(f"loss {row['training']:.3f}, the checkpoint loads", row)


def _finish(command: list[str]) -> None:
    """Run a command to its end; all of its processes end with this one. Raises FailedError."""
    silent, pipe = subprocess.DEVNULL, subprocess.PIPE
    process = subprocess.Popen(command, stdout=silent, stderr=pipe, text=True, start_new_session=True)
    try:
        said = process.communicate(timeout=PATIENCE)[1].strip()[-LAST_WORDS:]
    except subprocess.TimeoutExpired as error:
        raise FailedError(f"The training did not end within {PATIENCE:g} s.") from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode != 0:
        raise FailedError(f"The training failed with status {process.returncode}: {said or 'no output'}")


def _batch() -> Batch:
    config, rng = RT1Config.preset("rt1-mini"), np.random.default_rng(0)
    shape = (WINDOWS, config.time_sequence_length)
    words = [HashedWords(config.word_buckets).encode(f"pick up the {name} cube") for name in ("red", "blue") * 2]
    tokens = np.stack([rng.integers(0, count, shape) for count in config.action_token_counts], axis=-1)
    images = rng.integers(0, 256, (*shape, config.num_cameras, *config.input_size, 3), dtype=np.uint8)
    return Batch(images, np.stack(words), tokens, rng.random((*shape, 10), dtype=np.float32))
