"""Opens RT-2 policies from resolved checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from rt_vla_ros.policies.checkpoint.errors import LanguageNotUsedError
from rt_vla_ros.policies.checkpoint.files import Tell, say_nothing
from rt_vla_ros.policies.checkpoint.resolve import UNTRAINED_RT2, Checkpoint
from rt_vla_ros.policies.rt2.configuration import plan_config
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts, load_rt2
from rt_vla_ros.policies.rt2.openvla.checkpoint import load_openvla
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.policies.rt2.tiny.untrained import load_untrained
from rt_vla_ros.policies.rt2.vla0.checkpoint import load_vla0

LOADERS: dict[str, Callable[..., RT2Parts]] = {
    "rt2": load_rt2,
    "openvla": load_openvla,
    "vla0": load_vla0,
    UNTRAINED_RT2: load_untrained,
}


def open_policy(
    checkpoint: Checkpoint,
    *,
    device: torch.device,
    decoding: str | None = None,
    language: str | None = None,
    weights: str = "auto",
    trust_remote_code: bool = False,
    cuda_graphs: bool = True,
    device_images: bool = True,
    plan: bool = False,
    tell: Tell = say_nothing,
) -> RT2Policy:
    """Opens the policy of a checkpoint; arguments: see load_policy, which refuses `plan` for a model that cannot plan.

    Raises ValueErrors with a message for the user, see load_rt2.
    """
    check_options(checkpoint, decoding, language)
    parts = LOADERS[checkpoint.family](
        checkpoint, device=device, weights=weights, trust_remote_code=trust_remote_code, tell=tell
    )
    if plan:
        parts = with_plan(parts)
    on_gpu = device.type == "cuda"
    how = {"fixed_shapes": cuda_graphs and on_gpu, "device_images": device_images and on_gpu}
    return RT2Policy(parts, name=checkpoint.name, **how)


def check_options(checkpoint: Checkpoint, decoding: str | None, language: str | None) -> None:
    """Raises ValueError for options that an RT-2 policy does not have."""
    if decoding not in (None, "argmax"):
        raise ValueError(f"RT-2 policies do not support decoding {decoding!r}; they always use argmax.")
    if language is not None:
        raise LanguageNotUsedError(checkpoint.name, language)


def with_plan(parts: RT2Parts) -> RT2Parts:
    """The same parts for outputs with a plan before the action."""
    return replace(parts, config=plan_config(parts.config, parts.config.plan_on_request))
