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

from rt_vla_ros.action_space.card import CARD_FILE, ActionCard, ActionCardError
from rt_vla_ros.json_file import read_object
from rt_vla_ros.policies.checkpoint.rt1_files import CheckpointError
from rt_vla_ros.policies.rt2.configuration import CONFIG_FILE, RT2Config, RT2ConfigError
from rt_vla_ros.policies.rt2.inputs.processor import ProcessorError
from rt_vla_ros.policies.rt2.loading.lora import Adapter
from rt_vla_ros.policies.rt2.loading.memory import (
    OutOfMemoryError,
    available_bytes,
    check_memory,
    needed_bytes,
    no_room,
)
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts, first_line, read_config
from rt_vla_ros.policies.rt2.loading.progress import Tell, counted, say_nothing
from rt_vla_ros.policies.rt2.loading.quantization import QUANTIZED, check_quantization, number_type, quantize
from rt_vla_ros.policies.rt2.openvla.model import OpenVLAConfig, OpenVLAForActionPrediction, empty_model
from rt_vla_ros.policies.rt2.openvla.processor import OpenVLAProcessor, read_settings
from rt_vla_ros.policies.rt2.openvla.settings import OpenVLASettings
from rt_vla_ros.policies.rt2.openvla.statistics import ROLES, card_from_statistics
from rt_vla_ros.policies.rt2.openvla.weights import Shapes, fill, tower_settings
from rt_vla_ros.policies.rt2.prompt import OPENVLA_PROMPT, OPENVLA_QUESTION

MODEL_TYPE = "openvla"
INDEX = "model.safetensors.index.json"
EMBEDDINGS = "language_model.model.embed_tokens.weight"
STATISTICS = "dataset_statistics.json"
OWN = {"vocabulary": "openvla", "prompt": OPENVLA_PROMPT, "question": OPENVLA_QUESTION, "lower_case": True}
"""What rt2_config.json need not say: these go before the defaults of RT2Config."""


def is_openvla(directory: Path) -> bool:
    """Whether config.json says so. Raises CheckpointError where there is none."""
    return read_config(directory).get("model_type") == MODEL_TYPE


def load_openvla(
    directory: Path,
    *,
    device: torch.device,
    weights: str = "auto",
    unnorm_key: str = "",
    adapter: Path | None = None,
    tell: Tell = say_nothing,
) -> RT2Parts:
    """Everything of a checkpoint's directory; rt2_config.json and action_card.json are used where they are there.

    weights: see quantization. unnorm_key: whose statistics, if not what rt2_config.json says.
    adapter: directory of a LoRA adapter (peft); its own statistics go before those of the checkpoint.
    tell: gets a sentence now and then about how far it is.
    Raises CheckpointError, ProcessorError, RT2ConfigError, ActionCardError, WeightsError, OutOfMemoryError: all
    ValueErrors.
    """
    check_quantization(weights, device)
    data = read_config(directory)
    config = _rt2_config(adapter, directory)
    card = find_card(directory, data, unnorm_key, adapter=adapter)
    settings = read_settings(directory)
    tokenizer = _tokenizer(directory)
    lora = Adapter.load(adapter) if adapter else None
    model = load_model(directory, data, device=device, weights=weights, adapter=lora, tell=tell)
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


def _rt2_config(adapter: Path | None, directory: Path) -> RT2Config:
    path = next((p / CONFIG_FILE for p in (adapter, directory) if p is not None and (p / CONFIG_FILE).is_file()), None)
    if path is None:
        return RT2Config.from_dict(OWN)
    data = read_object(path, RT2ConfigError)
    try:
        config = RT2Config.from_dict({**OWN, **data})
    except RT2ConfigError as error:
        raise RT2ConfigError(f"{path}: {error}") from error
    if config.vocabulary != "openvla":
        raise CheckpointError(f"{path} says {config.vocabulary!r} for an OpenVLA checkpoint.")
    return config


def find_card(
    directory: Path, data: dict[str, Any], unnorm_key: str = "", *, adapter: Path | None = None
) -> ActionCard:
    """action_card.json where it is there, else a card made of the statistics. Arguments and errors: as load_openvla.

    data: config.json of the directory.
    """
    settings = OpenVLASettings.make(data, directory)
    key = unnorm_key or _rt2_config(adapter, directory).unnorm_key
    places = [place for place in (adapter, directory) if place is not None]
    for place in places:
        if (place / CARD_FILE).is_file():
            return _checked_card(ActionCard.load(place), place, settings.bins)
    own = next((place / STATISTICS for place in places if (place / STATISTICS).is_file()), None)
    path = own or directory / "config.json"
    statistics = read_object(own, CheckpointError) if own else data.get("norm_stats") or {}
    try:
        return card_from_statistics(statistics, key, bins=settings.bins, image_size=settings.image_size)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _checked_card(card: ActionCard, place: Path, bins: int) -> ActionCard:
    pairs = (
        ("dimensions", len(card.dimensions), len(ROLES)),
        ("bins", card.bins, bins),
        ("quantization", card.quantization, "centers"),
    )
    for what, given, expected in pairs:
        if given != expected:
            raise ActionCardError(f"{place}: the action card says {what} {given}, an OpenVLA model has {expected}.")
    return card


def _tokenizer(directory: Path) -> PreTrainedTokenizerBase:
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(directory, local_files_only=True)
    except Exception as error:  # damaged files make transformers and what it reads them with raise anything
        raise ProcessorError(f"The tokenizer in {directory} cannot be loaded: {first_line(error)}") from error
    return tokenizer  # type: ignore[no-any-return]
