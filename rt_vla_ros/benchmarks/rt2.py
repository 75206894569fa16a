"""How long RT-2 takes from a camera image to an action: transformers' own `generate` beside the decoding engine.

Both get the same image, prompt and constraint, and must give the same tokens. The floor is what the machine cannot go
below: every weight is read once a pass, and the prompt's multiplications are done once.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rt_vla_ros.benchmarks.rt2_shapes import Shape, make_parts
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.rt2.constrained_decoding import ActionGrammar, prefix_allowed_tokens
from rt_vla_ros.policies.rt2.loading import RT2Parts
from rt_vla_ros.policies.rt2.policy import RT2Policy, make_grammar

INSTRUCTION = "pick up the red cube and put it on the green one"
WAYS = ("stock", "no speculation", "accepted 0 %", "accepted 50 %", "accepted 100 %")
SQUARE = 2048


@dataclass(frozen=True)
class Machine:
    """bandwidth: bytes read a second by a matrix times a vector. rate: multiplications and additions a second."""

    bandwidth: float
    rate: float


@dataclass(frozen=True)
class Way:
    """One way to decode: milliseconds from image to action (median), passes, and whether its tokens are stock's."""

    milliseconds: float
    passes: int
    same_tokens: bool
    faster: float
    over_floor: float


