"""Compares a policy with its exports: latency of a decision, size on disk, and token agreement."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.observations.robot_state import middle_state
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import WARM_UP_INSTRUCTION, Policy, WarmUpPolicy

WEIGHTS = ("*.safetensors", "*.onnx", "*.so")
PATCH = 16  # [pixel]


def measure(checkpoint: str, exported: Sequence[str], repeats: int, device: str) -> dict[str, Any]:
    """All policies decide on the same random images, in turn; one row each, the checkpoint first.

    Raises ValueError for policies with different cameras.
    """
    policies = {name: load_policy(name, device=device) for name in (checkpoint, *exported)}
    first = policies[checkpoint]
    for name, policy in policies.items():
        if policy.card != first.card:
            raise ValueError(f"{name} has a different action card than {checkpoint}: it was not exported from it.")
        policy.reset(policy.warm_up_instruction if isinstance(policy, WarmUpPolicy) else WARM_UP_INSTRUCTION)
    seconds: dict[str, list[float]] = {name: [] for name in policies}
    same = dict.fromkeys(policies, 0)
    warm, tokens = first.warm_up_runs if isinstance(first, WarmUpPolicy) else 2, 0
    for number in range(warm + repeats):
        observation = _observation(first, number)
        chosen: tuple[int, ...] = ()
        for name, policy in policies.items():
            started = time.perf_counter()
            chunk = policy.act(observation)
            took = time.perf_counter() - started
            chosen = chosen or chunk.tokens
            if number >= warm:
                seconds[name].append(took)
                same[name] += sum(a == b for a, b in zip(chunk.tokens, chosen, strict=True))
        tokens += len(chosen) if number >= warm else 0
    rows = [_row(name, policies[name], seconds, checkpoint, same[name] / tokens) for name in policies]
    return {"policies": rows, "threads": torch.get_num_threads(), "load_average": round(os.getloadavg()[0], 1)}


def _row(name: str, policy: Policy, seconds: Mapping[str, list[float]], first: str, same: float) -> dict[str, Any]:
    ratios = [a / b for a, b in zip(seconds[first], seconds[name], strict=True)]
    return {
        "policy": policy.name,
        "median_ms": round(1000 * statistics.median(seconds[name]), 2),
        "fastest_ms": round(1000 * min(seconds[name]), 2),
        "times_as_fast": round(statistics.median(ratios), 2),
        "size_mb": _megabytes(name),
        "same_tokens": round(same, 3),
    }


def _megabytes(name: str) -> float:
    place = resolve(name).directory
    files = [] if place is None else [path for ending in WEIGHTS for path in place.glob(ending)]
    return round(sum(path.stat().st_size for path in files) / 1e6, 2)


def _observation(policy: Policy, number: int) -> Observation:
    """Images of colored patches, the same for the same number."""
    rng, card = np.random.default_rng(number), policy.card
    images = {}
    for camera in card.cameras:
        patches = rng.integers(0, 256, (-(-camera.height // PATCH), -(-camera.width // PATCH), 3), dtype=np.uint8)
        images[camera.name] = patches.repeat(PATCH, 0).repeat(PATCH, 1)[: camera.height, : camera.width].copy()
    return Observation(images, number * card.decision_period, middle_state(card.state))


COLUMNS: tuple[tuple[str, str], ...]
COLUMNS = (("policy", "policy"), ("median_ms", "median [ms]"), ("fastest_ms", "fastest"), ("times_as_fast", "x faster"))
COLUMNS += (("size_mb", "weights [MB]"), ("same_tokens", "same tokens"))


def table(figures: Mapping[str, Any]) -> str:
    """The results as text."""
    rows = [[title for _, title in COLUMNS]]
    rows += [[str(row[key]) for key, _ in COLUMNS] for row in figures["policies"]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([*lines, f"{figures['threads']} threads, load {figures['load_average']}"])
