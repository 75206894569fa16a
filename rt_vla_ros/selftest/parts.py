"""The table of the selftest's parts, most important first.

How to add a part: write a function `(Machine) -> Found` in the file of its subject and a line here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from rt_vla_ros.benchmarks.rt2_shapes import FOR_CPU, FOR_GPU, SMALL
from rt_vla_ros.policies.rt2.loading.quantization import DTYPES, QUANTIZED
from rt_vla_ros.selftest import rt1_parts, rt2_parts, training_parts
from rt_vla_ros.selftest.runner import Part


def _tokens(dtype: torch.dtype, *, recorded: bool) -> list[Part]:
    number, how = str(dtype).removeprefix("torch."), "graphs" if recorded else "tokens"
    what = f"{'CUDA graphs: ' if recorded else ''}an action's tokens in {number} compared with transformers' generate"
    name, run = f"rt2-{how}-{number}-", partial(rt2_parts.tokens, recorded=recorded)
    return [Part(f"{name}{family}", what, partial(run, family, dtype), recorded) for family in SMALL]


def _benches(*, recorded: bool) -> list[Part]:
    last, run = "-graphs" if recorded else "", partial(rt2_parts.bench, recorded=recorded)
    pairs, what = zip(FOR_GPU, FOR_CPU, strict=True), "the time of an action compared with generate"
    return [Part(f"bench-rt2-{large}{last}", what, partial(run, large, small), recorded) for large, small in pairs]


_METHODS = ("full", "lora")
_RECORDED = partial(rt1_parts.fast_step, recorded=True)
PARTS: tuple[Part, ...] = (
    Part("arithmetic", "matrix products compared with a CPU", rt1_parts.arithmetic),
    Part("rt1-shipped", "the included policy compared with a CPU", rt1_parts.shipped_policy),
    *_tokens(torch.float32, recorded=False),
    *_tokens(torch.bfloat16, recorded=False),
    *(
        Part(f"rt1-fast-{d}", "the fast step against the plain network", partial(rt1_parts.fast_step, d))
        for d in DTYPES
    ),
    *(Part(f"train-recipe-{d}", "the recipe's learner", partial(training_parts.recipe_step, d)) for d in DTYPES),
    Part("train-supervised", "rt-vla train rt1 --data", training_parts.supervised_step),
    *(
        Part(f"train-rt2-{way}", f"rt-vla train rt2, {way}", partial(training_parts.fine_tuning, way))
        for way in _METHODS
    ),
    Part("bench-rt1", "the step time of each network", rt1_parts.bench),
    *_benches(recorded=False),
    *(Part(f"rt2-weights-{w}", f"{w} weights by layer", partial(rt2_parts.quantized, w)) for w in QUANTIZED),
    Part("rt2-device-images", "images preprocessed on the device", rt2_parts.device_images),
    *(Part(f"rt1-graphs-{d}", "the fast step as CUDA graphs", partial(_RECORDED, d), True) for d in DTYPES),
    *_tokens(torch.float32, recorded=True),
    *_tokens(torch.bfloat16, recorded=True),
    Part("bench-rt1-graphs", "the step time with CUDA graphs", partial(rt1_parts.bench, recorded=True), True),
    *_benches(recorded=True),
    Part("train-two-processes", "distributed training in two processes", training_parts.two_processes),
)


def chosen(names: Sequence[str]) -> list[Part]:
    """The parts with these names, in the table's order; `rt2` stands for all names that start with `rt2-`.

    Raises KeyError with the first unknown name.
    """
    meant = {name: [part for part in PARTS if f"{part.name}-".startswith(f"{name}-")] for name in names}
    for name in names:
        if not meant[name]:
            raise KeyError(name)
    return [part for part in PARTS if any(part in some for some in meant.values())]
