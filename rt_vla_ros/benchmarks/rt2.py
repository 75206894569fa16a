"""Latency of RT-2 from a camera image to an action: transformers' `generate` and the decoding engine.

All variants get the same image, prompt and constraint, and must give the same tokens. They are measured in rounds, one
run of each per round, and compared within a round, so that other load on the machine affects all of them alike. The
lower bound of an action's latency follows from the memory bandwidth and the arithmetic rate, which are also measured.
"""

from __future__ import annotations

import copy
import math
import os
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from rt_vla_ros.benchmarks.rt2_shapes import ModelShape, make_parts
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.packed_linear import pack_linears
from rt_vla_ros.policies.rt2.configuration import robot_prompt
from rt_vla_ros.policies.rt2.decoding.action_grammar import ActionGrammar
from rt_vla_ros.policies.rt2.decoding.constrained_decoding import prefix_allowed_tokens
from rt_vla_ros.policies.rt2.decoding.engine import Decoded
from rt_vla_ros.policies.rt2.decoding.fixed_shapes import language_model
from rt_vla_ros.policies.rt2.decoding.session import DecodingSession
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts
from rt_vla_ros.policies.rt2.policy import RT2Policy, make_grammar

VARIANTS = ("stock", "no speculation", "accepted 0 %", "accepted 50 %", "accepted 100 %")
INSTRUCTION = "pick up the red cube and put it on the green one"
SQUARE = 2048
FEW = 4  # rows in the measurement of the bandwidth: as many as a decoding pass has
HEADER = (
    f"{'':18}{'ms':>10}{'best':>10}{'a token':>9}{'passes':>8}{'faster':>8}{'floor x':>9}{'first':>10}{'sooner':>8}"
)
ROW = (
    "  {:16}{milliseconds:10.1f}{best:10.1f}{per_token:9.2f}{passes:8d}{faster:8.2f}{over_floor:9.2f}{first:10.1f}"
    "{sooner:8.2f}  {}"
)


class Output(NamedTuple):
    """The output, the number of forward passes, and the time until the first step of the chunk [s].

    first: None if it comes with the last one.
    """

    tokens: list[int]
    passes: int
    first: float | None = None


class Duration(NamedTuple):
    """Times of a chunk and of its first step [s]."""

    whole: float
    first: float


Body = Callable[[], Output]


class MachineSpeed(NamedTuple):
    """bandwidth: bytes of weights read per second. rate: multiplications and additions per second."""

    bandwidth: float
    rate: float


