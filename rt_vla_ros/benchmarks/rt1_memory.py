"""Memory of a step of RT-1 on a CPU: the peak of the process, and its known parts.

    python -m rt_vla_ros.benchmarks.rt1_memory rt1-x bfloat16      # one JSON object on stdout

It runs in its own process, so that memory of other networks is not counted. Only Linux reports the peak.
"""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from rt_vla_ros.benchmarks.rt1_networks import DTYPES, inputs, network, steps_of, weight_bytes

MEGABYTE = 1 << 20
SMALL = {"width_coefficient": 0.1, "depth_coefficient": 0.1, "num_layers": 1}


def measured_apart(preset: str, dtype: str) -> dict[str, float]:
    """`memory_of_step` in its own process; empty where the system does not report it. Raises ValueError."""
    if not Path("/proc/self/clear_refs").exists():
        return {}
    command = [sys.executable, "-m", "rt_vla_ros.benchmarks.rt1_memory", preset, dtype]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(f"The memory of {preset} in {dtype} could not be measured: {done.stderr.strip()[-500:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


@torch.inference_mode()
def memory_of_step(preset: str, dtype: str) -> dict[str, float]:
    """All in [MB], relative to the process with the libraries loaded but without the network.

    weights_mb: of the network, in its type. activations_mb: peak of torch's allocator during a step, relative to
    before the step. kernels_mb: machine code and tables that oneDNN makes for the network's shapes, which
    is what remains after the network was deleted. peak_mb: peak of the process during a step.
    peak_to_accounted: peak_mb to the sum of the others.
    """
    _run(preset, dtype, SMALL)  # loads the libraries
    before = _resident_bytes()
    _run(preset, dtype, {})
    kernels = _resident_bytes() - before
    steps, image, weights = _run(preset, dtype, {})
    _resident_bytes()
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
    steps.step(image)
    peak = _status("VmHWM") - before
    activations = peak_of(allocations(lambda: steps.step(image)))  # last: the profiler needs memory too
    parts = {"weights_mb": weights, "activations_mb": activations, "kernels_mb": kernels, "peak_mb": peak}
    ratio = peak / (weights + activations + kernels)
    return {**{name: round(size / MEGABYTE, 1) for name, size in parts.items()}, "peak_to_accounted": round(ratio, 2)}


def allocations(work: Callable[[], Any]) -> list[int]:
    """Allocations (positive) and releases (negative) of torch's CPU allocator during `work`, in order [bytes]."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        work()
    results = record.profiler.kineto_results
    events = [event for event in results.events() if event.name() == "[memory]"]
    return [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]


def peak_of(changes: Iterable[int]) -> int:
    """The largest cumulative sum, at least 0."""
    held = peak = 0
    for change in changes:
        held += change
        peak = max(peak, held)
    return peak


def _run(preset: str, dtype: str, changes: dict[str, Any]) -> tuple[Any, torch.Tensor, int]:
    model = network(preset, **(changes if preset != "rt1-mini" else {}))
    images, features = inputs(model)
    weights = weight_bytes(model, DTYPES[dtype])
    steps = steps_of(model, DTYPES[dtype])
    steps.begin(features)
    fills = model.config.history_start == "zero_frames"
    for _ in range(2 if fills else model.config.time_sequence_length + 1):
        steps.step(images[:1])
    return steps, images[:1], weights


def _resident_bytes() -> int:
    """Resident memory after freed memory was returned to the system [bytes]."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return _status("VmRSS")


def _status(key: str) -> int:
    """Of this process [bytes]."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(json.dumps(memory_of_step(*sys.argv[1:3])))
