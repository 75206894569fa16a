"""Check the files of a checkpoint against each other and this machine; reads the names and shapes of weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import transformers
from transformers import AutoModelForImageTextToText

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.cli.doctor.finding import Finding
from rt_vla_ros.language.instruction_table import TABLE_FILE
from rt_vla_ros.language.onnx_sentences import INSTALL
from rt_vla_ros.network_size import no_larger_than
from rt_vla_ros.policies.checkpoint.errors import CheckpointError, LanguageNotUsedError, first_line
from rt_vla_ros.policies.checkpoint.files import EXPORTED, RT2_CONFIG_FILE, say_nothing
from rt_vla_ros.policies.checkpoint.resolve import ENGINE, Checkpoint
from rt_vla_ros.policies.engine.description import EngineConfig
from rt_vla_ros.policies.engine.policy import check_supported
from rt_vla_ros.policies.load import find_device, load_policy
from rt_vla_ros.policies.rt1.checkpoint import RT1_WEIGHTS, check_card, empty_model
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt2.configuration import RT2Config, RT2ConfigError
from rt_vla_ros.policies.rt2.loading.lora import Adapter
from rt_vla_ros.policies.rt2.loading.memory import available_bytes, check_memory, needed_bytes
from rt_vla_ros.policies.rt2.loading.parts import (
    PROCESSOR_FILES,
    check_model_type,
    check_names,
    check_vocabulary,
    load_processor,
)
from rt_vla_ros.policies.rt2.loading.progress import transformers_progress
from rt_vla_ros.policies.rt2.loading.quantization import check_quantization, number_type
from rt_vla_ros.policies.rt2.loading.weight_files import WeightFiles
from rt_vla_ros.policies.rt2.openvla.card import openvla_config
from rt_vla_ros.policies.rt2.openvla.checkpoint import check_shapes
from rt_vla_ros.policies.rt2.vla0.checkpoint import base_directory, smol_config
from rt_vla_ros.policies.rt2.vla0.published import check_state, published

GIGABYTE = 1e9
Step = Callable[[], str | None]


def look_at_weights(checkpoint: Checkpoint, card: ActionCard | None, options: Mapping[str, Any]) -> Iterator[Finding]:
    """options: of the policy node. Runs each step of loading that does not need the weights, and reports its result."""
    steps: tuple[Step, ...] = (lambda: _exported(checkpoint, options),)
    if checkpoint.family == ENGINE:
        steps = (lambda: _engine(checkpoint, card),)
    elif checkpoint.family not in EXPORTED:
        make_steps = _rt1_steps if checkpoint.family == "rt1" else _rt2_steps
        steps = (*make_steps(checkpoint, card, options), lambda: _memory(checkpoint, options))
    said = set[str]()
    for step in steps:
        try:
            sentence, fine = step(), True
        except (ValueError, OSError, ImportError) as error:
            sentence, fine = str(error), False
        except Exception as error:  # strangers' files make torch and transformers raise anything
            sentence, fine = f"{checkpoint.name} cannot be loaded: {first_line(error)}", False
        if sentence is not None and sentence not in said:  # several steps read the same files
            said.add(sentence)
            yield Finding(fine, sentence)


def _exported(checkpoint: Checkpoint, options: Mapping[str, Any]) -> str:
    """Load it entirely: it is small."""
    given = {name: options.get(name, "auto") for name in ("device", "weights")}
    trusted = bool(options.get("trust_remote_code"))
    load_policy(checkpoint, **given, language=options.get("language") or None, trust_remote_code=trusted)
    return f"The graphs of {checkpoint.name} and its card are unchanged since the export and can be loaded."


def _engine(checkpoint: Checkpoint, card: ActionCard | None) -> str:
    """The description of a model that runs elsewhere."""
    engine, config = EngineConfig.load(checkpoint.model_directory), RT2Config.load(checkpoint.model_directory)
    if card is not None:
        check_supported(config, card)
    return f"Its model {engine.model!r} runs at {engine.place} ({engine.engine}), which was not contacted."


def _rt1_steps(checkpoint: Checkpoint, card: ActionCard | None, options: Mapping[str, Any]) -> tuple[Step, ...]:
    def weights() -> None:
        kind = options.get("weights", "auto")
        if kind not in RT1_WEIGHTS:
            raise ValueError(f"RT-1 policies have no weight format {kind!r}; available: {', '.join(RT1_WEIGHTS)}.")

    return (
        weights,
        lambda: _silent(empty_model, checkpoint),
        lambda: _check_rt1_card(checkpoint, card),
        lambda: _check_language(checkpoint, options.get("language") or ""),
    )


def _check_rt1_card(checkpoint: Checkpoint, card: ActionCard | None) -> None:
    if card is not None:
        check_card(card, RT1Config.from_dict(dict(checkpoint.config)), checkpoint.model_directory)


def _check_language(checkpoint: Checkpoint, language: str) -> str | None:
    reads_sentences = checkpoint.config.get("language") != "embedding"
    if reads_sentences and language:
        raise LanguageNotUsedError(checkpoint.name, language)
    path = Path(language).expanduser() if language else checkpoint.model_directory / TABLE_FILE
    if not reads_sentences and not path.exists():
        raise CheckpointError(
            f"{checkpoint.name} needs sentence embeddings, but {path} does not exist: set an encoder or table with the "
            "parameter 'language', or make one with `rt-vla embed`."
        )
    if path.suffix == ".onnx" and find_spec("onnxruntime") is None:
        raise ImportError(INSTALL)
    return None if reads_sentences else f"Sentence embeddings come from {path}."


def _rt2_steps(checkpoint: Checkpoint, card: ActionCard | None, options: Mapping[str, Any]) -> tuple[Step, ...]:
    trusted = bool(options.get("trust_remote_code"))

    def language() -> None:
        if options.get("language"):
            raise LanguageNotUsedError(checkpoint.name, options["language"])

    def adapter() -> None:
        if checkpoint.adapter is not None:
            Adapter.load(checkpoint.adapter)

    common: tuple[Step, ...] = (language, adapter, lambda: _quantization(options))
    if checkpoint.family == "openvla":
        return (
            lambda: _silent(openvla_config, checkpoint),
            *common,
            lambda: check_shapes(checkpoint.model_directory, dict(checkpoint.config)),
        )
    if checkpoint.family == "vla0":
        return (*common, lambda: _check_vla0(checkpoint))
    return (
        lambda: _silent(RT2Config.load, checkpoint.place_of(RT2_CONFIG_FILE)),
        *common,
        lambda: _compare_rt2(checkpoint, trusted),
        lambda: _check_processor(checkpoint, card, trusted),
    )


def _check_vla0(checkpoint: Checkpoint) -> str | None:
    """A published folder's weights against its model, and the processor; VLA-0-Smol's is in another directory."""
    directory, found = checkpoint.model_directory, published(checkpoint)
    place = directory if found.base is None else base_directory(found.base, directory)
    load_processor(place, found.config, len(found.card.cameras))
    if found.base is None:
        return _compare_rt2(checkpoint, trusted=False)
    smol_config(place, WeightFiles.find(directory))
    return None


def _silent(check: Callable[..., object], *arguments: object) -> None:
    check(*arguments)


def _quantization(options: Mapping[str, Any]) -> None:
    check_quantization(options.get("weights", "auto"), find_device(options.get("device", "auto")))


def _compare_rt2(checkpoint: Checkpoint, trusted: bool) -> str | None:
    """The weights' names and shapes against the model that config.json describes; no weight is read."""
    directory = checkpoint.model_directory
    code = check_model_type(checkpoint, trust_remote_code=trusted)
    shapes = WeightFiles.find(directory).shapes
    if code:
        return f"{directory} has custom code ({code}), which would be run; its weights are not checked."
    if find_spec("accelerate") is None:
        return (
            "The weights' shapes are not checked against config.json: that needs accelerate (pip install accelerate)."
        )
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        with transformers_progress(say_nothing), no_larger_than(shapes.values(), CheckpointError):
            loaded: Any = AutoModelForImageTextToText.from_pretrained(
                directory,
                device_map="meta",
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                local_files_only=True,
            )
    except CheckpointError:
        raise
    except Exception as error:  # damaged files make transformers and what it reads them with raise anything
        raise CheckpointError(f"The weights in {directory} cannot be loaded: {first_line(error)}") from error
    finally:
        transformers.logging.set_verbosity(before)
    check_names(loaded[1])
    return None


def _check_processor(checkpoint: Checkpoint, card: ActionCard | None, trusted: bool) -> None:
    place = checkpoint.place_of(*PROCESSOR_FILES)
    try:
        config = RT2Config.load(checkpoint.place_of(RT2_CONFIG_FILE))
    except RT2ConfigError:  # is said already; its own files are looked at all the same
        if not trusted:
            load_processor(place)
        raise
    if card is not None:
        check_state(config, card)
    if trusted:  # code that may be run is not run here
        return
    processor = load_processor(place, config, len(card.cameras) if card else 1)
    check_vocabulary(processor, config, checkpoint.model_directory)


def _memory(checkpoint: Checkpoint, options: Mapping[str, Any]) -> str:
    device = find_device(options.get("device", "auto"))
    weights = options.get("weights", "auto")
    if checkpoint.family == "rt1" and weights == "auto":
        weights = "float32"
    files = WeightFiles.find(checkpoint.model_directory)
    check_memory(files, device, weights)
    needed, free = needed_bytes(files, number_type(weights, device), weights), available_bytes(device)
    there = "" if free is None else f", {free / GIGABYTE:.1f} GB free"
    return f"{len(files.shapes)} weights are complete; they need about {needed / GIGABYTE:.2g} GB on {device}{there}."
