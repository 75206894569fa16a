"""How much memory a step of RT-1 takes on a CPU: what the process holds at most, beside what can be accounted for.

    python -m rt_vla_ros.benchmarks.rt1_memory rt1-x bfloat16      # one JSON object on stdout

A process of its own, for what another network left behind would count too. Linux alone tells the peak.
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
    """`memory_of_step` in a process of its own; empty where the system does not tell. Raises ValueError."""
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
    """All in [MB], beyond what the process held with the libraries loaded, but without the network.

    weights_mb: of the network, in its type. activations_mb: the most that torch's allocator held at once during a step,
    beyond what it held before. kernels_mb: machine code and tables that oneDNN makes for the network's shapes, which is
    what remains when the network has run and is gone. peak_mb: the most that the process held during a step.
    peak_to_accounted: peak_mb to the sum of the others.
    """
    _run(preset, dtype, SMALL)  # loads the libraries
    before = _resting()
    _run(preset, dtype, {})
    kernels = _resting() - before
    steps, image, weights = _run(preset, dtype, {})
    _resting()
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
    steps.step(image)
    peak = _status("VmHWM") - before
    activations = peak_of(allocations(lambda: steps.step(image)))  # last, for the profiler takes memory too
    parts = {"weights_mb": weights, "activations_mb": activations, "kernels_mb": kernels, "peak_mb": peak}
    ratio = peak / (weights + activations + kernels)
    return {**{name: round(size / MEGABYTE, 1) for name, size in parts.items()}, "peak_to_accounted": round(ratio, 2)}


def allocations(work: Callable[[], Any]) -> list[int]:
    """What torch's CPU allocator took (positive) and gave back (negative) meanwhile, in order [bytes]."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        work()
    results = record.profiler.kineto_results
    events = [event for event in results.events() if event.name() == "[memory]"]
    return [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]


def peak_of(changes: Iterable[int]) -> int:
    """The largest sum on the way, at least 0."""
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


def _resting() -> int:
    """What the process holds when freed memory has gone back to the system [bytes]."""
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
