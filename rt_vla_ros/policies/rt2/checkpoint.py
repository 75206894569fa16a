"""From the directory of a checkpoint, or its name on the Hugging Face Hub, to a policy."""

from __future__ import annotations

from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from rt_vla_ros.policies.checkpoint import CheckpointError
from rt_vla_ros.policies.rt2.loading import load_rt2, read_config
from rt_vla_ros.policies.rt2.lora import Adapter
from rt_vla_ros.policies.rt2.openvla_checkpoint import is_openvla, load_openvla
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.policies.rt2.recognition import ADAPTER_CONFIG, HUB_ID

HUB_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
"""What is downloaded: no code, and no weights in formats that can hold code."""


def open_checkpoint(
    directory: Path,
    *,
    device: torch.device,
    dtype: torch.dtype | None = None,
    unnorm_key: str = "",
    trust_remote_code: bool = False,
) -> RT2Policy:
    """The policy in a directory.

    unnorm_key: for OpenVLA: whose statistics its actions have. Other arguments: see `load_rt2`. Raises ValueErrors with
    a sentence, see there.
    """
    name, adapter = directory.resolve().name, None
    if (directory / ADAPTER_CONFIG).is_file() and not (directory / "config.json").is_file():
        directory, adapter = _base_of(directory), directory
        if not is_openvla(directory):
            kind = read_config(directory).get("model_type")
            raise CheckpointError(
                f"{adapter} is an adapter of a model of the type {kind!r}; only OpenVLA's are loaded as they are. "
                "Merge this one into its model first (peft: model.merge_and_unload()) and save that."
            )
    if is_openvla(directory):
        parts = load_openvla(directory, device=device, dtype=dtype, unnorm_key=unnorm_key, adapter=adapter)
    elif unnorm_key:
        raise CheckpointError(f"{directory} is no OpenVLA checkpoint, so there is no {unnorm_key!r} to choose.")
    else:
        parts = load_rt2(directory, device=device, dtype=dtype, trust_remote_code=trust_remote_code)
    return RT2Policy(parts, name=name)


def download(hub_id: str) -> Path:
    """A checkpoint from the Hub, kept in the usual cache. Raises CheckpointError."""
    try:
        return Path(snapshot_download(hub_id, allow_patterns=list(HUB_FILES)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"{hub_id!r} cannot be had from the Hugging Face Hub: {reason}") from error


def _base_of(adapter: Path) -> Path:
    base = Adapter.load(adapter).base
    for path in (Path(base), adapter / base):
        if base and path.is_dir():
            return path
    if HUB_ID.fullmatch(base):
        return download(base)
    raise CheckpointError(f"{adapter} names {base!r} as the model it belongs to, which is no directory.")
