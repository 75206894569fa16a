"""An exported RT-2 policy: the same as the policy in torch, with compiled graphs for its images and language model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor
from transformers import AutoConfig, GenerationConfig

from rt_vla_ros.json_file import read_object
from rt_vla_ros.model_folder import check_folder
from rt_vla_ros.policies.checkpoint.errors import CheckpointError, first_line
from rt_vla_ros.policies.checkpoint.resolve import Checkpoint
from rt_vla_ros.policies.exported.manifest import Manifest
from rt_vla_ros.policies.exported.open_graphs import open_graphs
from rt_vla_ros.policies.exported.rt1 import check_weights
from rt_vla_ros.policies.exported.rt2_graphs import RT2_GRAPHS
from rt_vla_ros.policies.exported.rt2_model import HEAD, HEAD_BIAS, TABLE, exported_model
from rt_vla_ros.policies.rt2.checkpoint import check_options, with_plan
from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.inputs.processor import CombinedProcessor
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts, load_processor
from rt_vla_ros.policies.rt2.policy import RT2Policy

TABLES_FILE = "tables.safetensors"
"""The token embeddings and the output head."""
BASE, GENERATION_FILE = "base", "generation_config.json"
"""The directory with the original's configuration, processor and tokenizer."""


def open_policy(
    checkpoint: Checkpoint,
    *,
    device: str,
    decoding: str | None = None,
    language: str | None = None,
    weights: str = "auto",
    plan: bool = False,
    trust_remote_code: bool = False,
    **_options: Any,
) -> RT2Policy:
    """Opens an exported policy. Arguments: see load_policy; device: see open_graphs.

    Raises CheckpointError, ActionCardError, RT2ConfigError, ProcessorError, ValueError; ImportError without
    onnxruntime.
    """
    check_options(checkpoint, decoding, language)
    check_weights(checkpoint, weights)
    parts = load_exported(checkpoint, device, trust=trust_remote_code)
    return RT2Policy(with_plan(parts) if plan else parts, name=checkpoint.name)


def load_exported(checkpoint: Checkpoint, device: str, *, trust: bool = False) -> RT2Parts:
    """All parts of an exported checkpoint; see open_policy."""
    directory = checkpoint.model_directory
    manifest = Manifest.of(checkpoint.config, directory)
    manifest.check_card(directory)
    manifest.check_files(directory, BASE)
    card, config = checkpoint.read_card(), RT2Config.load(directory)
    check_folder(directory / BASE, CheckpointError)
    processor = load_processor(directory / BASE, config, len(card.cameras))
    graphs = open_graphs(manifest, directory, RT2_GRAPHS, device, trust=trust)
    tables = read_tables(directory / TABLES_FILE, manifest.file(directory, TABLES_FILE))
    try:
        base = AutoConfig.from_pretrained(directory / BASE, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # as for other checkpoints
        raise CheckpointError(f"{directory / BASE / 'config.json'} cannot be used: {first_line(error)}") from error
    model = exported_model(base, tables, graphs)
    if (directory / BASE / GENERATION_FILE).is_file():
        settings = read_object(directory / BASE / GENERATION_FILE, CheckpointError)
        model.generation_config = GenerationConfig.from_dict(settings)
    if isinstance(processor, CombinedProcessor):
        processor.complete(model.config)
    return RT2Parts(model, processor, config, card)


def read_tables(path: Path, content: bytes) -> dict[str, Tensor]:
    """The tables of a file, see rt2_model. Raises CheckpointError for another content."""
    try:
        tables = safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path} is not a safetensors file: {first_line(error)}") from error
    shapes = {name: tuple(table.shape) for name, table in tables.items()}
    table = shapes.get(TABLE, ())
    expected = {TABLE: table, HEAD: table, HEAD_BIAS: table[:1]}
    if len(table) != 2 or any(shape != expected.get(name) for name, shape in shapes.items()):
        raise CheckpointError(
            f"{path} has tensors of the shapes {shapes}, expected {TABLE!r} of the shape (V, C), and for some models "
            f"{HEAD!r} of the same shape and {HEAD_BIAS!r} of the shape (V,). Export the policy again."
        )
    return tables
