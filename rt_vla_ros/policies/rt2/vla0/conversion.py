"""Converts a published VLA-0 or VLA-0-Smol to a checkpoint of this project, with card and rt2_config.json."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from safetensors.torch import save_file

from rt_vla_ros.action_space.card import CARD_FILE, ActionCard
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.files import CONFIG_FILE, RT2_CONFIG_FILE, WEIGHTS_FILE, Tell, say_nothing
from rt_vla_ros.policies.checkpoint.resolve import Checkpoint
from rt_vla_ros.policies.rt2.loading.parts import PROCESSOR_FILES, TOKENIZER_FILES, load_processor
from rt_vla_ros.policies.rt2.loading.weight_files import INDEX, WeightFiles
from rt_vla_ros.policies.rt2.vla0.checkpoint import base_directory, smol_config
from rt_vla_ros.policies.rt2.vla0.published import published
from rt_vla_ros.policies.rt2.vla0.smol_weights import smol_tensors

SETTINGS = (
    *("generation_config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt"),
    *("chat_template.json", "chat_template.jinja", *PROCESSOR_FILES, *TOKENIZER_FILES),
)


def convert_vla0(
    checkpoint: Checkpoint,
    directory: Path,
    *,
    statistics: Path | None = None,
    base: Path | None = None,
    tell: Tell = say_nothing,
) -> ActionCard:
    """Checks everything, then writes to `directory`, which must not exist or be empty. Weights are linked if possible.

    statistics: a file to use instead of the folder's own. base: directory with tokenizer and processor; None for
    those of VLA-0's folder, or of the model named in VLA-0-Smol's configuration.
    Raises CheckpointError, ProcessorError and ActionCardError; nothing is written in that case.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise CheckpointError(f"{directory} already exists; choose a new or empty directory.")
    source = checkpoint.model_directory
    if checkpoint.adapter or (source / RT2_CONFIG_FILE).is_file() or (source / CARD_FILE).is_file():
        raise CheckpointError(
            f"{source} is not a published VLA-0 checkpoint: it has a card, an rt2_config.json or an adapter."
        )
    found, files = published(checkpoint, statistics), WeightFiles.find(source)
    if found.base is not None:
        place = base_directory(str(base or found.base), source, tell)
        load_processor(place, found.config, len(found.card.cameras))
        config, tensors = smol_config(place, files), dict(smol_tensors(files))
        directory.mkdir(parents=True, exist_ok=True)
        config.save_pretrained(directory)
        tell("writing the weights")
        apart = {name: tensor.clone() for name, tensor in tensors.items()}  # a file has no tensor under two names
        save_file(apart, directory / WEIGHTS_FILE, metadata={"format": "pt"})
    else:
        place = base or source
        load_processor(place, found.config, len(found.card.cameras))
        directory.mkdir(parents=True, exist_ok=True)
        for path in (*files.paths, source / INDEX):
            _link(path, directory / path.name)
        shutil.copyfile(source / CONFIG_FILE, directory / CONFIG_FILE)
    for path in (path for pattern in SETTINGS for path in place.glob(pattern)):
        shutil.copyfile(path, directory / path.name)
    found.config.save(directory)
    found.card.save(directory)
    return found.card


def _link(path: Path, target: Path) -> None:
    """Hard-links a file, or copies it to another disk; does nothing if it does not exist."""
    if not path.is_file():
        return
    try:
        os.link(path.resolve(), target)
    except OSError:
        shutil.copyfile(path, target)
