"""Exports an RT-1: three graphs, verified against torch, and its table of sentence embeddings."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch

from rt_vla_ros.language.instruction_table import TABLE_FILE
from rt_vla_ros.policies.checkpoint.files import RT1_AOT, RT1_ONNX, Tell
from rt_vla_ros.policies.checkpoint.resolve import Checkpoint
from rt_vla_ros.policies.exported.engines import Engine
from rt_vla_ros.policies.exported.graph_source import GraphSource, robots_axes
from rt_vla_ros.policies.exported.manifest import Manifest
from rt_vla_ros.policies.exported.quantization import ImageRecorder, Watch, quantized
from rt_vla_ros.policies.exported.rt1 import FRAME, INSTRUCTION, WINDOW, ExportedSteps
from rt_vla_ros.policies.exported.rt1_graphs import FrameGraph, InstructionGraph, WindowGraph
from rt_vla_ros.policies.exported.writer import (
    PATCH,
    ExportedFolder,
    Graphs,
    check_difference,
    check_exportable,
    write_exported,
)
from rt_vla_ros.policies.rt1.checkpoint import MODEL_CARD_FILE, read_model, sentence_encoder
from rt_vla_ros.policies.rt1.fast.steps import fold_batch_norms
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.policies.rt1.policy import PlainSteps, RT1Policy


def export_rt1(
    checkpoint: Checkpoint,
    directory: Path,
    original: str,
    *,
    engine: Engine,
    watch: Watch | None = None,
    tell: Tell,
) -> Manifest:
    """Writes the directory atomically. original: SHA-256 of the checkpoint's weights, empty for random ones.

    engine: that compiles the graphs. watch: runs the policy on calibration data, for int8 in ONNX; None: float32.
    tell: called with progress messages.
    Raises ExportError, CheckpointError, ActionCardError, OSError; ImportError for missing packages.
    """
    check_exportable(checkpoint, directory, engine)
    model, card = read_model(checkpoint)
    fold_batch_norms(model)
    graphs: Graphs = {}
    modules = sources(model)
    signatures = {name: source.signature for name, source in modules.items()}
    for name, source in modules.items():
        tell(f"exporting {name}")
        graphs[name] = engine.compiled(name, source)
    steps = ExportedSteps(
        model.config, {name: engine.opened(content, name, signatures[name]) for name, content in graphs.items()}
    )
    tell("comparing with torch")
    check_same(model, steps)
    small: Graphs = {}
    if watch is not None:
        tell("calibrating for int8")
        recorder, encoder = ImageRecorder(), sentence_encoder(checkpoint, model.config, None)
        watch(RT1Policy(steps.recorded(recorder), card, name=checkpoint.name, encoder=encoder))
        small = quantized(graphs, recorder.chosen())

    def write(new: Path) -> list[str]:
        for name in (TABLE_FILE, MODEL_CARD_FILE):
            if checkpoint.directory is not None and (checkpoint.directory / name).is_file():
                shutil.copyfile(checkpoint.directory / name, new / name)
        return []  # the table can be extended

    graphs |= small
    network, kind = model.config.to_diff_dict(), RT1_AOT if engine.target else RT1_ONNX
    folder = ExportedFolder(
        kind, network, card, graphs, engine, signatures, original, checkpoint.name, int8=tuple(small), write=write
    )
    return write_exported(directory, folder)


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
        INSTRUCTION: GraphSource(InstructionGraph(model), {"instruction": instruction}, ("factors", "silence")),
        FRAME: GraphSource(FrameGraph(model), frame, ("tokens",), robots_axes(frame)),
        WINDOW: GraphSource(WindowGraph(model), window, ("logits",), robots_axes(window)),
    }


@torch.inference_mode()
def check_same(model: RT1Model, steps: ExportedSteps) -> None:
    """Raises ExportError if the graphs' logits on random images differ from torch's, in short and full windows.

    Sentence vectors have norm 1, as an encoder's: longer ones amplify rounding.
    """
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
        check_difference(difference, f"step {number + 1}")
        for one in (plain, steps):
            one.chosen(expected.argmax(dim=-1))
