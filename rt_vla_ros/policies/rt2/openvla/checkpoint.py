"""Loads published OpenVLA checkpoints and their LoRA adapters without conversion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.json_file import read_object
from rt_vla_ros.network_size import no_larger_than
from rt_vla_ros.policies.checkpoint.errors import CheckpointError, first_line
from rt_vla_ros.policies.checkpoint.files import Tell, say_nothing
from rt_vla_ros.policies.checkpoint.resolve import Checkpoint
from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.inputs.processor import ProcessorError
from rt_vla_ros.policies.rt2.loading.lora import Adapter
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts, load_tokenizer, load_weights
from rt_vla_ros.policies.rt2.loading.progress import counted
from rt_vla_ros.policies.rt2.loading.quantization import check_quantization
from rt_vla_ros.policies.rt2.loading.weight_files import WeightFiles
from rt_vla_ros.policies.rt2.openvla.card import OpenVLASettings, openvla_config
from rt_vla_ros.policies.rt2.openvla.model import OpenVLAConfig, OpenVLAForActionPrediction, empty_model
from rt_vla_ros.policies.rt2.openvla.processor import OpenVLAProcessor
from rt_vla_ros.policies.rt2.openvla.weights import Shapes, fill, tower_settings

EMBEDDINGS = "language_model.model.embed_tokens.weight"


def load_openvla(
    checkpoint: Checkpoint,
    *,
    device: torch.device,
    weights: str = "auto",
    tell: Tell = say_nothing,
    config: RT2Config | None = None,
    card: ActionCard | None = None,
    **_: object,
) -> RT2Parts:
    """Loads all parts of a checkpoint, including rt2_config.json and action_card.json if they exist.

    weights: see quantization. A LoRA adapter's statistics take precedence over the model's. tell: called with progress
    messages. config, card: replace those on disk.
    Raises CheckpointError, ProcessorError, RT2ConfigError, ActionCardError, WeightsError and OutOfMemoryError.
    """
    check_quantization(weights, device)
    directory = checkpoint.model_directory
    config = config or openvla_config(checkpoint)
    card = card or checkpoint.read_card()
    settings = read_object(directory / "preprocessor_config.json", ProcessorError)
    tokenizer = load_tokenizer(directory, PreTrainedTokenizerFast)
    lora = Adapter.load(checkpoint.adapter) if checkpoint.adapter else None
    model = load_model(directory, dict(checkpoint.config), device=device, weights=weights, adapter=lora, tell=tell)
    processor = OpenVLAProcessor(
        settings,
        tokenizer,
        image_tokens=model.config.image_tokens,
        image_token_id=model.config.image_token_id,
        center_crop=config.center_crop,
        action_follows=not config.plan_tokens,
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
    files = WeightFiles.find(directory)
    config = _model_config(directory, data, files.shapes)

    def build(number: torch.dtype, place: torch.device) -> OpenVLAForActionPrediction:
        with no_larger_than(files.shapes.values(), CheckpointError):
            model = empty_model(config, place, number)
        tensors = counted(files.tensors(), len(files.shapes), "reading the weights", tell)
        own = adapter is not None and adapter.names_layers_of(model)
        fill(model, adapter.merged(tensors) if adapter is not None and not own else tensors, files.shapes)
        if adapter is not None and own:
            adapter.merge_into(model)
        return model

    return load_weights(files, build, device=device, weights=weights, tell=tell)


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
    except Exception as error:  # transformers validates text_config with another library
        raise CheckpointError(f"{directory / 'config.json'} is not OpenVLA's: {first_line(error)}") from error
    text = config.text_config
    rows = shapes.get(EMBEDDINGS, (text.vocab_size,))[0]
    if text.vocab_size != rows or not 0 <= (text.pad_token_id or 0) < rows:
        raise CheckpointError(
            f"{directory / 'config.json'}: text_config has vocab_size {text.vocab_size} and pad_token_id "
            f"{text.pad_token_id}, the weights have {rows} word embeddings: they belong to different checkpoints."
        )
    return config


def check_shapes(directory: Path, data: dict[str, Any]) -> None:
    """Compares names and shapes of the weights with the model. data: config.json of the directory.

    Raises CheckpointError.
    """
    files, meta = WeightFiles.find(directory), torch.device("meta")
    config = _model_config(directory, data, files.shapes)
    with no_larger_than(files.shapes.values(), CheckpointError):
        model = empty_model(config, meta, torch.float32)
    fill(model, ((name, torch.empty(shape, device=meta)) for name, shape in files.shapes.items()), files.shapes)
