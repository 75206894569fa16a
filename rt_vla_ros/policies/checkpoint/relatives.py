"""Detects unsupported relatives of supported checkpoints by files, configuration and tensor names.

Such a checkpoint might load and then produce wrong actions. Does not import torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from rt_vla_ros.policies.checkpoint.errors import CheckpointError, some
from rt_vla_ros.policies.checkpoint.files import LEROBOT_VLA0

OWN_CODE = "Run it with its own code"
ITSELF = f"{OWN_CODE}, or use a checkpoint of OpenVLA itself."
OFT = f"""an OpenVLA-OFT checkpoint: its actions are chunks of several steps, from a separate head or decoded in \
parallel, not one token at a time. {ITSELF}"""
PRISMATIC = """a checkpoint in the layout of prismatic-vlms, as MiniVLA, CogACT and OpenVLA's training code write it: \
convert OpenVLA's with its vla-scripts/extern/convert_openvla_weights_to_hf.py; the others need their own code."""
OCTO = f"an Octo checkpoint, whose actions come from a diffusion head. {OWN_CODE}."
TRACEVLA = f"a TraceVLA checkpoint: it takes a second image with point tracks drawn in. {ITSELF}"
UNIVLA = f"a UniVLA checkpoint, whose actions come from a separate decoder. {ITSELF}"
FILES = {
    "action_decoder*.pt": UNIVLA,
    "action_head*.pt": OFT,
    "proprio_projector*.pt": OFT,
    "noisy_action_projector*.pt": OFT,
    "vision_backbone--*.pt": OFT,
    "checkpoints/*.pt": PRISMATIC,
    "example_batch.msgpack": OCTO,
}
ECOT = r"ecot|embodied-?cot"
RANDOM_CROPS = r"image_aug|openvla-7b-finetuned-libero"
"""Checkpoints fine-tuned with random crops: OpenVLA's training code adds image_aug to the name of a run; the published
ones for LIBERO, which have no such name, are evaluated with a center crop."""
NAMES = {r"openvla.*[-_]oft": OFT, r"tracevla": TRACEVLA}
"""Relatives of OpenVLA that differ only in their training, by the names of their publishers."""
TYPES = {"spatialvla": "SpatialVLA", "molmoact": "MolmoAct", "gr00t": "GR00T", "prismatic": "Prismatic"}
"""Prefixes of the model_type of models with another action format, or without actions."""
LORA = re.compile(r"\.(lora_\w+|base_layer|modules_to_save)(\.|$)")
BITSANDBYTES = re.compile(r"\.(SCB|weight_format|(nested_)?(absmax|quant_map)|quant_state\..+)$")
PACKED = re.compile(r"\.(qweight|qzeros|g_idx|weight_packed|weight_scale(_inv)?)$")
"""Tensor names of GPTQ and AWQ, of compressed-tensors, and of FP8."""
NEEDLESS = re.compile(r"(^|\.)(inv_freq|position_ids|num_batches_tracked)$")
"""Buffers stored by older versions; every model creates them itself."""


class RelativeError(CheckpointError):
    """An unsupported kind of checkpoint; the message says what it is and what to do."""


def check_relative(where: object, files: Sequence[str], config: Mapping[str, Any], name: str) -> None:
    """Raises RelativeError for an unsupported kind of checkpoint.

    where: its location, for the message. files: names of its files. config: its config.json, empty if missing.
    name: of its directory, or on the Hub.
    """
    whole = any(file.endswith(".safetensors") for file in files)
    for pattern, what in FILES.items():
        if what is PRISMATIC and whole:  # its `checkpoints` may be training checkpoints
            continue
        if found := sorted(file for file in files if fnmatch(file, pattern)):
            raise RelativeError(f"{where} is, by its {found[0]}, {what}")
    kind = str(config.get("model_type", ""))
    for pattern, what in NAMES.items():
        if kind == "openvla" and is_called(pattern, name, config):
            raise RelativeError(f"{where} is, by its name, {what} If it is not, rename it.")
    own = next((own for beginning, own in TYPES.items() if kind.startswith(beginning)), "")
    if not kind and "type" in config and "input_features" in config and config["type"] not in LEROBOT_VLA0:
        own = f"LeRobot policy ({config['type']})"
    elif "noise_scheduler" in config:
        own = "RDT"
    if own:
        raise RelativeError(f"{where} is a checkpoint of {own}, whose actions are not text tokens. {OWN_CODE}.")
    _check_quantized(where, config)


def is_called(pattern: str, name: str, config: Mapping[str, Any]) -> bool:
    """Whether the name of a checkpoint, or of its base model, matches a pattern."""
    names = f"{name} {config.get('_name_or_path', '')}".lower()
    return re.search(rf"(?<![a-z])({pattern})(?![a-z])", names) is not None


def files_of(directory: Path) -> list[str]:
    """Names of the files in a directory and in its `checkpoints` subdirectory."""
    inner = directory / "checkpoints"
    nested = [f"checkpoints/{path.name}" for path in inner.iterdir()] if inner.is_dir() else []
    return [*(path.name for path in directory.iterdir()), *nested]


def check_tensor_names(names: Iterable[str]) -> None:
    """Raises CheckpointError for tensors of an unmerged adapter, and for quantized tensors."""
    names = sorted(names)
    kinds = (
        (LORA, "of an adapter that was not merged", "Merge it with peft (merge_and_unload), then save the model"),
        (BITSANDBYTES, "quantized by bitsandbytes", "Use the model in bfloat16 with weights:=int8 or int4"),
        (PACKED, "quantized (GPTQ, AWQ, FP8 or similar)", "Use the model in bfloat16 with weights:=int8 or int4"),
    )
    for pattern, what, remedy in kinds:
        if found := [name for name in names if pattern.search(name)]:
            raise CheckpointError(f"The weights hold tensors {what} ({some(found)}; {len(found)} in all). {remedy}.")


def check_surplus(names: Iterable[str]) -> None:
    """Raises CheckpointError for unknown tensors, except buffers that the model creates itself."""
    surplus = sorted(name for name in names if not NEEDLESS.search(name))
    if surplus:
        raise CheckpointError(
            f"The weights hold tensors that the model does not have ({some(surplus)}; {len(surplus)} in all): they "
            "belong to another model, or to parts that config.json does not name."
        )


def _check_quantized(where: object, config: Mapping[str, Any]) -> None:
    parts = [config, *(part for part in config.values() if isinstance(part, Mapping))]
    for found in (part.get(key) for part in parts for key in ("quantization_config", "quantization")):
        if isinstance(found, Mapping) and found:
            usual = (
                "bitsandbytes" if any("load_in_" in key for key in found) else "a tool that config.json does not name"
            )
            raise RelativeError(
                f"{where} holds weights quantized by {found.get('quant_method') or usual}, which are not supported. "
                "Use the same model in bfloat16 or float32 with weights:=int8 or int4."
            )
