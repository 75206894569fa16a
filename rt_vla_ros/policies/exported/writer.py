"""Writes an exported policy: its graphs, verified against torch, its action card and its table of embeddings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

from rt_vla_ros import __version__
from rt_vla_ros.action_space.card import CARD_FILE
from rt_vla_ros.language.instruction_table import TABLE_FILE
from rt_vla_ros.policies.checkpoint.files import CONFIG_FILE, EXPORTED, RT1_ONNX, Tell
from rt_vla_ros.policies.checkpoint.resolve import REMOTE, RT1_FAMILIES, Checkpoint
from rt_vla_ros.policies.checkpoint.whole_folder import replace_folder
from rt_vla_ros.policies.exported.graph import OnnxGraph, providers
from rt_vla_ros.policies.exported.manifest import Manifest, sha256_of
from rt_vla_ros.policies.exported.quantization import ImageRecorder, Watch, quantized
from rt_vla_ros.policies.exported.rt1 import FRAME, INSTRUCTION, WINDOW, ExportedSteps
from rt_vla_ros.policies.exported.rt1_graphs import FrameGraph, InstructionGraph, WindowGraph
from rt_vla_ros.policies.exported.to_onnx import ExportError, GraphSource, check_installed, to_onnx
from rt_vla_ros.policies.rt1.checkpoint import MODEL_CARD_FILE, read_model, sentence_encoder
from rt_vla_ros.policies.rt1.fast.steps import fold_batch_norms
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.policies.rt1.policy import PlainSteps, RT1Policy

Graphs = dict[str, bytes]
WRITTEN_BY = ("torch", "onnx", "onnxscript", "onnxruntime")
TOLERANCE, PATCH = 1e-3, 16
"""Largest difference of a logit between onnxruntime and torch, relative to the largest logit; and the patch size of the
random test images [pixels]. Sentence vectors have norm 1, as an encoder's: longer ones amplify rounding."""


def check_exportable(checkpoint: Checkpoint) -> None:
    """Raises ExportError unless this is an RT-1 checkpoint on this machine."""
    if checkpoint.family == REMOTE:
        raise ExportError(f"{checkpoint.reference} is on a server: run `rt-vla export` there.")
    if checkpoint.family in EXPORTED:
        raise ExportError(f"{checkpoint.name} is already exported; use the original checkpoint.")
    if checkpoint.family not in RT1_FAMILIES:
        raise ExportError(
            f"{checkpoint.name} is a vision-language model ({checkpoint.family}); only RT-1 policies can be exported. "
            "A small machine can use an RT-2 with policy:=remote:HOST (rt-vla serve)."
        )


def check_place(directory: Path) -> None:
    """Raises ExportError if the directory exists or cannot be created."""
    if directory.is_dir() and not any(directory.iterdir()):
        return
    if directory.exists():
        raise ExportError(f"{directory} already exists; choose a new directory, or remove it first.")


