"""RT-1's fast step against the network as it is, eager and recorded."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from rt_vla_ros.benchmarks.rt1_memory import SMALL
from rt_vla_ros.benchmarks.rt1_networks import DTYPES, inputs, network
from rt_vla_ros.policies.rt1.fast.steps import FoldedSteps
from rt_vla_ros.policies.rt1.policy import PlainSteps
from rt_vla_ros.selftest.part import FailedError, Found, Machine, exact_float32

IMAGES = {"rt1-x": 3, "rt1": 8}
"""Of each network; the window of `rt1` is 6, so that it rolls, that of `rt1-x` is full from the start."""
TOLERANCES = {"float32": 1e-3, "bfloat16": 0.5}
"""Largest difference of a logit from the plain float32 network's, as a share of the logits' spread."""
RECORDED_TOLERANCES = {"float32": 1e-4, "bfloat16": 0.05}
"""The same between the fast step recorded and not, in the same type."""
LEAST_SHARE = 0.6
"""Of tokens that must be the plain float32 network's in bfloat16 too."""


def fast_step(dtype: str, machine: Machine) -> Found:
    """Folded, kept and shortened against the plain network in float32."""
    return _compared(dtype, machine, recorded=False)


def recorded_step(dtype: str, machine: Machine) -> Found:
    """The fast step as CUDA graphs against the same without."""
    return _compared(dtype, machine, recorded=True)


@torch.inference_mode()
def _compared(dtype: str, machine: Machine, *, recorded: bool) -> Found:
    tolerance = (RECORDED_TOLERANCES if recorded else TOLERANCES)[dtype]
    figures: dict[str, float] = {}
    with exact_float32():
        for preset, count in IMAGES.items():
            model = network(preset, **({} if machine.on_gpu else SMALL))
            images, features = inputs(model, count)
            nn.Module.to(model, machine.device)
            fast = FoldedSteps(copy.deepcopy(model), DTYPES[dtype], cuda_graphs=recorded)
            usual = FoldedSteps(model, DTYPES[dtype]) if recorded else PlainSteps(model)
            expected, found = (_logits(steps, images, features) for steps in (usual, fast))
            figures[f"{preset}_difference"] = float((found - expected).abs().max() / expected.std())
            figures[f"{preset}_same_tokens"] = float((found.argmax(-1) == expected.argmax(-1)).float().mean())
    difference = max(value for name, value in figures.items() if name.endswith("difference"))
    share = min(value for name, value in figures.items() if name.endswith("tokens"))
    said = f"logits within {difference:.1e} of their spread, {100 * share:.1f} % of the tokens equal"
    if not (difference <= tolerance and share >= LEAST_SHARE):
        raise FailedError(f"{said}; expected {tolerance:.0e} and {100 * LEAST_SHARE:.0f} % at least.", figures)
    return Found(said, figures)


def _logits(steps: PlainSteps, images: Tensor, features: Tensor) -> Tensor:
    """Of two requests with different instructions, float32 (2 * images, D, V)."""
    rows, device = [], steps.model.device
    for instruction in (features, features.flip(-1)):
        steps.begin(instruction.to(device))
        for image in images:
            logits = steps.step(image[None].to(device)).float().cpu()
            rows.append(logits)
            steps.chosen(logits.argmax(-1))
    return torch.stack(rows)