def measure(
    name: str,
    shape: ModelShape,
    device: torch.device,
    dtype: torch.dtype,
    *,
    repeats: int = 5,
    images: int = 10,
    variants: tuple[str, ...] = VARIANTS,
    pack: bool = True,
    fixed_shapes: bool = False,
) -> dict[str, Any]:
    """Variants of one shape, stock among them. Raises RuntimeError if tokens differ in float32.

    repeats: rounds. images: number compared in half precision. pack, fixed_shapes: as RT2Policy's.
    variants: see `_row`.
    """
    load, machine, on_gpu = os.getloadavg()[0], _measure_machine(device, dtype), device.type == "cuda"
    parts = make_parts(shape, device, dtype)
    # A policy packs its model for the CPU; `generate` gets it as transformers creates it.
    ours = parts if on_gpu else replace(parts, model=copy.deepcopy(parts.model))
    policy = RT2Policy(ours, speculate=False, pack=pack, fixed_shapes=fixed_shapes)
    policy.reset(INSTRUCTION)
    every = _bodies(parts, policy, picture(parts, 0))
    bodies = {way: every[way] for way in variants}
    outputs = {way: body() for way, body in bodies.items()}  # the first one warms up
    expected = outputs["stock"].tokens
    for way, output in outputs.items():
        if dtype == torch.float32 and output.tokens != expected:
            raise RuntimeError(f"{name}, {way}: {output.tokens} are not the tokens of generate, {expected}.")
    rounds = [{way: _duration(body, device) for way, body in bodies.items()} for _ in range(repeats)]
    machine = MachineSpeed(*map(max, machine, _measure_machine(device, dtype)))
    floor = partial(_floor_ms, parts, shape, policy.prompt_tokens, machine)
    rows = {way: _row(way, output, expected, rounds, floor) for way, output in outputs.items()}
    weights, resident = list(parts.model.parameters()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    kind, used = str(dtype).removeprefix("torch."), torch.cuda.get_device_name(device) if on_gpu else "CPU"
    about: dict[str, Any] = {"shape": name, "dtype": kind, "device": used, "threads": torch.get_num_threads()}
    about |= {"prompt_tokens": policy.prompt_tokens, "action_tokens": len(expected), "variants": rows}
    about |= {"bandwidth_gb_s": machine.bandwidth / 1e9, "rate_gflop_s": machine.rate / 1e9}
    return {
        **about,
        "load": [round(load, 2), round(os.getloadavg()[0], 2)],
        "packed": pack and device.type == "cpu",
        "recorded_prompt_lengths": policy.recorded_prompt_lengths,
        "parameters": sum(p.numel() for p in weights),
        "weight_bytes": sum(p.numel() * p.element_size() for p in weights),
        "peak_bytes": torch.cuda.max_memory_allocated(device) if on_gpu else resident,
        "agreement": _agreement(parts, policy, images) if dtype != torch.float32 else None,
    }


def _row(
    way: str,
    output: Output,
    expected: Sequence[int],
    rounds: Sequence[Mapping[str, Duration]],
    floor: Callable[[int], float],
) -> dict[str, Any]:
    """A variant's figures. expected: tokens of stock. floor: lower bound of so many passes on this machine [ms].

    milliseconds: the median; best: the minimum; per_token: the median by the number of tokens. faster: median over the
    rounds of stock's time by this one's. over_floor: the best divided by the lower bound. first: median time [ms] until
    the first step of a chunk is there. sooner: median over the rounds of stock's time by that: `generate` gives all at
    the end.
    """
    best, usual = (1000 * of(each[way].whole for each in rounds) for of in (min, statistics.median))
    return {
        "milliseconds": usual,
        "best": best,
        "per_token": usual / len(expected),
        "passes": output.passes,
        "same_tokens": output.tokens == expected,
        "faster": statistics.median(each["stock"].whole / each[way].whole for each in rounds),
        "over_floor": best / floor(output.passes),
        "first": 1000 * statistics.median(each[way].first for each in rounds),
        "sooner": statistics.median(each["stock"].whole / each[way].first for each in rounds),
    }


def picture(parts: RT2Parts, seed: int) -> Observation:
    """Images of color blocks, in the cameras' sizes."""
    generator, images = np.random.default_rng(seed), {}
    for camera in parts.card.cameras:
        blocks = generator.integers(0, 256, (7, 7, 3), dtype=np.uint8)
        images[camera.name] = np.repeat(np.repeat(blocks, camera.height // 7, axis=0), camera.width // 7, axis=1)
    return Observation(images, 0.0)


def table(results: Sequence[dict[str, Any]]) -> str:
    """The results as text."""
    lines = []
    for result in results:
        lines += [
            f"{result['shape']}: {result['parameters'] / 1e6:.0f} M parameters, {result['weight_bytes'] / 1e9:.2f} GB "
            f"{result['dtype']}, {result['prompt_tokens']} tokens of prompt and image, {result['action_tokens']} of "
            f"action, {result['device']}, {result['threads']} threads, peak {result['peak_bytes'] / 1e9:.1f} GB",
            f"  read at {result['bandwidth_gb_s']:.1f} GB/s, multiplied at {result['rate_gflop_s']:.0f} GFLOP/s, "
            f"load {result['load'][0]:.1f} before and {result['load'][1]:.1f} after",
            HEADER,
        ]
        for way, row in result["variants"].items():
            lines.append(ROW.format(way, "the same" if row["same_tokens"] else "DIFFERENT", **row))
        if result["agreement"]:
            lines.append(_agreement_line(result["agreement"], result["dtype"]))
    return "\n".join(lines)


def _grammar_of(parts: RT2Parts) -> ActionGrammar:
    """The vocabulary of an action whose dimensions are all tokens, as in these models."""
    grammar = make_grammar(parts)
    assert isinstance(grammar, ActionGrammar)
    return grammar


def generate(parts: RT2Parts, grammar: ActionGrammar, observation: Observation) -> list[int]:
    """The baseline: the processor, then constrained generate, for as many tokens as needed."""
    inputs = _inputs(parts, observation)
    length = inputs["input_ids"].shape[1]

    def is_complete(input_ids: Tensor, _scores: Any, **_options: Any) -> Tensor:  # so that there is no extra pass
        return torch.tensor([grammar.is_whole(input_ids[0, length:].tolist())], device=input_ids.device)

    allowed = {"prefix_allowed_tokens_fn": prefix_allowed_tokens(grammar, length)}
    output: Any = parts.model.generate(  # type: ignore[operator]
        **inputs, do_sample=False, max_new_tokens=grammar.longest, stopping_criteria=[is_complete], **allowed
    )
    return list(output[0, length:].tolist())


@torch.inference_mode()
def agreement(parts: RT2Parts, policy: RT2Policy, observations: Sequence[Observation]) -> dict[str, Any]:
    """Compares action by action, each with the previous one as its draft, as on a robot.

    actions, numbers: numbers compared. other_actions, other_numbers: those that differ from `generate`'s.
    steps: distance of the two tokens' logits at the first difference of an action, in units of least precision.
    rounding: there, the largest change of the model's logits between reading the same tokens at once or one by one.
    """
    numbers, others, steps, rounding, grammar = 0, 0, list[float](), list[float](), _grammar_of(parts)
    for observation in observations:
        expected, found = generate(parts, grammar, observation), policy.act(observation).tokens
        bins = grammar.decode(expected)
        wrong = sum(a != b for a, b in zip(bins, found, strict=True))
        numbers, others = numbers + len(bins), others + wrong
        if wrong:
            apart, own = _steps(parts, _inputs(parts, observation), expected, policy.previous)
            steps.append(apart)
            rounding.append(own)
    different = {"other_actions": len(steps), "other_numbers": others, "steps": steps, "rounding": rounding}
    return {"actions": len(observations), "numbers": numbers, **different}


def _steps(
    parts: RT2Parts, inputs: dict[str, Tensor], expected: Sequence[int], found: Sequence[int]
) -> tuple[float, float]:
    """At the first place where outputs differ, in steps of the number type there: the distance of the two tokens'
    logits, and the largest change of a logit between reading the tokens before at once and one by one."""
    place = next(i for i, (a, b) in enumerate(zip(expected, found, strict=False)) if a != b)
    logits = DecodingSession(parts.model, inputs).prompt(expected[:place], logits=True)[-1]
    one, other = float(logits[expected[place]]), float(logits[found[place]])
    step = torch.finfo(logits.dtype).eps * 2.0 ** math.floor(math.log2(max(abs(one), abs(other), 1e-9)))
    slow = DecodingSession(parts.model, inputs)
    again = slow.prompt((), logits=True)[-1]
    for token in expected[:place]:
        slow.forget(0)
        again = slow.more([token], logits=True)[-1]
    return abs(one - other) / step, float((again - logits).abs().max()) / step


def _inputs(parts: RT2Parts, observation: Observation) -> dict[str, Tensor]:
    images = [np.asarray(image) for image in observation.images.values()]
    text = parts.processor.render(str(robot_prompt(parts.config, INSTRUCTION)), len(images), chat=False)
    raw = parts.processor.inputs(images, text)
    to, kind = parts.model.device, parts.model.dtype
    return {key: value.to(to, kind if value.is_floating_point() else None) for key, value in raw.items()}


def _agreement_line(found: dict[str, Any], dtype: str) -> str:
    numbers = f"{found['other_numbers']} of {found['numbers']} numbers"
    line = f"  {numbers} in {found['other_actions']} of {found['actions']} actions differ from generate's"
    if not found["steps"]:
        return f"{line}."
    steps = f"{statistics.median(found['steps']):.1f}, at most {max(found['steps']):.1f}"
    return f"{line}; where an action first does, the two tokens' logits are {steps} steps of {dtype} apart."


def _bodies(parts: RT2Parts, policy: RT2Policy, observation: Observation) -> dict[str, Body]:
    grammar = _grammar_of(parts)
    right = grammar.decode(policy.decode(observation).tokens)
    counts = grammar.counts * grammar.horizon
    wrong = [(number + count // 2) % count for number, count in zip(right, counts, strict=True)]
    half = len(right) // 2

    def stock() -> Output:
        tokens = generate(parts, grammar, observation)
        return Output(tokens, len(tokens))

    def ours(draft: Sequence[int]) -> Output:
        policy.previous = tuple(draft)
        begin, found = time.perf_counter(), list[tuple[float, Decoded]]()
        for decoded in policy.outputs(observation, early=len(grammar.counts)):
            found.append((time.perf_counter() - begin, decoded))  # it is on the host, so the GPU is done
        last = found[-1][1]
        return Output(list(last.tokens), last.passes, found[0][0] if len(found) > 1 else None)

    encode = grammar.vocabulary.encode
    drafts = [(), encode(wrong), encode([*right[:half], *wrong[half:]]), encode(right)]
    return dict(zip(VARIANTS, [stock, *(partial(ours, draft) for draft in drafts)], strict=True))


def _agreement(parts: RT2Parts, policy: RT2Policy, images: int) -> dict[str, Any]:
    speculating = RT2Policy(policy.parts, fixed_shapes=policy.recorded_prompt_lengths > 0)
    speculating.reset(INSTRUCTION)
    return agreement(parts, speculating, [picture(parts, seed) for seed in range(images)])


@torch.inference_mode()
def _measure_machine(device: torch.device, dtype: torch.dtype) -> MachineSpeed:
    """Rate of a model's operations, with plain or packed linear layers, whichever is faster."""
    generator = torch.Generator(device).manual_seed(0)
    options: dict[str, Any] = {"device": device, "dtype": dtype, "generator": generator}
    few, many = torch.randn(FEW, 4 * SQUARE, **options), torch.randn(SQUARE, 4 * SQUARE, **options)
    layers = nn.Sequential(*(nn.Linear(4 * SQUARE, SQUARE, bias=False) for _ in range(8))).to(device, dtype)
    size, found = sum(p.numel() * p.element_size() for p in layers.parameters()), MachineSpeed(0.0, 0.0)
    while True:
        reading = min(_timed(lambda: [layer(few) for layer in layers], device) for _ in range(5))
        multiplying = min(_timed(lambda: layers[0](many), device) for _ in range(5))
        found = MachineSpeed(*map(max, found, (size / reading, 8 * SQUARE**3 / multiplying)))
        if not pack_linears(layers):
            return found


def _floor_ms(parts: RT2Parts, shape: ModelShape, prompt_tokens: int, machine: MachineSpeed, passes: int) -> float:
    """Lower bound [ms]: the first pass is bound by memory or arithmetic, the others by memory.

    parts: with the weights as they were stored.
    """
    inner = {n: p for n, p in parts.model.named_parameters() if "embed_tokens" not in n and "lm_head" not in n}
    size = next(iter(inner.values())).element_size()
    text = sum(p.numel() for p in language_model(parts.model).parameters() if p.dim() >= 2)
    text -= parts.model.get_input_embeddings().weight.numel()  # type: ignore[operator]
    vision = sum(p.numel() for p in inner.values() if p.dim() >= 2) - text
    merging = sum(p.numel() for n, p in inner.items() if p.dim() >= 2 and "merger" in n)  # once per image token
    patches = shape.image_tokens * shape.patches_per_token
    first = 2.0 * (text * prompt_tokens + merging * shape.image_tokens + (vision - merging) * patches) / machine.rate
    reading = sum(p.numel() for p in inner.values()) * size / machine.bandwidth
    return 1000 * (max(first, reading) + (passes - 1) * text * size / machine.bandwidth)


def _duration(body: Body, device: torch.device) -> Duration:
    output = list[Output]()
    whole = _timed(lambda: output.append(body()), device)
    first = output[0].first
    return Duration(whole, whole if first is None else first)


def _timed(body: Callable[[], object], device: torch.device) -> float:
    """Duration of a block [s], including its work on a GPU."""
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.synchronize(device)
    begin = time.perf_counter()
    body()
    if on_gpu:
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin
