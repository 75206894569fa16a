"""RT-2: the decoding engine against transformers' own `generate`, images on the device, int8 and int4 weights."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from rt_vla_ros.benchmarks import rt2, rt2_weights
from rt_vla_ros.benchmarks.rt2 import INSTRUCTION, agreement, picture
from rt_vla_ros.benchmarks.rt2_shapes import SHAPES, SMALL, make_parts
from rt_vla_ros.policies.rt2.decoding.engine import logger as engine_logger
from rt_vla_ros.policies.rt2.inputs.device_images import find_device_images
from rt_vla_ros.policies.rt2.loading import quantization
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.selftest.runner import FailedError, Found, Machine, SkippedError

IMAGES = 4
NEAR_TIE = 8.0
"""Where an action in half precision first differs from `generate`'s, the two tokens' logits may be this many units of
least precision apart, or as many as the model's own logits differ between reading the same tokens at once or one by
one: sums in another order round differently, which decides near ties. Deeper models differ more.
"""
MOST_ROUNDING = 4 * NEAR_TIE
"""Larger differences are not rounding, but wrong results of reading tokens at once or one by one."""
CHUNK = {"repeats": 2, "images": 3}  # a chunk of `generate` takes seconds
LEAST_SHARE = 0.5  # of numbers that must be `generate`'s in half precision
ON_DEVICE = ("paligemma", "qwen2_vl", "qwen2_5_vl", "openvla")
"""Families whose preprocessing can run on a device; SmolVLM's tiles are left to the processor."""
RESIZED = (70, 70)  # height and width of images that all these processors bring to another size
WIDE = replace(
    SMALL["paligemma"], hidden_size=256, intermediate_size=1024, vision_size=256, vision_intermediate_size=1024
)
"""Wide enough for groups of int4 numbers."""
LAYER_TOLERANCES = {"int8": 0.05, "int4": 0.25}
"""Largest error of a quantized layer's output, relative to the output's norm."""


def tokens(family: str, dtype: torch.dtype, machine: Machine, *, recorded: bool = False) -> Found:
    """Compare actions with `generate`'s on images seen twice each, so that drafts are rejected and accepted.

    recorded: in passes of fixed shapes, replayed as CUDA graphs on a GPU.
    """
    parts = make_parts(SMALL[family], machine.device, dtype)
    # A policy packs its model for the CPU; `generate` gets it as created by transformers.
    policy = RT2Policy(replace(parts, model=copy.deepcopy(parts.model)), fixed_shapes=recorded)
    said, handler = list[str](), logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    engine_logger.addHandler(handler)
    try:
        policy.reset(INSTRUCTION)
    finally:
        engine_logger.removeHandler(handler)
    if recorded and not policy.recorded_prompt_lengths:
        raise FailedError(f"No CUDA graph was recorded. {' '.join(said)}")
    seen = [picture(parts, seed) for seed in range(IMAGES) for _ in range(2)]
    return judged(agreement(parts, policy, seen), dtype)


def judged(found: Mapping[str, Any], dtype: torch.dtype) -> Found:
    """Judge an agreement. Raises FailedError.

    In float32 every number must equal `generate`'s. In half precision differences are reported, and each must be a near
    tie.
    """
    equal, apart = found["numbers"] - found["other_numbers"], max(found["steps"], default=0.0)
    said = f"{equal} of {found['numbers']} numbers equal generate's"
    ties = [min(max(NEAR_TIE, own), MOST_ROUNDING) for own in found["rounding"]]
    if apart:
        said += f", every difference starts with logits at most {apart:.1f} steps of {dtype} apart"
        said += f" (rounding alone moves them by up to {max(found['rounding']):.1f})"
    if dtype == torch.float32 and equal < found["numbers"]:
        raise FailedError(f"{said}; expected all in float32.", found)
    near = all(one <= tie for one, tie in zip(found["steps"], ties, strict=True))
    if not near or equal < LEAST_SHARE * found["numbers"]:
        most = max(ties, default=NEAR_TIE)
        raise FailedError(f"{said}; expected {100 * LEAST_SHARE:.0f} % equal and {most:.3g} steps at most.", found)
    return Found(said.replace("torch.", ""), found)


def device_images(machine: Machine) -> Found:
    """Images preprocessed on the device are bit-identical to the processor's, for every supported family."""
    for family in ON_DEVICE:
        parts = make_parts(SMALL[family], machine.device, torch.float32)
        camera = parts.card.cameras[0]
        for size in ((camera.height, camera.width), RESIZED):
            prepare = find_device_images(parts.processor, [size], machine.device)
            if prepare is None:
                raise FailedError(f"{family}: the device's result for an image of {size} differs from the processor's.")
        policies = [RT2Policy(parts, device_images=on_device) for on_device in (False, True)]
        for policy in policies:
            policy.reset(INSTRUCTION)
        for seed in range(IMAGES):
            expected, found = (policy.decode(picture(parts, seed)) for policy in policies)
            if found != expected:
                raise FailedError(f"{family}: the device's images lead to {found}, the processor's to {expected}.")
    return Found(f"bit-identical for {', '.join(ON_DEVICE)}", {"families": list(ON_DEVICE)})


@torch.inference_mode()
def quantized(weights: str, machine: Machine) -> Found:
    """Compare each layer with the original, and run a whole action through all of them."""
    try:
        quantization.check_quantization(weights, machine.device)
    except quantization.WeightsError as error:
        raise SkippedError(str(error)) from error
    number = quantization.number_type(weights, machine.device)
    plain, held = (make_parts(WIDE, torch.device("cpu"), number).model for _ in range(2))
    plain.to(machine.device)  # type: ignore[arg-type]
    quantization.quantize(held, weights, machine.device)
    generator, worst = torch.Generator().manual_seed(0), 0.0
    for layer, exact in zip(quantization.quantizable(held), quantization.quantizable(plain), strict=True):
        rows = torch.randn(7, layer.in_features, generator=generator).to(machine.device, number)
        expected = exact(rows).float()
        worst = max(worst, float((layer(rows).float() - expected).norm() / expected.norm()))
    open_policy = partial(rt2_weights.shape_policy, WIDE, device=machine.device)
    figures = rt2_weights.compare(open_policy, ("bfloat16", weights), partial(rt2_weights.make_prompts, count=IMAGES))
    figures["layer_error"] = worst
    if not worst <= LAYER_TOLERANCES[weights]:
        said = f"A layer in {weights} has an error of {worst:.3f} relative to its output's norm"
        raise FailedError(f"{said}, expected at most {LAYER_TOLERANCES[weights]}.", figures)
    other, numbers = figures["formats"][1]["numbers"], figures["prompts"] * figures["dimensions"]
    return Found(f"layers within {worst:.3f}; {other} of {numbers} numbers differ from bfloat16's", figures)


def bench(published: str, small: str, machine: Machine, *, recorded: bool = False) -> Found:
    """Benchmark a published shape on a GPU in bfloat16, a small one on a CPU in float32, against `generate`."""
    name, dtype = published if machine.on_gpu else small, quantization.number_type("auto", machine.device)
    options: dict[str, Any] = {"fixed_shapes": recorded, **(CHUNK if SHAPES[name].horizon > 1 else {})}
    if not machine.on_gpu:
        options = {"repeats": 1, "variants": ("stock", "no speculation", "accepted 100 %")}
    figures = rt2.measure(name, SHAPES[name], machine.device, dtype, **options)
    way = figures["variants"]["no speculation"]
    said = f"{name} {way['milliseconds']:.1f} ms per action, {way['faster']:.2f} times as fast as generate"
    if recorded and not figures["recorded_prompt_lengths"]:
        raise FailedError(f"{said}, but no CUDA graph was recorded; see the log.", figures)
    if figures["agreement"]:
        said += f"; {judged(figures['agreement'], quantization.DTYPES[figures['dtype']]).sentence}"
    return Found(said, figures, rt2.table([figures]))