def measure(name: str, shape: Shape, device: torch.device, dtype: torch.dtype, repeats: int) -> dict[str, Any]:
    """All ways for one shape. Raises RuntimeError where tokens differ in float32, for then the rest means nothing."""
    parts = make_parts(shape, device, dtype)
    side = parts.card.cameras[0].width
    blocks = np.random.default_rng(0).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    image = np.repeat(np.repeat(blocks, side // 7, axis=0), side // 7, axis=1)
    observation = Observation({"front": image}, 0.0)
    policy = RT2Policy(parts, speculate=False)
    policy.reset(INSTRUCTION)
    machine = measure_machine(device, dtype)
    bodies = _bodies(parts, policy, observation)
    found: dict[str, Way] = {}
    stock_ms, stock_tokens = 0.0, list[int]()
    for way, body in bodies.items():
        tokens, passes = body()  # the first one warms up
        seconds = [_timed(body, device) for _ in range(repeats)]
        milliseconds = 1000 * statistics.median(seconds)
        if way == "stock":
            stock_ms, stock_tokens = milliseconds, tokens
        same = tokens == stock_tokens[: len(tokens)]
        if dtype == torch.float32 and not same:
            raise RuntimeError(f"{name}, {way}: {tokens} are not the tokens of generate, {stock_tokens}.")
        floor = floor_ms(parts, policy, machine, passes)
        found[way] = Way(milliseconds, passes, same, stock_ms / milliseconds, milliseconds / floor)
    return {
        "shape": name,
        "dtype": str(dtype).removeprefix("torch."),
        "device": _device_name(device),
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in parts.model.parameters()),
        "weight_bytes": _bytes(parts.model),
        "peak_bytes": peak_bytes(device),
        "prompt_tokens": policy.prompt_tokens,
        "action_tokens": len(stock_tokens),
        "bandwidth_gb_s": machine.bandwidth / 1e9,
        "rate_gflop_s": machine.rate / 1e9,
        "ways": {way: asdict(result) for way, result in found.items()},
    }


def measure_machine(device: torch.device, dtype: torch.dtype) -> Machine:
    """What this machine reads and multiplies a second, by the operations that a model is made of."""
    generator = torch.Generator(device).manual_seed(0)
    options: dict[str, Any] = {"device": device, "dtype": dtype, "generator": generator}
    matrices = [torch.randn(SQUARE, 4 * SQUARE, **options) for _ in range(8)]
    vector, square = torch.randn(4 * SQUARE, 1, **options), torch.randn(SQUARE, SQUARE, **options)

    def read() -> None:
        for matrix in matrices:
            matrix @ vector

    def multiply() -> None:
        square @ square

    read()
    multiply()
    best_read = min(_timed(read, device) for _ in range(5))
    best_multiply = min(_timed(multiply, device) for _ in range(5))
    size = sum(matrix.numel() * matrix.element_size() for matrix in matrices)
    return Machine(size / best_read, 2 * SQUARE**3 / best_multiply)


def floor_ms(parts: RT2Parts, policy: RT2Policy, machine: Machine, passes: int) -> float:
    """Milliseconds below which nothing can be: the first pass by reading or by multiplying, the others by reading."""
    inner = [p for n, p in parts.model.named_parameters() if "embed_tokens" not in n and "lm_head" not in n]
    text = sum(p.numel() for p in _text_model(parts).parameters() if p.dim() >= 2)
    text -= parts.model.get_input_embeddings().weight.numel()  # type: ignore[operator]
    vision = sum(p.numel() for p in inner if p.dim() >= 2) - text
    length = policy.prompt_tokens
    first = 2.0 * (text * length + vision * 256) / machine.rate
    reading = sum(p.numel() * p.element_size() for p in inner) / machine.bandwidth
    again = text * inner[0].element_size() / machine.bandwidth
    return 1000 * (max(first, reading) + (passes - 1) * again)


def peak_bytes(device: torch.device) -> int:
    """Most memory that this process has held."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def table(results: Sequence[dict[str, Any]]) -> str:
    """The figures for people."""
    lines = []
    for result in results:
        gigabytes = result["weight_bytes"] / 1e9
        lines.append(
            f"{result['shape']}: {result['parameters'] / 1e6:.0f} M parameters, {gigabytes:.2f} GB {result['dtype']}, "
            f"{result['prompt_tokens']} tokens of prompt and image, {result['action_tokens']} of action, "
            f"{result['device']}, {result['threads']} threads, peak {result['peak_bytes'] / 1e9:.1f} GB"
        )
        lines.append(f"  {'':16}{'ms':>10}{'passes':>8}{'faster':>8}{'floor x':>9}  tokens")
        for way, figures in result["ways"].items():
            same = "the same" if figures["same_tokens"] else "DIFFERENT"
            lines.append(
                f"  {way:16}{figures['milliseconds']:10.1f}{figures['passes']:8d}{figures['faster']:8.2f}"
                f"{figures['over_floor']:9.2f}  {same}"
            )
    return "\n".join(lines)


Body = Callable[[], tuple[list[int], int]]


def _bodies(parts: RT2Parts, policy: RT2Policy, observation: Observation) -> dict[str, Body]:
    grammar = make_grammar(parts)
    assert isinstance(grammar, ActionGrammar)
    right = grammar.decode(policy.decode(observation).tokens)
    wrong = [(number + count // 2) % count for number, count in zip(right, grammar.counts, strict=True)]
    half = len(right) // 2
    drafts = {
        "no speculation": (),
        "accepted 0 %": grammar.vocabulary.encode(wrong),
        "accepted 50 %": grammar.vocabulary.encode([*right[:half], *wrong[half:]]),
        "accepted 100 %": grammar.vocabulary.encode(right),
    }

    def ours(draft: Sequence[int]) -> tuple[list[int], int]:
        policy.previous = tuple(draft)
        decoded = policy.decode(observation)
        return list(decoded.tokens), decoded.passes

    bodies: dict[str, Body] = {"stock": lambda: _stock(parts, grammar, observation)}
    for way, draft in drafts.items():
        bodies[way] = lambda draft=draft: ours(draft)  # type: ignore[misc]
    return bodies


def _stock(parts: RT2Parts, grammar: ActionGrammar, observation: Observation) -> tuple[list[int], int]:
    """As anybody would write it: processor, then generate with the constraint, for as many tokens as are needed."""
    prompt = parts.config.prompt.replace("{instruction}", INSTRUCTION)
    text = parts.processor.render(prompt, 1, chat=False)
    raw = parts.processor.inputs([np.asarray(observation.images["front"])], text)
    model = parts.model
    inputs: dict[str, Tensor] = {
        key: value.to(model.device, model.dtype if value.is_floating_point() else None) for key, value in raw.items()
    }
    length = inputs["input_ids"].shape[1]
    output: Any = model.generate(  # type: ignore[operator]
        **inputs,
        do_sample=False,
        max_new_tokens=grammar.longest,
        prefix_allowed_tokens_fn=prefix_allowed_tokens(grammar, length),
        stopping_criteria=[_Whole(grammar, length)],
    )
    tokens = output[0, length:].tolist()
    return tokens, len(tokens)


class _Whole:
    """Stops `generate` when the action is whole, so that it does no pass too many."""

    def __init__(self, grammar: ActionGrammar, length: int) -> None:
        self._grammar, self._length = grammar, length

    def __call__(self, input_ids: Tensor, _scores: Any, **_options: Any) -> Tensor:
        whole = self._grammar.is_whole(input_ids[0, self._length :].tolist())
        return torch.tensor([whole], device=input_ids.device)


def _timed(body: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    begin = time.perf_counter()
    body()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin


def _text_model(parts: RT2Parts) -> nn.Module:
    base: Any = parts.model.base_model
    found: nn.Module = base.language_model if hasattr(base, "language_model") else base.text_model
    return found


def _bytes(model: nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in model.parameters())


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
