"""Latency of a step of RT-1, from a uint8 image on the host to the action tokens on the host, by part."""

from __future__ import annotations

import contextlib
import gc
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rt_vla_ros.benchmarks.rt1_networks import DTYPES, MEGABYTE, inputs, measured_apart, network, steps_of, weight_bytes
from rt_vla_ros.policies.rt1.fast.steps import FoldedSteps
from rt_vla_ros.policies.rt1.policy import PlainSteps

CASES = (("rt1-x", "float32"), ("rt1-x", "bfloat16"), ("rt1", "float32"), ("rt1", "bfloat16"), ("rt1-mini", "float32"))
REFERENCE_PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "rt1_reference.py"
ERROR_TAIL = 1000  # characters of a process's standard error that are shown when it fails


class Reference:
    """The JAX example in its own process."""

    def __init__(self, models: Path, python: str) -> None:
        """Raises ValueError with the process's output if it does not start."""
        if not REFERENCE_PROGRAM.is_file():
            missing = f"{REFERENCE_PROGRAM} is missing: the program that runs the JAX example is part of a checkout"
            raise ValueError(f"{missing}, not of an installation; run ./rt-vla bench rt1 --reference DIR there.")
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (close() does)
        command, pipe = [python, str(REFERENCE_PROGRAM), str(models)], subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._stderr, text=True)
        if self._line() != "ready":
            raise self._failure(f"The reference in {models} does not run with {python}; it needs jax and flax")

    def step(self) -> float:
        """Time of one step [s]. Raises ValueError with the process's output if it has ended."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        line = self._line()
        if not line:
            raise self._failure("The reference ended during the measurement")
        return float(line)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        if not self._stderr.closed:
            self._stderr.seek(0)
            self._said = self._stderr.read().decode(errors="replace").strip()[-ERROR_TAIL:] or "none"
            self._stderr.close()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def _failure(self, what: str) -> ValueError:
        self.close()
        return ValueError(f"{what} (status {self._process.returncode}). Its last output: {self._said}")


def measure(
    cases: Sequence[tuple[str, str]],
    models: Path | None = None,
    *,
    repeats: int = 5,
    device: str = "cpu",
    python: str = sys.executable,
    cuda_graphs: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """All results, times in [ms]; our steps and the reference's alternate. Raises ValueError.

    models: of open_x_embodiment, None: without. repeats: steps that are timed. python: of the environment that has jax.
    cuda_graphs: as FoldedSteps'. tell: called with a message after each network, since all of them take minutes.
    """
    load = os.getloadavg()[0]  # before the measurement
    rows = []
    with contextlib.ExitStack() as stack:
        reference = None
        if models is not None:
            reference = stack.enter_context(contextlib.closing(Reference(models, python)))
        for preset, dtype in cases:
            other = reference if preset == "rt1-x" else None
            rows.append(_case(preset, dtype, torch.device(device), repeats, cuda_graphs, other))
            beside = f", the reference {rows[-1]['reference_ms']} ms" if other is not None else ""
            tell(f"{preset} in {dtype}: {rows[-1]['step_ms']} ms a step{beside}")
            gc.collect()
    for row in rows:  # in separate processes, after all timing
        if device == "cpu":
            row |= measured_apart(row["network"], row["dtype"])
    name = torch.cuda.get_device_name() if device.startswith("cuda") else "cpu"
    machine: dict[str, Any] = {
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }
    machine |= {"load_average": round(load, 2), "device": name, "torch": torch.__version__}
    return {**machine, "unix_time": round(time.time()), "networks": rows}


@torch.inference_mode()
def _case(
    preset: str, dtype: str, device: torch.device, repeats: int, cuda_graphs: bool, reference: Reference | None
) -> dict[str, Any]:
    model = network(preset)
    nn.Module.to(model, device)
    images, features = inputs(model)
    exact = _tokens(PlainSteps(model), images, features) if dtype != "float32" else None
    weights = weight_bytes(model, DTYPES[dtype])
    steps = steps_of(model, DTYPES[dtype], cuda_graphs=cuda_graphs)
    rough = _tokens(steps, images, features) if exact is not None else None
    steps.begin(features.to(device))
    for _ in range(model.config.time_sequence_length + 1):
        steps.step(images[0][None].to(device))  # warm-up; fills the window
    whole, theirs = [], []
    for number in range(repeats):
        whole.append(_seconds(partial(_step, steps, images[number % len(images)][None])))
        if reference is not None:
            theirs.append(reference.step())
    row: dict[str, Any] = {"network": preset, "dtype": dtype}
    row |= {"step_ms": _median_ms(whole), "fastest_ms": round(1000 * min(whole), 2)}
    if isinstance(steps, FoldedSteps):
        folded = steps
        frame = [_seconds(lambda: folded.embedded(images[:1].to(device)).sum().item()) for _ in whole]
        window = [_seconds(lambda: folded.window_logits().sum().item()) for _ in whole]
        row |= {"image_ms": _median_ms(frame), "transformer_ms": _median_ms(window)}
    if exact is not None and rough is not None:
        row |= {"tokens_as_float32": round(float((exact == rough).float().mean()), 3), "tokens": exact.numel()}
    if theirs:
        row |= {"reference_ms": _median_ms(theirs), "times_faster": round(_median_ms(theirs) / _median_ms(whole), 1)}
    row["weights_mb"] = round(weights / MEGABYTE, 1)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        _step(steps, images[:1])
        row["peak_mb"] = round(torch.cuda.max_memory_allocated(device) / MEGABYTE, 1)
    return row


def _tokens(steps: PlainSteps, images: Tensor, features: Tensor) -> Tensor:
    steps.begin(features.to(steps.model.device))
    return torch.stack([_step(steps, image[None]) for image in images])


def _step(steps: PlainSteps, image: Tensor) -> Tensor:
    return steps.step(image.to(steps.model.device)).argmax(-1).cpu()


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _median_ms(seconds: list[float]) -> float:
    return round(1000 * float(np.median(seconds)), 2)


COLUMNS: tuple[tuple[str, str], ...]
COLUMNS = (("network", "network"), ("dtype", "dtype"), ("step_ms", "step [ms]"), ("fastest_ms", "fastest"))
COLUMNS += (("image_ms", "image"), ("transformer_ms", "transformer"), ("tokens_as_float32", "tokens as f32"))
COLUMNS += (("reference_ms", "reference [ms]"), ("times_faster", "times faster"), ("weights_mb", "weights [MB]"))
COLUMNS += (("activations_mb", "activations"), ("kernels_mb", "kernels"), ("peak_mb", "peak"))
COLUMNS += (("peak_to_accounted", "peak/sum"),)


def table(figures: Mapping[str, Any]) -> str:
    """The results as text: medians."""
    rows = [[title for _, title in COLUMNS]]
    rows += [[str(row.get(key, "-")) for key, _ in COLUMNS] for row in figures["networks"]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    threads = f"{figures['threads']} threads of {figures['cpus']} CPUs"
    about = f"{figures['device']}, {threads}, load before {figures['load_average']}"
    return "\n".join([*lines, about])
