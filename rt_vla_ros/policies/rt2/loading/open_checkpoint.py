"""From the directory of a checkpoint, or its name on the Hugging Face Hub, to a policy."""

from __future__ import annotations

from pathlib import Path

import torch

from rt_vla_ros.action_space.card import CARD_FILE, ActionCard
from rt_vla_ros.policies.checkpoint.hub import download
from rt_vla_ros.policies.checkpoint.resolve import HUB_ID
from rt_vla_ros.policies.checkpoint.rt1_files import CheckpointError
from rt_vla_ros.policies.rt2.loading.lora import Adapter
from rt_vla_ros.policies.rt2.loading.parts import has, load_rt2, read_config
from rt_vla_ros.policies.rt2.loading.progress import Tell, say_nothing
from rt_vla_ros.policies.rt2.loading.recognition import ADAPTER_CONFIG
from rt_vla_ros.policies.rt2.openvla.checkpoint import find_card, is_openvla, load_openvla
from rt_vla_ros.policies.rt2.policy import RT2Policy


def open_checkpoint(
    directory: Path,
    *,
    device: torch.device,
    weights: str = "auto",
    unnorm_key: str = "",
    trust_remote_code: bool = False,
    cuda_graphs: bool = False,
    device_images: bool = False,
    name: str = "",
    tell: Tell = say_nothing,
) -> RT2Policy:
    """The policy in a directory.

    unnorm_key: for OpenVLA: whose statistics its actions have. cuda_graphs: whether a GPU decodes in recorded passes of
    fixed shapes. device_images: as RT2Policy's. name: of the policy; empty: the directory's. Others: see `load_rt2`.
    Raises ValueErrors with a sentence, see there.
    """
    name = name or directory.resolve().name
    directory, adapter = _model_and_adapter(directory, tell)
    if is_openvla(directory):
        parts = load_openvla(
            directory, device=device, weights=weights, unnorm_key=unnorm_key, adapter=adapter, tell=tell
        )
    elif unnorm_key:
        raise CheckpointError(f"{directory} is no OpenVLA checkpoint, so there is no {unnorm_key!r} to choose.")
    else:
        trust = trust_remote_code
        parts = load_rt2(directory, device=device, weights=weights, trust_remote_code=trust, adapter=adapter, tell=tell)
    fixed = cuda_graphs and device.type == "cuda"
    return RT2Policy(parts, name=name, fixed_shapes=fixed, device_images=device_images)


def read_card(directory: Path, unnorm_key: str = "") -> ActionCard:
    """The action card that `open_checkpoint` would have, without the weights. Raises ValueErrors as it does."""
    directory, adapter = _model_and_adapter(directory, say_nothing)
    if is_openvla(directory):
        return find_card(directory, read_config(directory), unnorm_key, adapter=adapter)
    return ActionCard.load(has(adapter, CARD_FILE) or directory)


def _model_and_adapter(directory: Path, tell: Tell) -> tuple[Path, Path | None]:
    """The directory of the model, and of the adapter where that is what was named. Raises CheckpointError."""
    if not (directory / ADAPTER_CONFIG).is_file() or (directory / "config.json").is_file():
        return directory, None
    return _base_of(directory, tell), directory


def _base_of(adapter: Path, tell: Tell) -> Path:
    base = Adapter.load(adapter).base
    for path in (Path(base), adapter / base):
        if base and path.is_dir():
            return path
    if HUB_ID.fullmatch(base):
        return download(base, tell)
    raise CheckpointError(f"{adapter} names {base!r} as the model it belongs to, which is no directory.")
