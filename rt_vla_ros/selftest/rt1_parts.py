"""Arithmetic, and RT-1: the included policy, the fast step eager and as CUDA graphs, the benchmark."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from rt_vla_ros.benchmarks import rt1
from rt_vla_ros.benchmarks.rt1_networks import DTYPES, SMALL, inputs, network
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt1.fast.steps import FoldedSteps
from rt_vla_ros.policies.rt1.policy import PlainSteps, RT1Policy
from rt_vla_ros.selftest.runner import FailedError, Found, Machine, exact_float32

SIDE = 512
ARITHMETIC_TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 1e-2}
"""Largest error of a matrix product, relative to its largest element."""
SHIPPED = "rt1-mini"
PROBABILITY_TOLERANCE = 0.02
"""Largest difference of a token's probability between this device, with TF32 if torch uses it, and a CPU."""
SHIPPED_STEPS = 6
NETWORKS: dict[str, tuple[str, dict[str, int], int]] = {
    "rt1-x": ("rt1-x", {}, 3),
    "rt1": ("rt1", {}, 8),
    "rt1-views": ("rt1", {"num_cameras": 2, "state_size": 8, "horizon": 4}, 8),
}
"""Preset, its changes, and steps. The window of `rt1` is 6 and rolls; that of `rt1-x` is full from the start."""
TOLERANCES = {"float32": 1e-3, "bfloat16": 0.5}
"""Largest difference of a logit from the plain float32 network's, relative to the logits' spread."""
RECORDED_TOLERANCES = {"float32": 1e-4, "bfloat16": 0.05}
"""The same between the fast step with and without CUDA graphs, in the same type."""
LEAST_SHARE = 0.6  # of tokens that must be the plain float32 network's in bfloat16 too


@torch.inference_mode()
def arithmetic(machine: Machine) -> Found:
    """Matrix products in float32 and bfloat16 equal the float64 result on a CPU."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(SIDE, SIDE, generator=generator) for _ in range(2))
    errors = {}
    for dtype, tolerance in ARITHMETIC_TOLERANCES.items():
        left, right = a.to(dtype), b.to(dtype)
        exact = left.double() @ right.double()
        with exact_float32():
            found = (left.to(machine.device) @ right.to(machine.device)).cpu().double()
        name = str(dtype).removeprefix("torch.")
        errors[name] = float((found - exact).abs().max() / exact.abs().max())
        if not errors[name] <= tolerance:
            said = f"A matrix product in {name} has a relative error of {errors[name]:.1e} of its largest number"
            raise FailedError(f"{said}, expected at most {tolerance:.0e}.", errors)
    memory = ""
    if machine.on_gpu:
        free, total = torch.cuda.mem_get_info(machine.device)
        capability = ".".join(map(str, torch.cuda.get_device_capability(machine.device)))
        memory = f", compute capability {capability}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free"
    return Found(f"errors {', '.join(f'{name} {error:.0e}' for name, error in errors.items())}{memory}", errors)


def shipped_policy(machine: Machine) -> Found:
    """The included RT-1 checkpoint gives the same probabilities on this device as on a CPU."""
    policies = [load_policy(SHIPPED, device=device) for device in ("cpu", str(machine.device))]
    rng, largest, same, count = np.random.default_rng(0), 0.0, 0, 0
    for policy in policies:
        policy.reset("pick up the red cube")
    camera = policies[0].card.cameras[0]
    for step in range(SHIPPED_STEPS):
        blocks = rng.integers(0, 256, (camera.height // 8, camera.width // 8, 3), dtype=np.uint8)
        seen = Observation({camera.name: blocks.repeat(8, axis=0).repeat(8, axis=1)}, float(step))
        exact, found = (p.probabilities(seen) for p in policies if isinstance(p, RT1Policy))
        largest = max(largest, float(np.abs(exact - found).max()))
        same, count = same + int((exact.argmax(-1) == found.argmax(-1)).sum()), count + len(exact)
    figures = {"probability_difference": largest, "same_tokens": same, "tokens": count}
    if not largest <= PROBABILITY_TOLERANCE:
        said = f"{SHIPPED} gives probabilities that differ from a CPU's by {largest:.3f}"
        raise FailedError(f"{said}, expected at most {PROBABILITY_TOLERANCE}.", figures)
    return Found(f"{same} of {count} tokens as on a CPU, probabilities within {largest:.0e}", figures)


@torch.inference_mode()
def fast_step(dtype: str, machine: Machine, *, recorded: bool = False) -> Found:
    """The fast step compared with the plain network in float32; recorded: with CUDA graphs compared with without."""
    tolerance = (RECORDED_TOLERANCES if recorded else TOLERANCES)[dtype]
    figures: dict[str, float] = {}
    with exact_float32():
        for name, (preset, changes, count) in NETWORKS.items():
            model = network(preset, **changes, **({} if machine.on_gpu else SMALL))
            images, features = inputs(model, count)
            nn.Module.to(model, machine.device)
            fast = FoldedSteps(copy.deepcopy(model), DTYPES[dtype], cuda_graphs=recorded)
            usual = FoldedSteps(model, DTYPES[dtype]) if recorded else PlainSteps(model)
            expected, found = (_logits(steps, images, features) for steps in (usual, fast))
            figures[f"{name}_difference"] = float((found - expected).abs().max() / expected.std())
            figures[f"{name}_same_tokens"] = float((found.argmax(-1) == expected.argmax(-1)).float().mean())
    difference = max(figures[f"{name}_difference"] for name in NETWORKS)
    share = min(figures[f"{name}_same_tokens"] for name in NETWORKS)
    said = f"logits within {difference:.1e} of their spread, {100 * share:.1f} % of the tokens equal"
    if not (difference <= tolerance and share >= LEAST_SHARE):
        raise FailedError(f"{said}; expected {tolerance:.0e} and {100 * LEAST_SHARE:.0f} % at least.", figures)
    return Found(said, figures)


def _logits(steps: PlainSteps, images: Tensor, features: Tensor) -> Tensor:
    """Of two requests with different instructions, float32 (2 * images, D, V).

    A second camera sees the image upside down; the state's numbers rise from step to step.
    """
    rows, device, config = [], steps.model.device, steps.model.config
    for instruction in (features, features.flip(-1)):
        steps.begin(instruction.to(device))
        for number, image in enumerate(images):
            views = torch.stack([image.flip(0) if camera % 2 else image for camera in range(config.num_cameras)])
            state = torch.full((1, config.state_size), number / len(images)).to(device) if config.state_size else None
            logits = steps.step(views.to(device), state).float().cpu()
            rows.append(logits)
            steps.chosen(logits.argmax(-1))
    return torch.stack(rows)


def bench(machine: Machine, *, recorded: bool = False) -> Found:
    """Benchmark every published network on a GPU, the small one on a CPU."""
    cases, repeats = (rt1.CASES, 20) if machine.on_gpu else ((("rt1-mini", "float32"),), 3)
    figures = rt1.measure(cases, repeats=repeats, device=str(machine.device), cuda_graphs=recorded)
    steps = (f"{row['network']} {row['dtype']} {row['step_ms']} ms" for row in figures["networks"])
    return Found(", ".join(steps), figures, rt1.table(figures))
