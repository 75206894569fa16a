"""Loads VLA-0 and VLA-0-Smol in their published formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

from rt_vla_ros.model_folder import check_folder
from rt_vla_ros.network_size import no_larger_than
from rt_vla_ros.policies.checkpoint.errors import CheckpointError, first_line
from rt_vla_ros.policies.checkpoint.files import Tell, say_nothing
from rt_vla_ros.policies.checkpoint.hub import download
from rt_vla_ros.policies.checkpoint.resolve import Checkpoint, hub_name
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts, check_complete, load_model, load_processor, load_weights
from rt_vla_ros.policies.rt2.loading.progress import transformers_progress
from rt_vla_ros.policies.rt2.loading.quantization import check_quantization
from rt_vla_ros.policies.rt2.loading.weight_files import WeightFiles
from rt_vla_ros.policies.rt2.vla0.published import CONVERT, published
from rt_vla_ros.policies.rt2.vla0.smol_weights import smol_tensors, vocabulary_size


def load_vla0(
    checkpoint: Checkpoint, *, device: torch.device, weights: str = "auto", tell: Tell = say_nothing, **_: object
) -> RT2Parts:
    """Loads all parts of a published folder; arguments: see load_rt2. Its pickle is parsed without executing it.

    Raises CheckpointError, ProcessorError, ActionCardError, WeightsError and OutOfMemoryError.
    """
    check_quantization(weights, device)
    directory, found = checkpoint.model_directory, published(checkpoint)
    base = directory if found.base is None else base_directory(found.base, directory, tell)
    tell("reading the processor")
    processor = load_processor(base, found.config, len(found.card.cameras))
    if found.base is None:
        model = load_model(directory, device=device, weights=weights, tell=tell)
    else:
        model = _load_smol(directory, base, device=device, weights=weights, tell=tell)
    return RT2Parts(model, processor, found.config, found.card)


def base_directory(name: str, directory: Path, tell: Tell = say_nothing) -> Path:
    """The directory with tokenizer, processor and configuration of VLA-0-Smol's base model, downloaded if necessary.

    name: a directory or a model on the Hub. directory: of the checkpoint that names it. Raises CheckpointError.
    """
    place = Path(name)
    if not name or not place.is_dir():
        if not hub_name(name):
            raise CheckpointError(
                f"{directory} names {name[:80]!r} as its base model (vlm_checkpoint), which is neither a directory "
                f"nor a name on the Hugging Face Hub. Set it with {CONVERT.format(directory)} --base DIR."
            )
        try:
            place = download(hub_name(name), tell, weights=False)
        except CheckpointError as error:
            raise CheckpointError(
                f"{directory} has no tokenizer and no processor of its own but uses those of {name!r}. {error} Or "
                f"give a directory with them: {CONVERT.format(directory)} --base DIR."
            ) from error
    check_folder(place, CheckpointError)
    return place


def smol_config(base: Path, files: WeightFiles) -> PreTrainedConfig:
    """The base model's configuration with the size of the weights' embedding table. Raises CheckpointError."""
    try:
        config: Any = AutoConfig.from_pretrained(base, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # untrusted files make transformers raise anything
        raise CheckpointError(f"{base / 'config.json'} cannot be used: {first_line(error)}") from error
    if config.model_type not in ("smolvlm", "idefics3"):
        raise CheckpointError(f"{base} has the model_type {config.model_type!r}, VLA-0-Smol is based on SmolVLM.")
    config.text_config.vocab_size = vocabulary_size(files)
    made: PreTrainedConfig = config
    return made


def _load_smol(directory: Path, base: Path, *, device: torch.device, weights: str, tell: Tell) -> PreTrainedModel:
    files = WeightFiles.find(directory)
    config = smol_config(base, files)

    def build(number: torch.dtype, place: torch.device) -> PreTrainedModel:
        with transformers_progress(tell), no_larger_than(files.shapes.values(), CheckpointError):
            kind: Any = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING[type(config)]
            loaded = kind.from_pretrained(
                None,
                config=config,
                state_dict=dict(smol_tensors(files)),
                dtype=number,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
        model: PreTrainedModel = loaded[0].eval()
        nn.Module.to(model, place)
        check_complete(model, loaded[1])
        return model

    return load_weights(files, build, device=device, weights=weights, tell=tell)
