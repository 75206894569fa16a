"""Loads vision-language models supported by transformers, with processor, card and rt2_config.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import transformers
from torch import Tensor, nn
from transformers import (
    AutoConfig,
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
from rt_vla_ros.json_file import read_object
from rt_vla_ros.network_size import no_larger_than
from rt_vla_ros.policies.checkpoint.errors import CheckpointError, first_line, some
from rt_vla_ros.policies.checkpoint.files import RT2_CONFIG_FILE, Tell, say_nothing
from rt_vla_ros.policies.checkpoint.relatives import check_surplus
from rt_vla_ros.policies.checkpoint.resolve import Checkpoint
from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.families import check_family
from rt_vla_ros.policies.rt2.inputs.processor import (
    CombinedProcessor,
    ComposedProcessor,
    Processor,
    ProcessorError,
    UnknownProcessorError,
)
from rt_vla_ros.policies.rt2.loading.lora import Adapter
from rt_vla_ros.policies.rt2.loading.memory import check_memory, needed_bytes, out_of_memory
from rt_vla_ros.policies.rt2.loading.progress import transformers_progress
from rt_vla_ros.policies.rt2.loading.quantization import (
    QUANTIZED,
    WeightsError,
    check_quantization,
    number_type,
    quantize,
)
from rt_vla_ros.policies.rt2.loading.remote_code import check_code, check_files, code_files, processor_code, refusal
from rt_vla_ros.policies.rt2.loading.weight_files import WeightFiles
from rt_vla_ros.policies.rt2.vla0.published import check_state
from rt_vla_ros.policies.rt2.vla0.views import views_of

Model = TypeVar("Model", bound=PreTrainedModel)
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
TOKENIZER_FILES = ("tokenizer.json", "*.model", "vocab.*", "tekken.json", "*.tiktoken")
"""Files of which a tokenizer has at least one."""

FAST_TOKEN = "<robot_action_0>"


@dataclass(frozen=True)
class RT2Parts:
    """A loaded checkpoint."""

    model: PreTrainedModel
    processor: Processor
    config: RT2Config
    card: ActionCard


def load_rt2(
    checkpoint: Checkpoint,
    *,
    device: torch.device,
    weights: str = "auto",
    trust_remote_code: bool = False,
    tell: Tell = say_nothing,
    config: RT2Config | None = None,
    card: ActionCard | None = None,
) -> RT2Parts:
    """Loads all parts of a checkpoint.

    weights: see quantization. trust_remote_code: whether Python code in the directory may be run. A LoRA
    adapter's configuration, card and processor take precedence over the model's. tell: called with progress messages.
    config, card: replace those on disk, which may then be missing.
    Raises CheckpointError, ProcessorError, RT2ConfigError, ActionCardError, WeightsError and OutOfMemoryError.
    """
    check_quantization(weights, device)
    directory = checkpoint.model_directory
    code = check_model_type(checkpoint, trust_remote_code=trust_remote_code)
    config = config or RT2Config.load(checkpoint.place_of(RT2_CONFIG_FILE))
    card = card or checkpoint.read_card()
    lora = Adapter.load(checkpoint.adapter) if checkpoint.adapter else None
    tell("reading the processor")
    check_state(config, card)
    processor = load_processor(
        checkpoint.place_of(*PROCESSOR_FILES), config, len(card.cameras), trust_remote_code=trust_remote_code
    )
    check_vocabulary(processor, config, directory)
    model = load_model(directory, device=device, weights=weights, code=code, adapter=lora, tell=tell)
    if code:
        check_family(model.config, type(model))
    if isinstance(processor, CombinedProcessor):
        processor.complete(model.config)
    return RT2Parts(model, processor, config, card)


def check_vocabulary(processor: Processor, config: RT2Config, directory: Path) -> None:
    """Raises CheckpointError if the model outputs actions in an unsupported vocabulary."""
    if config.vocabulary != "overwritten" and FAST_TOKEN in processor.tokenizer.get_vocab():
        raise CheckpointError(
            f"The tokenizer of {directory} has action tokens of FAST ({FAST_TOKEN} ...), as NORA's: they encode "
            "compressed action chunks, which are not supported. Run it with its own code."
        )


def check_model_type(checkpoint: Checkpoint, *, trust_remote_code: bool) -> str:
    """The auto class of a model in the checkpoint's own code; empty for a model that transformers supports.

    Raises CheckpointError unless config.json names a vision-language model that can be run here.
    """
    data, directory = checkpoint.config, checkpoint.model_directory
    kind, auto_map = str(data.get("model_type")), data.get("auto_map")
    if "model_type" not in data:
        raise CheckpointError(
            f"{directory / 'config.json'} lacks model_type, which identifies the model. Copy it again from the base "
            "model."
        )
    if kind not in CONFIG_MAPPING:
        if not isinstance(auto_map, dict) or not auto_map:
            raise CheckpointError(
                f"{directory} has the model_type {kind!r}, which transformers {transformers_version} does not know."
            )
        if not trust_remote_code:
            raise CheckpointError(refusal(f"{directory} has the model_type {kind!r}, which", code_files(auto_map)))
        return check_code(directory, auto_map)
    if CONFIG_MAPPING[kind] not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise CheckpointError(
            f"{directory} has the model_type {kind!r}, which does not take images and text (transformers' "
            "AutoModelForImageTextToText does not support it). RT-2 needs a vision-language model such as PaliGemma, "
            "Qwen-VL or SmolVLM."
        )
    try:
        config = AutoConfig.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # as for weights
        raise CheckpointError(f"{directory / 'config.json'} cannot be used: {first_line(error)}") from error
    model_class: Any = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING[type(config)]
    check_family(config, model_class)
    return ""


def load_model(
    directory: Path,
    *,
    device: torch.device,
    weights: str = "auto",
    code: str = "",
    adapter: Adapter | None = None,
    tell: Tell = say_nothing,
) -> PreTrainedModel:
    """The model with all its weights.

    code: auto class of the model in the directory's own code; empty: transformers' own model.
    Raises CheckpointError, WeightsError and OutOfMemoryError.
    """

    files = WeightFiles.find(directory)

    def build(number: torch.dtype, place: torch.device) -> PreTrainedModel:
        kind: Any = getattr(transformers, code) if code else AutoModelForImageTextToText
        with transformers_progress(tell), no_larger_than(files.shapes.values(), CheckpointError):
            loaded: Any = kind.from_pretrained(
                directory,
                dtype=number,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # reported below, by name
                trust_remote_code=bool(code),
                local_files_only=True,
            )
        model: PreTrainedModel = loaded[0].eval()
        nn.Module.to(model, place)
        check_complete(model, loaded[1])
        if adapter is not None:
            adapter.merge_into(model)
        return model

    return load_weights(files, build, device=device, weights=weights, tell=tell)


def load_weights(
    files: WeightFiles,
    build: Callable[[torch.dtype, torch.device], Model],
    *,
    device: torch.device,
    weights: str,
    tell: Tell,
) -> Model:
    """A model on its device with the weight format `weights`. build: creates it with a dtype, on a device.

    Raises CheckpointError, WeightsError and OutOfMemoryError.
    """
    check_memory(files, device, weights)
    number, quantized = number_type(weights, device), weights in QUANTIZED
    tell(f"reading the weights, {needed_bytes(files, number) / 1e9:.1f} GB")
    try:
        model = build(number, torch.device("cpu") if quantized else device)
        if quantized:
            tell(f"quantizing the weights to {weights}")
            quantize(model, weights, device)
    except torch.cuda.OutOfMemoryError as error:
        raise out_of_memory(files, device, weights, needed_bytes(files, number, weights)) from error
    except CheckpointError as error:
        raise CheckpointError(f"{files.directory}: {error}") from error
    except WeightsError:
        raise
    except Exception as error:  # damaged files make transformers and its readers raise anything
        raise CheckpointError(f"The weights in {files.directory} cannot be loaded: {first_line(error)}") from error
    return model


def load_processor(
    directory: Path, config: RT2Config | None = None, cameras: int = 1, *, trust_remote_code: bool = False
) -> Processor:
    """The checkpoint's own processor, or one composed of its parts.

    config: for its `views` of the images of `cameras` cameras, or None. Raises ProcessorError.
    """
    code = processor_code(directory)
    if not code:  # custom code may use other files
        _check_processor_files(directory)
    if config is not None and config.views != "processor":
        return _compose(directory, views_of(config, cameras), trust_remote_code=False)
    try:
        return _own_processor(directory, trust_remote_code=False)
    except ProcessorError as error:
        if not code and not trust_remote_code:
            raise
        if not trust_remote_code:
            raise ProcessorError(refusal(f"The processor of {directory}", code)) from error
    check_files(directory, code)
    return _own_processor(directory, trust_remote_code=True)


def _check_processor_files(directory: Path) -> None:
    paths = [path for path in (directory / name for name in PROCESSOR_FILES) if path.is_file()]
    settings = {path.name: read_object(path, ProcessorError) for path in paths}
    own, whole = PROCESSOR_FILES
    if own not in settings and "image_processor" not in settings.get(whole, {}):
        raise ProcessorError(
            f"{directory} has no image processor ({own}, or image_processor in {whole}): it defines how "
            "images are preprocessed. Copy it from the base model."
        )
    if not any(next(directory.glob(pattern), None) for pattern in TOKENIZER_FILES):
        raise ProcessorError(
            f"{directory} has no tokenizer ({', '.join(TOKENIZER_FILES)}). Copy all its files from the base model."
        )


def load_tokenizer(directory: Path, kind: Any = AutoTokenizer, **options: bool) -> PreTrainedTokenizerBase:
    """The checkpoint's tokenizer; kind: its class in transformers. Raises ProcessorError."""
    try:
        tokenizer: PreTrainedTokenizerBase = kind.from_pretrained(directory, local_files_only=True, **options)
    except Exception as error:  # as for weights
        raise ProcessorError(f"The tokenizer in {directory} cannot be loaded: {first_line(error)}") from error
    return tokenizer


