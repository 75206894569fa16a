"""From a resolved checkpoint to an RT-2 policy."""

from __future__ import annotations

import torch

from rt_vla_ros.policies.checkpoint.errors import LanguageNotUsedError
from rt_vla_ros.policies.checkpoint.files import Tell, say_nothing
from rt_vla_ros.policies.checkpoint.resolve import Checkpoint
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts, load_rt2
from rt_vla_ros.policies.rt2.openvla.checkpoint import load_openvla
from rt_vla_ros.policies.rt2.policy import RT2Policy


def open_policy(
    checkpoint: Checkpoint,
    *,
    device: torch.device,
    decoding: str | None = None,
    language: str | None = None,
    weights: str = "auto",
    trust_remote_code: bool = False,
    cuda_graphs: bool = False,
    device_images: bool = False,
    tell: Tell = say_nothing,
) -> RT2Policy:
    """The policy of a checkpoint; arguments: see load_policy. Raises ValueErrors with a sentence, see load_rt2."""
    check_options(checkpoint.name, decoding, language)
    parts: RT2Parts
    if checkpoint.family == "openvla":
        parts = load_openvla(checkpoint, device=device, weights=weights, tell=tell)
    else:
        parts = load_rt2(checkpoint, device=device, weights=weights, trust_remote_code=trust_remote_code, tell=tell)
    fixed = cuda_graphs and device.type == "cuda"
    return RT2Policy(parts, name=checkpoint.name, fixed_shapes=fixed, device_images=device_images)


def check_options(name: str, decoding: str | None, language: str | None) -> None:
    """Raises ValueError for options of RT-1 alone."""
    if decoding not in (None, "argmax"):
        raise ValueError(f"RT-2 policies have no decoding {decoding!r}; they take the most likely tokens (argmax).")
    if language is not None:
        raise LanguageNotUsedError(name, language)
