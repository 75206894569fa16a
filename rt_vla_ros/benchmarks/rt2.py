"""Latency of RT-2 from a camera image to an action: transformers' `generate` and the decoding engine.

All variants get the same image, prompt and constraint, and must give the same tokens. They are measured in rounds, one
run of each per round, and compared within a round, so that other load on the machine affects all of them alike.
"""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from rt_vla_ros.benchmarks.rt2_machine import floor_ms, load, measure_machine, peak_bytes, timed
from rt_vla_ros.benchmarks.rt2_shapes import ModelShape, make_parts
from rt_vla_ros.benchmarks.rt2_stock import INSTRUCTION, agreement, generate
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.rt2.decoding.constrained_decoding import ActionGrammar
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts
from rt_vla_ros.policies.rt2.policy import RT2Policy, make_grammar

VARIANTS = ("stock", "no speculation", "accepted 0 %", "accepted 50 %", "accepted 100 %")


@dataclass(frozen=True)
class DecodingResult:
    """One decoding variant: milliseconds from image to action and passes, relative to stock and to the lower bound.

    milliseconds: the median; best: the minimum. faster: median over the rounds of stock's time by this one's.
    over_floor: the best divided by the lower bound of this machine for as many passes.
    """

    milliseconds: float
    best: float
    passes: int
    same_tokens: bool
    faster: float
    over_floor: float


@dataclass(frozen=True)
class RT2BenchOptions:
    """repeats: rounds. pack, fixed_shapes: as RT2Policy's. images: how many are compared in half precision.

    variants: of VARIANTS; stock must be among them.
    """

    repeats: int = 5
    pack: bool = True
    fixed_shapes: bool = False
    images: int = 10
    variants: tuple[str, ...] = VARIANTS


def measure(
    name: str, shape: ModelShape, device: torch.device, dtype: torch.dtype, options: RT2BenchOptions
) -> dict[str, Any]:
    """All variants of one shape. Raises RuntimeError where tokens differ in float32."""
    before, machine = load(), measure_machine(device, dtype)
    parts = make_parts(shape, device, dtype)
    # A policy packs its model for the CPU; `generate` gets it as transformers creates it.
    ours = replace(parts, model=copy.deepcopy(parts.model)) if device.type == "cpu" else parts
    policy = RT2Policy(ours, speculate=False, pack=options.pack, fixed_shapes=options.fixed_shapes)
    policy.reset(INSTRUCTION)
    bodies = _bodies(parts, policy, picture(parts, 0))
    outputs = {way: bodies[way]() for way in options.variants}  # the first one warms up
    stock_tokens = outputs["stock"][0]
    for way, (tokens, _passes) in outputs.items():
        if dtype == torch.float32 and tokens != stock_tokens:
            raise RuntimeError(f"{name}, {way}: {tokens} are not the tokens of generate, {stock_tokens}.")
    seconds = _in_rounds({way: bodies[way] for way in options.variants}, device, options.repeats)
    machine = machine.better(measure_machine(device, dtype))
    found: dict[str, DecodingResult] = {}
    for way, (tokens, passes) in outputs.items():
        ratios = [stock / own for stock, own in zip(seconds["stock"], seconds[way], strict=True)]
        median, best = 1000 * statistics.median(seconds[way]), 1000 * min(seconds[way])
        floor = floor_ms(parts, shape, policy.prompt_tokens, machine, passes)
        found[way] = DecodingResult(
            median, best, passes, tokens == stock_tokens, statistics.median(ratios), best / floor
        )
    return {
        "shape": name,
        "dtype": str(dtype).removeprefix("torch."),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
        "threads": torch.get_num_threads(),
        "load": [round(before, 2), round(load(), 2)],
        "packed": options.pack and device.type == "cpu",
        "recorded_prompt_lengths": policy.recorded_prompt_lengths,
        "parameters": sum(p.numel() for p in parts.model.parameters()),
        "weight_bytes": sum(p.numel() * p.element_size() for p in parts.model.parameters()),
        "peak_bytes": peak_bytes(device),
        "prompt_tokens": policy.prompt_tokens,
        "action_tokens": len(stock_tokens),
        "bandwidth_gb_s": machine.bandwidth / 1e9,
        "rate_gflop_s": machine.rate / 1e9,
        "variants": {way: asdict(result) for way, result in found.items()},
        "agreement": _agreement(parts, policy, options.images) if dtype != torch.float32 else None,
    }