def context_length(config: PreTrainedConfig) -> int | None:
    """Context length of the model [tokens], None if its configuration does not define it."""
    length = getattr(config.get_text_config(), "max_position_embeddings", None)
    return int(length) if length else None


def check_tokens(model: PreTrainedModel, tokens: Tensor) -> None:
    """Raises ProcessorError for prompt tokens (B, N) that the model does not have."""
    rows = getattr(model.get_input_embeddings(), "num_embeddings", None)
    # The image placeholder may be a token beyond the table.
    image = getattr(model.config, "image_token_id", getattr(model.config, "image_token_index", None))
    words = tokens[tokens != image] if image is not None else tokens
    if rows is not None and words.numel() and int(words.max()) >= rows:
        raise ProcessorError(
            f"The tokenizer uses the token {int(words.max())}, the model's embedding table has {rows} rows: they do "
            "not belong together."
        )


def _own_processor(directory: Path, *, trust_remote_code: bool) -> Processor:
    """The combined processor without torchvision, else one composed of its parts, else the one with torchvision."""
    try:
        return _combined(directory, trust_remote_code=trust_remote_code, backend="pil")
    except Exception:  # as for weights; processors for videos have no such backend
        pass
    try:
        return _compose(directory, trust_remote_code=trust_remote_code)
    except UnknownProcessorError as unknown:
        try:
            return _combined(directory, trust_remote_code=trust_remote_code)
        except Exception as error:
            raise ProcessorError(
                f"The combined processor in {directory} cannot be used ({first_line(error).rstrip('.')}), and {unknown}"
            ) from error


