"""Writes a trained model as a policy: a directory for load_policy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

from rt_vla_ros.policies.checkpoint.files import CONFIG_FILE
from rt_vla_ros.policies.checkpoint.whole_folder import replace_folder
from rt_vla_ros.policies.rt2.configuration import RT2Config, plan_config
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts
from rt_vla_ros.policies.rt2.vla0.conversion import SETTINGS
from rt_vla_ros.training.rt2.base_model import BaseModel
from rt_vla_ros.training.rt2.fine_tune_settings import FineTuneSettings

PREFIX, LORA = "base_model.model.", "lora_"
MODEL_CARD, DATA_CARD = "README.md", "DATA_CARD.md"


def whole_weights(model: nn.Module) -> dict[str, Tensor]:
    """All weights of a model on the CPU, also if sharded; all processes must call it. Empty but in the main process."""
    found: dict[str, Any] = get_model_state_dict(
        model, options=StateDictOptions(full_state_dict=True, cpu_offload=True)
    )
    return found


def publish(
    directory: Path,
    model: nn.Module,
    weights: dict[str, Tensor],
    base: BaseModel,
    parts: RT2Parts,
    config: RT2Config,
    texts: Mapping[str, str],
    *,
    half: bool = False,
    merged: bool = False,
) -> None:
    """Write atomically. model: unwrapped. weights: of `whole_weights`.

    config: of the policy. texts: model card and data card. half: whether a full model is written in bfloat16.
    merged: whether an adapter is merged into its model. Raises OSError and SafetensorError.
    """
    whole: Any = model
    adapter = hasattr(model, "peft_config") and not merged
    if hasattr(model, "peft_config") and merged:
        weights, whole = with_adapter(weights, whole.peft_config["default"]), whole.get_base_model()
    if half and not adapter:
        weights = {n: w.to(torch.bfloat16) if w.is_floating_point() else w for n, w in weights.items()}

    def write(new: Path) -> None:
        if adapter:
            for one in whole.peft_config.values():
                one.base_model_name_or_path, one.inference_mode = base.reference, True
        # The embeddings are the base's; peft would query the Hub to find out.
        alone = {"save_embedding_layers": False} if adapter else {}
        whole.save_pretrained(new, state_dict=weights, **alone)
        if not adapter:
            _copy_settings(base.checkpoint.model_directory, new)
            if half:
                _say_half(new)
        config.save(new)
        parts.card.save(new)
        for name, text in texts.items():
            (new / name).write_text(text, encoding="utf-8")

    replace_folder(directory, write)


def with_adapter(weights: Mapping[str, Tensor], adapter: Any) -> dict[str, Tensor]:
    """Merge a plain LoRA adapter: peft's weight names become the model's own, with the adapter added."""
    found: dict[str, Tensor] = {}
    for name, weight in weights.items():
        if LORA not in name:
            layer = name.removeprefix(PREFIX).replace(".base_layer.", ".")
            found[layer] = weight
    for name, a in weights.items():
        if f"{LORA}A." in name:
            layer = name.removeprefix(PREFIX).split(f".{LORA}A.")[0]
            change = adapter.lora_alpha / adapter.r * (weights[name.replace("lora_A", "lora_B")].float() @ a.float())
            target = found[f"{layer}.weight"]
            found[f"{layer}.weight"] = (target.float() + change).to(target.dtype)
    return found


def policy_config(config: RT2Config, settings: FineTuneSettings, longest_plan: int) -> RT2Config:
    """Configuration of the trained policy: plans always, or on request if it was trained on plans up to this length."""
    if settings.plan_tokens:
        return plan_config(config, settings.plan_tokens)
    learned = settings.plan_share > 0 and not config.plan_tokens
    return replace(config, plan_on_request=longest_plan) if learned else config


def _copy_settings(source: Path, target: Path) -> None:
    """Copy tokenizer, processor, chat template and end tokens of the base unchanged."""
    for path in (path for pattern in SETTINGS for path in source.glob(pattern)):
        shutil.copyfile(path, target / path.name)


def _say_half(directory: Path) -> None:
    path = directory / CONFIG_FILE
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "dtype": "bfloat16"}, indent=2) + "\n", encoding="utf-8")
