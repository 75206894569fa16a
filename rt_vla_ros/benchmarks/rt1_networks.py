"""Networks for the benchmark of RT-1: the public sizes, with random weights that propagate an image's signal.

    python -m rt_vla_ros.benchmarks.rt1_networks rt1-x bfloat16      # memory of a step on a CPU, as JSON on stdout

The memory is measured in its own process, so that other networks are not counted. Only Linux reports the peak.
"""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.fast.steps import FoldedSteps
from rt_vla_ros.policies.rt1.layers import FiLM
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.policies.rt1.policy import PlainSteps

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
CONVOLUTION_GAIN, FILM_GAIN = 1.4, 0.5
PATCH = 20
MEGABYTE = 1 << 20
SMALL = {"width_coefficient": 0.1, "depth_coefficient": 0.1, "num_layers": 1}


def network(preset: str, **changes: Any) -> RT1Model:
    """Ready for inference, with the same weights every time.

    Kernels are normal over the square root of their fan-in, those of convolutions times 1.4, to compensate for swish;
    statistics, scales and biases deviate a little from 1 and 0. With default initialization the signal of the image
    would vanish in 26 blocks, and all tokens, in any precision, would be those of the biases.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = RT1Model(RT1Config.preset(preset, **changes))
    generator = torch.Generator().manual_seed(0)
    in_film = {id(child) for module in model.modules() if isinstance(module, FiLM) for child in module.children()}
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                usual = CONVOLUTION_GAIN if isinstance(module, nn.Conv2d) else 1.0
                gain = FILM_GAIN if id(module) in in_film else usual
                module.weight.normal_(std=gain * module.weight[0].numel() ** -0.5, generator=generator)
            elif isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
                module.weight.normal_(1.0, 0.1, generator=generator)
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(std=0.1, generator=generator)
                module.running_var.uniform_(0.75, 1.25, generator=generator)
            bias = getattr(module, "bias", None)
            if isinstance(bias, Tensor):
                bias.normal_(std=0.1, generator=generator)
    model.train(False)
    return model


def inputs(model: RT1Model, count: int = 6) -> tuple[Tensor, Tensor]:
    """Images of colored patches, uint8 (count, H, W, 3), and an instruction as the network takes it, (1, ...)."""
    generator = torch.Generator().manual_seed(0)
    height, width = model.config.input_size
    shape = (count, -(-height // PATCH), -(-width // PATCH), 3)
    patches = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    images = patches.repeat_interleave(PATCH, 1).repeat_interleave(PATCH, 2)[:, :height, :width].contiguous()
    if model.config.language == "embedding":
        sentence = torch.randn(1, model.config.language_size, generator=generator)
        return images, nn.functional.normalize(sentence)  # of length 1, as the Universal Sentence Encoder's
    return images, torch.randint(1, model.config.word_buckets, (1, 9), generator=generator)


def steps_of(model: RT1Model, dtype: torch.dtype, *, cuda_graphs: bool = False) -> PlainSteps:
    """The network prepared as in a policy; may be modified."""
    if model.config.trunk != "film_efficientnet":
        return PlainSteps(model)
    return FoldedSteps(model, dtype, cuda_graphs=cuda_graphs)


def weight_bytes(model: RT1Model, dtype: torch.dtype) -> int:
    """Size of all parameters in this type [bytes]."""
    return sum(parameter.numel() for parameter in model.parameters()) * dtype.itemsize


def measured_apart(preset: str, dtype: str) -> dict[str, float]:
    """`memory_of_step` in its own process; empty if the system does not report it. Raises ValueError."""
    if not Path("/proc/self/clear_refs").exists():
        return {}
    command = [sys.executable, "-m", "rt_vla_ros.benchmarks.rt1_networks", preset, dtype]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(f"The memory of {preset} in {dtype} could not be measured: {done.stderr.strip()[-500:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


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
    events = [event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"]
    return [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]


def peak_of(changes: Iterable[int]) -> int:
    """The largest cumulative sum, at least 0."""
    return max(accumulate(changes, initial=0))


def _run(preset: str, dtype: str, changes: dict[str, Any]) -> tuple[Any, torch.Tensor, int]:
    model = network(preset, **(changes if preset != "rt1-mini" else {}))
    images, features = inputs(model)
    weights = weight_bytes(model, DTYPES[dtype])
    steps = steps_of(model, DTYPES[dtype])
    steps.begin(features)
    for _ in range(2 if model.config.history_start == "zero_frames" else model.config.time_sequence_length + 1):
        steps.step(images[:1])
    return steps, images[:1], weights


def _resident_bytes() -> int:
    """Resident memory after freed memory was returned to the system [bytes]."""
    gc.collect()
    getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)(0)
    return _status("VmRSS")


def _status(key: str) -> int:
    """Memory of this process [bytes]."""
    return 1024 * int(Path("/proc/self/status").read_text().split(f"{key}:")[1].split()[0])


if __name__ == "__main__":
    print(json.dumps(memory_of_step(*sys.argv[1:3])))
