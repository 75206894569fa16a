"""Saves and loads checkpoints: config.json, model.safetensors, action_card.json, and README.md as the model card."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from rt_vla_ros.action_space.card import ActionCard, ActionCardError
from rt_vla_ros.language.encoder import LanguageEncoder
from rt_vla_ros.language.instruction_table import TABLE_FILE
from rt_vla_ros.language.sources import find_encoder
from rt_vla_ros.model_folder import stored_shapes
from rt_vla_ros.network_size import no_larger_than
from rt_vla_ros.policies.checkpoint.errors import CheckpointError, LanguageNotUsedError, some
from rt_vla_ros.policies.checkpoint.files import CONFIG_FILE, WEIGHTS_FILE
from rt_vla_ros.policies.checkpoint.relatives import check_tensor_names
from rt_vla_ros.policies.checkpoint.resolve import Checkpoint
from rt_vla_ros.policies.checkpoint.whole_folder import replace_folder
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.fast.steps import FoldedSteps
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.policies.rt1.policy import RT1Policy

MODEL_CARD_FILE = "README.md"
UNTRAINED_SEED = 0
FOLDED_TRUNK = "film_efficientnet"
RT1_WEIGHTS = {"auto": torch.float32, "float32": torch.float32, "bfloat16": torch.bfloat16}

FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
INTEGERS = (torch.int64, torch.int32)
"""Data types in which weights and counters may be stored."""


def save_checkpoint(
    directory: Path,
    model: RT1Model,
    card: ActionCard,
    model_card: str,
    *,
    beside: Mapping[str, str | Path] = MappingProxyType({}),
) -> None:
    """Writes a complete checkpoint; an existing one is replaced only when the new one is complete.

    beside: additional files by their names, each a text or the path of a file to copy.
    Raises ActionCardError if card and model contradict each other, OSError if it cannot be written.
    """
    check_card(card, model.config, directory)

    def write(new: Path) -> None:
        model.save_pretrained(new)
        card.save(new)
        (new / MODEL_CARD_FILE).write_text(model_card, encoding="utf-8")
        for name, content in beside.items():
            if isinstance(content, Path):
                shutil.copyfile(content, new / name)
            else:
                (new / name).write_text(content, encoding="utf-8")

    replace_folder(directory, write)


def open_policy(
    checkpoint: Checkpoint,
    *,
    device: torch.device,
    decoding: str | None = None,
    language: str | None = None,
    weights: str = "auto",
    cuda_graphs: bool = True,
    **_options: object,
) -> RT1Policy:
    """Opens the policy of a checkpoint, or one with (reproducible) random weights for a policy created in memory.

    Arguments: see load_policy. Raises CheckpointError, ActionCardError, ValueError.
    """
    if weights not in RT1_WEIGHTS:
        raise ValueError(f"RT-1 policies do not support weights {weights!r}; expected one of {', '.join(RT1_WEIGHTS)}.")
    number = RT1_WEIGHTS[weights]
    model, card = read_model(checkpoint)
    if model.config.trunk != FOLDED_TRUNK and number != torch.float32:
        raise ValueError(f"The weights of {checkpoint.name} are small and always in float32; use weights:=auto.")
    nn.Module.to(model, device)
    encoder = sentence_encoder(checkpoint, model.config, language)
    how: RT1Model | FoldedSteps = model
    if model.config.trunk == FOLDED_TRUNK:
        how = FoldedSteps(model, number, cuda_graphs=cuda_graphs)
    return RT1Policy(how, card, name=checkpoint.name, decoding=decoding, encoder=encoder)


def read_model(checkpoint: Checkpoint) -> tuple[RT1Model, ActionCard]:
    """The model, on the CPU, and its card; random weights for a policy created in memory. Raises as load_checkpoint."""
    return _random(checkpoint) if checkpoint.directory is None else load_checkpoint(checkpoint)


def _random(checkpoint: Checkpoint) -> tuple[RT1Model, ActionCard]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        return RT1Model(RT1Config.preset("rt1-mini")), checkpoint.read_card()


def load_checkpoint(checkpoint: Checkpoint) -> tuple[RT1Model, ActionCard]:
    """The model, on the CPU, and its card.

    Raises CheckpointError or ActionCardError for files that are missing, damaged or contradict each other.
    """
    model = empty_model(checkpoint)
    card = checkpoint.read_card()
    check_card(card, model.config, checkpoint.model_directory)
    return _read_weights(checkpoint.model_directory / WEIGHTS_FILE, model), card


def empty_model(checkpoint: Checkpoint) -> RT1Model:
    """The network without its weights, on torch's meta device; no weight is read.

    Raises CheckpointError if config.json does not match the names and shapes of the weights.
    """
    directory = checkpoint.model_directory
    config = _make_config(directory / CONFIG_FILE, checkpoint.config)
    path = directory / WEIGHTS_FILE
    if not path.is_file():
        raise CheckpointError(f"{directory} is not a checkpoint: it lacks {WEIGHTS_FILE}.")
    shapes = stored_shapes(path, CheckpointError)
    with no_larger_than(shapes.values(), CheckpointError, str(directory / CONFIG_FILE)), torch.device("meta"):
        model = RT1Model(config)
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    check_tensor_names(shapes)
    missing, unknown = sorted(wanted.keys() - shapes.keys()), sorted(shapes.keys() - wanted.keys())
    if missing or unknown:
        raise CheckpointError(
            f"{path} lacks {some(missing)} ({len(missing)} in all) and has the unknown {some(unknown)} ({len(unknown)} "
            "in all)."
        )
    for name, shape in shapes.items():
        if shape != wanted[name]:
            raise CheckpointError(f"{path}: {name} has the shape {shape}, expected {wanted[name]} from the config.")
    return model


def sentence_encoder(checkpoint: Checkpoint, config: RT1Config, language: str | None) -> LanguageEncoder | None:
    if config.language != "embedding":
        if language is not None:
            raise LanguageNotUsedError(checkpoint.name, language)
        return None
    path = Path(language).expanduser() if language is not None else checkpoint.model_directory / TABLE_FILE
    return find_encoder(path) if language is not None or path.is_file() else None


def check_card(card: ActionCard, config: RT1Config, where: Path) -> None:
    """Raises ActionCardError, naming both values, if the card contradicts the network."""
    height, width = config.input_size
    pairs: list[tuple[str, object, str, object]] = [
        ("dimensions", len(card.dimensions), "dimensions", len(config.tokens_per_dimension)),
        ("horizon", card.horizon, "horizon", config.horizon),
        ("bins", card.bins, "vocab_size", config.vocab_size),
        ("tokens per dimension", list(card.counts), "tokens_per_dimension", list(config.tokens_per_dimension)),
        ("number of cameras", len(card.cameras), "num_cameras", config.num_cameras),
        ("numbers of the state", len(card.state), "state_size", config.state_size),
    ]
    for camera in card.cameras:
        pairs.append((f"width of the camera {camera.name!r}", camera.width, "width of the input", width))
        pairs.append((f"height of the camera {camera.name!r}", camera.height, "height of the input", height))
    for card_key, card_value, config_key, config_value in pairs:
        if card_value != config_value:
            raise ActionCardError(
                f"{where}: the action card says {card_key} {card_value}, the network's {config_key} is {config_value}."
            )
    if config.world_vector_range is None:
        return
    for one in card.dimensions:
        if one.role.startswith("translation_") and [one.low, one.high] != config.world_vector_range:
            raise ActionCardError(
                f"{where}: the action card says {one.name} from {one.low} to {one.high}, the network's "
                f"world_vector_range is {config.world_vector_range}."
            )


def _make_config(path: Path, data: Mapping[str, Any]) -> RT1Config:
    kind = data.get("model_type")
    if kind != RT1Config.model_type:
        raise CheckpointError(f"{path} has the model_type {kind!r}, expected {RT1Config.model_type!r}.")
    try:
        return RT1Config.from_dict(dict(data))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def _read_weights(path: Path, model: RT1Model) -> RT1Model:
    wanted = model.state_dict()
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: file.get_tensor(name) for name in wanted}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or not a safetensors file: {error}") from error
    for name, tensor in found.items():
        _check_tensor(f"{path}: {name}", tensor, wanted[name])
    # Copied from the memory map: the file may be replaced while the policy runs.
    values = {name: tensor.to(wanted[name].dtype, copy=True) for name, tensor in found.items()}
    model.load_state_dict(values, assign=True)
    model.requires_grad_(False)
    model.train(False)
    return model


def _check_tensor(what: str, found: Tensor, wanted: Tensor) -> None:
    kinds = FLOATS if wanted.is_floating_point() else INTEGERS
    if found.dtype not in kinds:
        given, *expected = (str(kind).removeprefix("torch.") for kind in (found.dtype, *kinds))
        raise CheckpointError(f"{what} has the type {given}, expected one of {', '.join(expected)}.")
    if not torch.isfinite(found.to(wanted.dtype)).all():
        raise CheckpointError(f"{what} contains numbers that are not finite; the file cannot be trusted.")
