"""Policies by name or path."""

from __future__ import annotations

import difflib
from pathlib import Path

import torch

from rt_vla_ros.policies.cards import tabletop_card
from rt_vla_ros.policies.checkpoint import CONFIG_FILE, load_checkpoint
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.policies.rt1.policy import RT1Policy

CHECKPOINTS = Path(__file__).resolve().parent.parent / "checkpoints"
UNTRAINED = "rt1-untrained"
UNTRAINED_SEED = 0


class UnknownPolicyError(ValueError):
    """No policy of this name or at this path; the message lists what there is."""


def policy_names() -> list[str]:
    """Names that `load_policy` knows: the shipped checkpoints, and one with random weights."""
    shipped = sorted(path.parent.name for path in CHECKPOINTS.glob(f"*/{CONFIG_FILE}"))
    return [*shipped, UNTRAINED]


def load_policy(name_or_path: str, *, device: str = "auto", decoding: str | None = None) -> Policy:
    """A shipped policy by its name, or one's own by the path of its directory.

    device: "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1" ... decoding: see RT1Policy.
    Raises UnknownPolicyError, CheckpointError, ActionCardError: all ValueErrors with a sentence.
    """
    where = find_device(device)
    if name_or_path == UNTRAINED:
        return _untrained(where, decoding)
    directory = _find(name_or_path)
    model, card = load_checkpoint(directory)
    return RT1Policy(model.to(where), card, name=directory.resolve().name, decoding=decoding)


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
    return RT1Policy(model.to(device), tabletop_card(UNTRAINED), name=UNTRAINED, decoding=decoding)


def _find(name_or_path: str) -> Path:
    if not name_or_path.strip():
        raise UnknownPolicyError(f"No policy was named. {_choices()}")
    shipped = CHECKPOINTS / name_or_path
    if "/" not in name_or_path and (shipped / CONFIG_FILE).is_file():
        return shipped
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return path
    close = difflib.get_close_matches(name_or_path, policy_names(), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise UnknownPolicyError(f"There is no policy {name_or_path!r}.{hint} {_choices()}")


def _choices() -> str:
    return f"There are: {', '.join(policy_names())}; or give the path of a directory with a checkpoint."
