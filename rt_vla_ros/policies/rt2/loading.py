"""Loads any vision-language model that transformers knows natively, with its processor, card and rt2_config.json."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers import __version__ as transformers_version
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.policies.checkpoint import CheckpointError
from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.memory import OutOfMemoryError, available_bytes, check_memory, needed_bytes, no_room
from rt_vla_ros.policies.rt2.processor import CombinedProcessor, ComposedProcessor, Processor, ProcessorError

logger = logging.getLogger(__name__)
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")


@dataclass(frozen=True)
class RT2Parts:
    """A checkpoint, ready to be run."""

    model: PreTrainedModel
    processor: Processor
    config: RT2Config
    card: ActionCard


def load_rt2(
    directory: Path, *, device: torch.device, dtype: torch.dtype | None = None, trust_remote_code: bool = False
) -> RT2Parts:
    """Everything of a checkpoint's directory.

    dtype: None: bfloat16 on a GPU, float32 elsewhere. trust_remote_code: whether Python code that came with the
    checkpoint may be run.
    Raises CheckpointError, ProcessorError, RT2ConfigError, ActionCardError, OutOfMemoryError: all ValueErrors with a
    sentence.
    """
    dtype = dtype or default_dtype(device)
    check_model_type(directory, trust_remote_code=trust_remote_code)
    config, card = RT2Config.load(directory), ActionCard.load(directory)
    processor = load_processor(directory, trust_remote_code=trust_remote_code)
    model = load_model(directory, device=device, dtype=dtype, trust_remote_code=trust_remote_code)
    return RT2Parts(model, processor, config, card)


def default_dtype(device: torch.device) -> torch.dtype:
    """Half precision on a GPU, where memory bandwidth is what a pass costs."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def read_config(directory: Path) -> dict[str, Any]:
    """config.json of a checkpoint. Raises CheckpointError."""
    path = directory / "config.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{directory} is no checkpoint: it lacks config.json.") from error
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} holds a {type(data).__name__}, expected a JSON object.")
    return data


def check_model_type(directory: Path, *, trust_remote_code: bool) -> None:
    """Raises CheckpointError unless config.json names a vision-language model that can be run here."""
    data = read_config(directory)
    kind = str(data.get("model_type"))
    if kind not in CONFIG_MAPPING:
        if data.get("auto_map") and trust_remote_code:
            return
        if data.get("auto_map"):
            raise CheckpointError(
                f"{directory} is a model of the type {kind!r}, which needs Python code that came with it. "
                "That is not done unless you ask for it: read it, then say trust_remote_code=True (the default is no)."
            )
        raise CheckpointError(
            f"{directory} is a model of the type {kind!r}; transformers {transformers_version} has none."
        )
    if CONFIG_MAPPING[kind] not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise CheckpointError(
            f"{directory} is a model of the type {kind!r}, which takes no images and text together (transformers' "
            "AutoModelForImageTextToText does not know it). RT-2 needs a vision-language model such as PaliGemma, "
            "Qwen-VL or SmolVLM."
        )


def load_model(
    directory: Path, *, device: torch.device, dtype: torch.dtype, trust_remote_code: bool = False
) -> PreTrainedModel:
    """The model with all its weights. Raises CheckpointError and OutOfMemoryError."""
    check_memory(directory, device, dtype)
    try:
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            directory,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported below, by name
            trust_remote_code=trust_remote_code,
            local_files_only=True,
        )
        model: PreTrainedModel = loaded[0].to(device).eval()
    except torch.cuda.OutOfMemoryError as error:
        sentence = no_room(directory, device, needed_bytes(directory, dtype), available_bytes(device))
        raise OutOfMemoryError(sentence) from error
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"The weights in {directory} cannot be loaded: {_first_line(error)}") from error
    _check_complete(directory, model, loaded[1])
    return model


def load_processor(directory: Path, *, trust_remote_code: bool = False) -> Processor:
    """The checkpoint's own processor, or one composed of its parts. Raises ProcessorError."""
    if not any((directory / name).is_file() for name in PROCESSOR_FILES):
        raise ProcessorError(
            f"{directory} has no processor ({' or '.join(PROCESSOR_FILES)}): without it nobody knows how images are "
            "put before the model. Copy it from the model that yours was made from."
        )
    try:
        whole = AutoProcessor.from_pretrained(
            directory, trust_remote_code=trust_remote_code, local_files_only=True, backend="pil"
        )
        if getattr(whole, "image_processor", None) is not None and getattr(whole, "tokenizer", None) is not None:
            return CombinedProcessor(whole)
    except (ImportError, ValueError, OSError, TypeError, AttributeError) as error:
        logger.debug("The combined processor of %s is not used: %s", directory, _first_line(error))
    return _compose(directory)


def load_tokenizer(directory: Path) -> PreTrainedTokenizerBase:
    """The checkpoint's tokenizer. Raises ProcessorError."""
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    except (ImportError, ValueError, OSError, TypeError, KeyError) as error:
        raise ProcessorError(f"The tokenizer in {directory} cannot be loaded: {_first_line(error)}") from error
    return tokenizer


def context_length(config: PreTrainedConfig) -> int | None:
    """Longest text the model was made for [tokens], None where its configuration does not say."""
    length = getattr(config.get_text_config(), "max_position_embeddings", None)
    return int(length) if length else None


def _compose(directory: Path) -> ComposedProcessor:
    try:
        images = AutoImageProcessor.from_pretrained(directory, backend="pil", local_files_only=True)
    except (ImportError, ValueError, OSError, TypeError, KeyError) as error:
        raise ProcessorError(f"The image processor in {directory} cannot be loaded: {_first_line(error)}") from error
    path, template = directory / "processor_config.json", directory / "chat_template.jinja"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return ComposedProcessor(
        images,
        load_tokenizer(directory),
        image_tokens=settings.get("image_seq_len"),
        chat_template=template.read_text(encoding="utf-8") if template.is_file() else None,
    )


def _check_complete(directory: Path, model: PreTrainedModel, report: dict[str, Any]) -> None:
    missing = sorted(report.get("missing_keys") or ())
    if missing:
        raise CheckpointError(
            f"The weights in {directory} lack {some(missing)}; the model would act on random numbers."
        )
    mismatched = sorted(str(entry[0]) for entry in report.get("mismatched_keys") or ())
    if mismatched:
        raise CheckpointError(
            f"The weights in {directory} have other shapes than config.json says: {some(mismatched)}."
        )
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise CheckpointError(f"The weights in {directory} are damaged: {name} holds numbers that are not finite.")


def some(names: list[str]) -> str:
    """The first of many names, and how many more there are."""
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