def _combined(directory: Path, **options: Any) -> CombinedProcessor:
    whole = AutoProcessor.from_pretrained(directory, local_files_only=True, **options)
    if getattr(whole, "image_processor", None) is None or getattr(whole, "tokenizer", None) is None:
        raise ProcessorError("transformers found none")
    return CombinedProcessor(whole)


def _compose(
    directory: Path, kind: Callable[..., ComposedProcessor] = ComposedProcessor, *, trust_remote_code: bool
) -> ComposedProcessor:
    try:
        images = AutoImageProcessor.from_pretrained(
            directory, backend="pil", local_files_only=True, trust_remote_code=trust_remote_code
        )
    except Exception as error:  # as for weights
        raise ProcessorError(f"The image processor in {directory} cannot be loaded: {first_line(error)}") from error
    path = directory / "processor_config.json"
    settings = read_object(path, ProcessorError) if path.is_file() else {}
    tokens = settings.get("image_seq_len", settings.get("image_seq_length"))
    patch, merged = settings.get("patch_size", 16), settings.get("spatial_merge_size", 1)
    for name, value in (("image_seq_len", tokens), ("patch_size", patch), ("spatial_merge_size", merged)):
        if value is not None and not isinstance(value, int):
            raise ProcessorError(f"{path}: {name} is {value!r}, expected a whole number.")
    return kind(
        images,
        load_tokenizer(directory, trust_remote_code=trust_remote_code),
        image_tokens=tokens,
        token_size=(patch or 16) * (merged or 1),
        chat_template=_chat_template(directory),
    )


def _chat_template(directory: Path) -> str | None:
    """The processor's own template, in the current or an older file format of transformers."""
    path, older = directory / "chat_template.jinja", directory / "chat_template.json"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    template = read_object(older, ProcessorError).get("chat_template") if older.is_file() else None
    return template if isinstance(template, str) else None


def check_complete(model: PreTrainedModel, report: dict[str, Any]) -> None:
    """Raises CheckpointError if weights are missing, unused or not finite. report: see check_names."""
    check_names(report)
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise CheckpointError(f"The weights are damaged: {name} contains numbers that are not finite.")


def check_names(report: Mapping[str, Any]) -> None:
    """Raises CheckpointError if weights and model do not match. report: the loading info of from_pretrained."""
    missing = sorted(report.get("missing_keys") or ())
    if missing:
        raise CheckpointError(f"The weights lack {some(missing)}; these would be random.")
    check_surplus(report.get("unexpected_keys") or ())
    mismatched = sorted(str(entry[0]) for entry in report.get("mismatched_keys") or ())
    if mismatched:
        raise CheckpointError(f"The shapes of these weights do not match config.json: {some(mismatched)}.")
