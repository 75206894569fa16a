"""The first things that a user needs of a device: that it computes, and that the shipped policy runs on it."""

from __future__ import annotations

import numpy as np
import torch

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt1.policy import RT1Policy
from rt_vla_ros.selftest.part import FailedError, Found, Machine, exact_float32

SIDE = 512
TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 1e-2}
"""Largest error of a matrix product, as a share of the largest number in it."""
SHIPPED = "rt1-mini"
PROBABILITY_TOLERANCE = 0.02
"""Largest difference of a token's probability between this device, with TF32 where torch takes it, and a CPU."""
STEPS = 6


@torch.inference_mode()
def arithmetic(machine: Machine) -> Found:
    """A matrix product in float32 and bfloat16 is the one in float64 on a CPU."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(SIDE, SIDE, generator=generator) for _ in range(2))
    errors = {}
    for dtype, tolerance in TOLERANCES.items():
        left, right = a.to(dtype), b.to(dtype)
        exact = left.double() @ right.double()
        with exact_float32():
            found = (left.to(machine.device) @ right.to(machine.device)).cpu().double()
        name = str(dtype).removeprefix("torch.")
        errors[name] = float((found - exact).abs().max() / exact.abs().max())
        if not errors[name] <= tolerance:
            raise FailedError(
                f"A matrix product in {name} is wrong by {errors[name]:.1e} of its largest number, expected at most "
                f"{tolerance:.0e}.",
                errors,
            )
    memory = ""
    if machine.on_gpu:
        free, total = torch.cuda.mem_get_info(machine.device)
        capability = ".".join(map(str, torch.cuda.get_device_capability(machine.device)))
        memory = f", compute capability {capability}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free"
    return Found(f"errors {', '.join(f'{name} {error:.0e}' for name, error in errors.items())}{memory}", errors)


def shipped_policy(machine: Machine) -> Found:
    """The shipped RT-1 checkpoint gives the probabilities on this device that it gives on a CPU."""
    policies = [load_policy(SHIPPED, device=device) for device in ("cpu", str(machine.device))]
    rng, largest, same, count = np.random.default_rng(0), 0.0, 0, 0
    for policy in policies:
        policy.reset("pick up the red cube")
    camera = policies[0].card.cameras[0]
    for step in range(STEPS):
        blocks = rng.integers(0, 256, (camera.height // 8, camera.width // 8, 3), dtype=np.uint8)
        seen = Observation({camera.name: blocks.repeat(8, axis=0).repeat(8, axis=1)}, float(step))
        exact, found = (p.probabilities(seen) for p in policies if isinstance(p, RT1Policy))
        largest = max(largest, float(np.abs(exact - found).max()))
        same, count = same + int((exact.argmax(-1) == found.argmax(-1)).sum()), count + len(exact)
    figures = {"probability_difference": largest, "same_tokens": same, "tokens": count}
    if not largest <= PROBABILITY_TOLERANCE:
        raise FailedError(
            f"{SHIPPED} gives probabilities that differ from a CPU's by {largest:.3f}, expected at most "
            f"{PROBABILITY_TOLERANCE}.",
            figures,
        )
    return Found(f"{same} of {count} tokens as on a CPU, probabilities within {largest:.0e}", figures)
