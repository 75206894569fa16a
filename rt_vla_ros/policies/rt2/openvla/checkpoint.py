"""Loads published OpenVLA checkpoints from their directory as they are, and LoRA adapters of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.files import Tell, say_nothing
from rt_vla_ros.policies.checkpoint.resolve import Checkpoint
from rt_vla_ros.policies.rt2.inputs.processor import ProcessorError
from rt_vla_ros.policies.rt2.loading.lora import Adapter
from rt_vla_ros.policies.rt2.loading.memory import (
    OutOfMemoryError,
    available_bytes,
    check_memory,
    needed_bytes,
    no_room,
)
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts, first_line
from rt_vla_ros.policies.rt2.loading.progress import counted
from rt_vla_ros.policies.rt2.loading.quantization import QUANTIZED, check_quantization, number_type, quantize
from rt_vla_ros.policies.rt2.openvla.card import openvla_config
from rt_vla_ros.policies.rt2.openvla.model import OpenVLAConfig, OpenVLAForActionPrediction, empty_model
from rt_vla_ros.policies.rt2.openvla.processor import OpenVLAProcessor, read_settings
from rt_vla_ros.policies.rt2.openvla.settings import OpenVLASettings
from rt_vla_ros.policies.rt2.openvla.weights import Shapes, fill, tower_settings

INDEX = "model.safetensors.index.json"
EMBEDDINGS = "language_model.model.embed_tokens.weight"


def load_openvla(
    checkpoint: Checkpoint, *, device: torch.device, weights: str = "auto", tell: Tell = say_nothing
) -> RT2Parts:
    """Everything of a checkpoint; rt2_config.json and action_card.json are used where they are there.

    weights: see quantization. A LoRA adapter's own statistics go before those of the model.
    tell: gets a sentence now and then about how far it is.
    Raises CheckpointError, ProcessorError, RT2ConfigError, ActionCardError, WeightsError, OutOfMemoryError: all
    ValueErrors.
    """
    check_quantization(weights, device)
    directory = checkpoint.model_directory
    config = openvla_config(checkpoint)
    card = checkpoint.read_card()
    settings = read_settings(directory)
    tokenizer = _tokenizer(directory)
    lora = Adapter.load(checkpoint.adapter) if checkpoint.adapter else None
    model = load_model(directory, dict(checkpoint.config), device=device, weights=weights, adapter=lora, tell=tell)
    processor = OpenVLAProcessor(
        settings,
        tokenizer,
        image_tokens=model.config.image_tokens,
        image_token_id=model.config.image_token_id,
        center_crop=config.center_crop,
    )
    return RT2Parts(model, processor, config, card)


def load_model(
    directory: Path,
    data: dict[str, Any],
    *,
    device: torch.device,
    weights: str = "auto",
    adapter: Adapter | None = None,
    tell: Tell = say_nothing,
) -> OpenVLAForActionPrediction:
    """The model with all its weights; data: its config.json.

    Raises CheckpointError, WeightsError and OutOfMemoryError.
    """
    files = weight_files(directory)
    check_memory(directory, device, weights)
    shapes = _shapes(files)
    config = _model_config(directory, data, shapes)
    number = number_type(weights, device)
    tell(f"reading the weights, {needed_bytes(directory, number) / 1e9:.1f} GB")
    try:
        model = empty_model(config, torch.device("cpu") if weights in QUANTIZED else device, number)
        tensors = counted(_tensors(files), len(shapes), "reading the weights", tell)
        fill(model, adapter.merged(tensors) if adapter else tensors, shapes)
        if weights in QUANTIZED:
            tell(f"making {weights} of the weights")
            quantize(model, weights, device)
    except torch.cuda.OutOfMemoryError as error:
        needed = needed_bytes(directory, number, weights)
        raise OutOfMemoryError(no_room(directory, device, weights, needed, available_bytes(device))) from error
    except CheckpointError as error:
        raise CheckpointError(f"{directory}: {error}") from error
    except RuntimeError as error:  # main memory that is not there is told in this way
        raise CheckpointError(f"The weights in {directory} cannot be loaded: {first_line(error)}") from error
    return model


def _model_config(directory: Path, data: dict[str, Any], shapes: Shapes) -> OpenVLAConfig:
    settings, towers = OpenVLASettings.make(data, directory), tower_settings(shapes)
    try:
        config = OpenVLAConfig(
            text_config=data.get("text_config"),
            towers=towers,
            image_size=settings.image_size,
            image_token_id=settings.image_token_id,
            pad_to_multiple_of=settings.padding,
        )
    except Exception as error:  # transformers checks the text's part by a library of its own
        raise CheckpointError(f"{directory / 'config.json'} is not OpenVLA's: {first_line(error)}") from error
    text = config.text_config
    rows = shapes.get(EMBEDDINGS, (text.vocab_size,))[0]
    if text.vocab_size != rows or not 0 <= (text.pad_token_id or 0) < rows:
        raise CheckpointError(
            f"{directory / 'config.json'}: text_config has vocab_size {text.vocab_size} and pad_token_id "
            f"{text.pad_token_id}, the weights have {rows} word embeddings: they are of different checkpoints."
        )
    return config


def weight_files(directory: Path) -> list[Path]:
    """The safetensors files of a checkpoint. Raises CheckpointError where one is missing."""
    index = directory / INDEX
    if not index.is_file():
        files = sorted(directory.glob("*.safetensors"))
        if not files:
            raise CheckpointError(f"{directory} has no weights (*.safetensors).")
        return files
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{index} is no index of weights: {error!r}.") from error
    missing = [name for name in names if not (directory / name).is_file()]
    if missing:
        raise CheckpointError(f"{directory} lacks {', '.join(missing)}, which {INDEX} names. Download it again.")
    return [directory / name for name in names]


def _shapes(files: list[Path]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                shapes |= {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path} is damaged or no safetensors file: {error}") from error
    return shapes


def _tensors(files: list[Path]) -> Iterator[tuple[str, Tensor]]:
    for path in files:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 (not a mapping)
                yield name, file.get_tensor(name)


def _tokenizer(directory: Path) -> PreTrainedTokenizerBase:
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(directory, local_files_only=True)
    except Exception as error:  # damaged files make transformers and what it reads them with raise anything
        raise ProcessorError(f"The tokenizer in {directory} cannot be loaded: {first_line(error)}") from error
    return tokenizer  # type: ignore[no-any-return]