def export_rt1(
    checkpoint: Checkpoint,
    directory: Path,
    original: str,
    *,
    opset: int,
    watch: Watch | None = None,
    tell: Tell,
) -> Manifest:
    """Writes the directory atomically. original: SHA-256 of the checkpoint's weights, empty for random ones.

    watch: runs the policy on calibration data, for int8; None: float32.
    tell: called with progress messages.
    Raises ExportError, CheckpointError, ActionCardError, OSError; ImportError for missing packages.
    """
    check_installed()
    check_exportable(checkpoint)
    check_place(directory)
    model, card = read_model(checkpoint)
    fold_batch_norms(model)
    graphs: Graphs = {}
    for name, source in sources(model).items():
        tell(f"exporting {name}")
        graphs[name] = to_onnx(name, source, opset)
    steps = exported_steps(model, graphs)
    tell("comparing with torch")
    check_same(model, steps)
    small: Graphs = {}
    if watch is not None:
        tell("calibrating for int8")
        recorder, encoder = ImageRecorder(), sentence_encoder(checkpoint, model.config, None)
        watch(RT1Policy(steps.recorded(recorder), card, name=checkpoint.name, encoder=encoder))
        small = quantized(graphs, recorder.chosen())

    def write(new: Path) -> None:
        card.save(new)
        for name, content in {**graphs, **small}.items():
            (new / f"{name}.onnx").write_bytes(content)
        for name in (TABLE_FILE, MODEL_CARD_FILE):
            if checkpoint.directory is not None and (checkpoint.directory / name).is_file():
                shutil.copyfile(checkpoint.directory / name, new / name)
        config = manifest(new).config(RT1_ONNX, model.config.to_diff_dict())
        (new / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    def manifest(place: Path) -> Manifest:
        hashes = {name: sha256_of(place / f"{name}.onnx") for name in graphs}
        versions = {"rt_vla_ros": __version__, **{name: metadata.version(name) for name in WRITTEN_BY}}
        card_hash, int8 = sha256_of(place / CARD_FILE), tuple(small)
        return Manifest(hashes, card_hash, original, checkpoint.name, opset, int8, versions)

    replace_folder(directory, write)
    return manifest(directory)


def sources(model: RT1Model) -> dict[str, GraphSource]:
    """The modules to export, with example inputs for two robots."""
    config, robots = model.config, 2
    words = torch.zeros(1, 2 * 32 - 1, dtype=torch.int64)
    instruction = words if config.language == "hashed_words" else torch.zeros(1, config.language_size)
    factors, _ = InstructionGraph(model)(instruction)
    frame = {
        "images": torch.zeros(robots, config.num_cameras, *config.input_size, 3, dtype=torch.uint8),
        "factors": factors.detach().repeat(robots, 1),
    }
    if config.state_size:
        frame["state"] = torch.zeros(robots, config.state_size)
    steps = config.time_sequence_length
    window = {
        "tokens": torch.zeros(robots, steps, config.num_observation_tokens, config.d_model),
        "steps": torch.full((robots,), steps),
    }
    if config.action_embedding == "previous":
        window["chosen"] = torch.zeros(robots, steps, config.num_action_tokens, dtype=torch.int64)
    return {
        INSTRUCTION: GraphSource(
            InstructionGraph(model), {"instruction": instruction}, ("factors", "silence"), several=False
        ),
        FRAME: GraphSource(FrameGraph(model), frame, ("tokens",)),
        WINDOW: GraphSource(WindowGraph(model), window, ("logits",)),
    }


def exported_steps(model: RT1Model, graphs: Mapping[str, bytes]) -> ExportedSteps:
    """The graphs in the form in which a policy runs them, on the CPU."""
    cpu = providers("cpu")
    return ExportedSteps(model.config, {name: OnnxGraph(content, name, cpu) for name, content in graphs.items()})


@torch.inference_mode()
def check_same(model: RT1Model, steps: ExportedSteps) -> None:
    """Raises ExportError if the graphs' logits on random images differ from torch's, in short and full windows."""
    config, rng = model.config, np.random.default_rng(0)
    plain = PlainSteps(model)
    features = torch.from_numpy(rng.standard_normal((1, config.language_size)).astype(np.float32))
    features = torch.nn.functional.normalize(features)
    if config.language == "hashed_words":
        features = torch.from_numpy(rng.integers(1, config.word_buckets, (1, 2 * 32 - 1)))
    for one in (plain, steps):
        one.begin(features)
    for number in range(config.time_sequence_length + 2):
        height, width = config.input_size
        patches = rng.integers(0, 256, (config.num_cameras, height // PATCH + 1, width // PATCH + 1, 3), dtype=np.uint8)
        images = torch.from_numpy(patches.repeat(PATCH, 1).repeat(PATCH, 2)[:, :height, :width].copy())
        state = torch.from_numpy(rng.uniform(-1, 1, (1, config.state_size)).astype(np.float32))
        expected, found = (one.step(images, state if config.state_size else None) for one in (plain, steps))
        difference = float((expected - found).abs().max() / expected.abs().max())
        if not difference <= TOLERANCE:
            raise ExportError(
                f"onnxruntime's output differs from torch's (step {number + 1}: {difference:.1%} of the largest logit, "
                f"expected at most {TOLERANCE:.1%}), so nothing was written."
            )
        for one in (plain, steps):
            one.chosen(expected.argmax(dim=-1))
