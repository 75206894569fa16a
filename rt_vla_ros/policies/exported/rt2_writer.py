"""Exports an RT-2: two graphs, verified against torch, its token tables, and the original's processor."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor
from transformers import PreTrainedModel

from rt_vla_ros.model_folder import CONFIG, OTHERS, SETTINGS, TOKENIZER, VOCABULARIES
from rt_vla_ros.observations.robot_state import middle_state
from rt_vla_ros.policies.checkpoint.files import RT2_AOT, RT2_CONFIG_FILE, RT2_ONNX, Tell
from rt_vla_ros.policies.checkpoint.resolve import Checkpoint
from rt_vla_ros.policies.exported.engines import Engine
from rt_vla_ros.policies.exported.graph_source import ExportError
from rt_vla_ros.policies.exported.manifest import Manifest
from rt_vla_ros.policies.exported.rt2 import BASE, GENERATION_FILE, TABLES_FILE
from rt_vla_ros.policies.exported.rt2_graphs import rt2_sources, sample_pass
from rt_vla_ros.policies.exported.rt2_model import exported_model, tables_of
from rt_vla_ros.policies.exported.writer import (
    PATCH,
    ExportedFolder,
    Graphs,
    check_difference,
    check_exportable,
    write_exported,
)
from rt_vla_ros.policies.rt1.checkpoint import MODEL_CARD_FILE
from rt_vla_ros.policies.rt2.configuration import plan_config, question_prompt, robot_prompt
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import placeholders
from rt_vla_ros.policies.rt2.decoding.session import DecodingSession
from rt_vla_ros.policies.rt2.inputs.processor import Inputs
from rt_vla_ros.policies.rt2.loading.parts import PROCESSOR_FILES, RT2Parts, load_rt2
from rt_vla_ros.policies.rt2.prompting import rendered, state_words

EXPORTABLE = {
    "fast_vlm": "FastVLM (rt2-mini)",
    "internvl": "InternVL",
    "llava": "LLaVA",
    "paligemma": "PaliGemma",
    "smolvlm": "SmolVLM",
}
"""Families by model_type whose exports are tested."""
INSTRUCTION, QUESTION = "pick up the red cube", "what does the gripper hold?"


def export_rt2(checkpoint: Checkpoint, directory: Path, original: str, *, engine: Engine, tell: Tell) -> Manifest:
    """Writes the directory atomically. original: SHA-256 of the checkpoint's weights. engine: that compiles the graphs.
    tell: called with progress.

    Raises ExportError, CheckpointError, ProcessorError, ActionCardError, OSError; ImportError for missing packages.
    """
    check_exportable(checkpoint, directory, engine)
    kind = checkpoint.config.get("model_type")
    if checkpoint.family != "rt2" or kind not in EXPORTABLE:
        raise ExportError(
            f"{checkpoint.name} is a vision-language model of the type {kind or checkpoint.family}; RT-1 policies and "
            f"{', '.join(EXPORTABLE.values())} can be exported. A small machine can use it with policy:=remote:HOST "
            "(rt-vla serve)."
        )
    parts = load_rt2(checkpoint, device=torch.device("cpu"), tell=tell)
    try:
        tables = tables_of(parts.model)
    except ValueError as error:
        raise ExportError(f"{checkpoint.name} cannot be exported: {error}.") from error
    prompts = sample_prompts(parts)
    graphs: Graphs = {}
    modules = rt2_sources(parts.model, sample_pass(parts.model, prompts[0]))
    signatures = {name: source.signature for name, source in modules.items()}
    for name, source in modules.items():
        tell(f"exporting {name}")
        graphs[name] = engine.compiled(name, source)
    tell("comparing with torch")
    sessions = {name: engine.opened(one, name, signatures[name]) for name, one in graphs.items()}
    check_same_logits(parts.model, exported_model(parts.model.config, tables, sessions), prompts)

    def write(new: Path) -> list[str]:
        safetensors.torch.save_file(tables, new / TABLES_FILE)
        parts.config.save(new)
        described = checkpoint.place_of(MODEL_CARD_FILE) / MODEL_CARD_FILE
        if described.is_file():
            shutil.copyfile(described, new / MODEL_CARD_FILE)
        return [TABLES_FILE, RT2_CONFIG_FILE, *copy_base(checkpoint, new)]

    network, family = {"model_type": kind}, RT2_AOT if engine.target else RT2_ONNX
    folder = ExportedFolder(
        family, network, parts.card, graphs, engine, signatures, original, checkpoint.name, write=write
    )
    return write_exported(directory, folder)


def copy_base(checkpoint: Checkpoint, new: Path) -> list[str]:
    """Copies the configuration, the processor and the tokenizer; returns the paths of the files in the directory."""
    model, processor = checkpoint.model_directory, checkpoint.place_of(*PROCESSOR_FILES)
    (new / BASE).mkdir()
    own = (CONFIG, GENERATION_FILE)
    others = [name for name in (*SETTINGS, TOKENIZER, *OTHERS, *VOCABULARIES) if name not in own and "/" not in name]
    found = {path for name in own for path in model.glob(name)}
    found |= {path for name in others for path in processor.glob(name)}
    for path in found:
        shutil.copyfile(path, new / BASE / path.name)
    return [f"{BASE}/{path.name}" for path in found]


def sample_prompts(parts: RT2Parts) -> list[Inputs]:
    """An instruction, one with a plan if the model can plan, and a question, each with other images."""
    config, card = parts.config, parts.card
    planned = plan_config(config, config.plan_on_request) if config.plans else config
    state = state_words(config, card, middle_state(card.state))
    texts = [robot_prompt(config, INSTRUCTION, state), robot_prompt(planned, INSTRUCTION, state)]
    texts.append(question_prompt(config, QUESTION))
    control, cameras = placeholders(parts.model.config), len(card.cameras)
    rng, prompts = np.random.default_rng(0), []
    for text in texts:
        images = [_patches(rng, camera.height, camera.width) for camera in card.cameras]
        prompts.append(parts.processor.inputs(images, rendered(parts.processor, config, text, cameras, control)))
    return prompts


@torch.inference_mode()
def check_same_logits(model: PreTrainedModel, exported: PreTrainedModel, prompts: Sequence[Inputs]) -> None:
    """Raises ExportError if logits after prompts and after further tokens, of which some are rolled back, differ."""
    images = placeholders(model.config)
    for number, prompt in enumerate(prompts):
        written = [token for token in prompt["input_ids"][0].tolist() if token not in images][-4:]
        expected, other = (_logits(DecodingSession(one, prompt), written) for one in (model, exported))
        check_difference(float((expected - other).abs().max() / expected.abs().max()), f"prompt {number + 1}")


def _logits(session: DecodingSession, tokens: Sequence[int]) -> Tensor:
    first = session.prompt(tokens[:3], logits=True)
    session.forget(2)
    second = session.more(tokens[3:], logits=True)
    session.forget(0)
    return torch.cat([first, second, session.more(tokens, logits=True)]).float()


def _patches(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    patches = rng.integers(0, 256, (height // PATCH + 1, width // PATCH + 1, 3), dtype=np.uint8)
    return patches.repeat(PATCH, 0).repeat(PATCH, 1)[:height, :width].copy()