def picture(parts: RT2Parts, seed: int) -> Observation:
    """Blocks of colour, of the camera's size."""
    side = parts.card.cameras[0].width
    blocks = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return Observation({"front": np.repeat(np.repeat(blocks, side // 7, axis=0), side // 7, axis=1)}, 0.0)


def table(results: Sequence[dict[str, Any]]) -> str:
    """The figures as text."""
    lines = []
    for result in results:
        lines.append(
            f"{result['shape']}: {result['parameters'] / 1e6:.0f} M parameters, {result['weight_bytes'] / 1e9:.2f} GB "
            f"{result['dtype']}, {result['prompt_tokens']} tokens of prompt and image, {result['action_tokens']} of "
            f"action, {result['device']}, {result['threads']} threads, peak {result['peak_bytes'] / 1e9:.1f} GB"
        )
        lines.append(
            f"  read at {result['bandwidth_gb_s']:.1f} GB/s, multiplied at {result['rate_gflop_s']:.0f} GFLOP/s, "
            f"load {result['load'][0]:.1f} before and {result['load'][1]:.1f} after"
        )
        lines.append(f"  {'':16}{'ms':>10}{'best':>10}{'passes':>8}{'faster':>8}{'floor x':>9}  tokens")
        for way, figures in result["variants"].items():
            same = "the same" if figures["same_tokens"] else "DIFFERENT"
            lines.append(
                f"  {way:16}{figures['milliseconds']:10.1f}{figures['best']:10.1f}{figures['passes']:8d}"
                f"{figures['faster']:8.2f}{figures['over_floor']:9.2f}  {same}"
            )
        if result["agreement"]:
            lines.append(_agreement_line(result["agreement"], result["dtype"]))
    return "\n".join(lines)


Body = Callable[[], tuple[list[int], int]]


def _bodies(parts: RT2Parts, policy: RT2Policy, observation: Observation) -> dict[str, Body]:
    grammar = _grammar(parts)
    right = grammar.decode(policy.decode(observation).tokens)
    wrong = [(number + count // 2) % count for number, count in zip(right, grammar.counts, strict=True)]
    half = len(right) // 2
    drafts = {
        "no speculation": (),
        "accepted 0 %": grammar.vocabulary.encode(wrong),
        "accepted 50 %": grammar.vocabulary.encode([*right[:half], *wrong[half:]]),
        "accepted 100 %": grammar.vocabulary.encode(right),
    }

    def stock() -> tuple[list[int], int]:
        tokens = generate(parts, grammar, observation)
        return tokens, len(tokens)

    def ours(draft: Sequence[int]) -> tuple[list[int], int]:
        policy.previous = tuple(draft)
        decoded = policy.decode(observation)
        return list(decoded.tokens), decoded.passes

    bodies: dict[str, Body] = {"stock": stock}
    for way, draft in drafts.items():
        bodies[way] = lambda draft=draft: ours(draft)  # type: ignore[misc]
    return bodies


def _in_rounds(bodies: dict[str, Body], device: torch.device, rounds: int) -> dict[str, list[float]]:
    """Seconds of each variant in each round."""
    seconds: dict[str, list[float]] = {way: [] for way in bodies}
    for _ in range(rounds):
        for way, body in bodies.items():
            seconds[way].append(timed(body, device))
    return seconds


def _agreement(parts: RT2Parts, policy: RT2Policy, images: int) -> dict[str, Any]:
    speculating = RT2Policy(policy.parts, fixed_shapes=policy.recorded_prompt_lengths > 0)
    speculating.reset(INSTRUCTION)
    pictures = [picture(parts, seed) for seed in range(images)]
    return asdict(agreement(parts, speculating, _grammar(parts), pictures))


def _agreement_line(found: dict[str, Any], dtype: str) -> str:
    line = (
        f"  {found['other_numbers']} of {found['numbers']} numbers in {found['other_actions']} of {found['actions']} "
        f"actions differ from generate's"
    )
    if not found["steps"]:
        return f"{line}."
    steps = f"{statistics.median(found['steps']):.1f}, at most {max(found['steps']):.1f}"
    return f"{line}; where an action first does, the two tokens' logits are {steps} steps of {dtype} apart."


def _grammar(parts: RT2Parts) -> ActionGrammar:
    grammar = make_grammar(parts)
    assert isinstance(grammar, ActionGrammar)
    return grammar
