"""Policies by name or path."""

from __future__ import annotations

import torch
from torch import nn

from rt_vla_ros.policies.cards import tabletop_card
from rt_vla_ros.policies.catalogue import UNTRAINED, UnknownPolicyError, find_checkpoint, policy_names
from rt_vla_ros.policies.checkpoint import load_checkpoint
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.policies.rt1.policy import RT1Policy

__all__ = ["UNTRAINED", "UnknownPolicyError", "find_device", "load_policy", "policy_names"]

UNTRAINED_SEED = 0


def load_policy(name_or_path: str, *, device: str = "auto", decoding: str | None = None) -> Policy:
    """A shipped policy by its name, or one's own by the path of its directory.

    device: "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1" ... decoding: see RT1Policy.
    Raises UnknownPolicyError, CheckpointError, ActionCardError: all ValueErrors with a sentence.
    """
    where = find_device(device)
    directory = find_checkpoint(name_or_path)
    if directory is None:
        return _untrained(where, decoding)
    model, card = load_checkpoint(directory)
    nn.Module.to(model, where)
    return RT1Policy(model, card, name=directory.resolve().name, decoding=decoding)


def find_device(name: str) -> torch.device:
    """Raises ValueError for a device that this machine or this torch does not have."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"There is no device {name!r}; say auto, cpu, cuda or cuda:N.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"The device {name!r} is not there: torch sees {torch.cuda.device_count()} GPUs. Say cpu or auto."
        )
    return device


def _untrained(device: torch.device, decoding: str | None) -> Policy:
    """Random weights, the same every time: moves the arm senselessly, but exercises everything around it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        model = RT1Model(RT1Config.preset("rt1-mini"))
    nn.Module.to(model, device)
    return RT1Policy(model, tabletop_card(UNTRAINED), name=UNTRAINED, decoding=decoding)
