"""The base model of fine-tuning, from a directory, the Hub, or a small random one, and its trained parts."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from rt_vla_ros.action_space.card import CARD_FILE, ActionCard, ActionCardError
from rt_vla_ros.data.episode import card_differences
from rt_vla_ros.policies.checkpoint.errors import CheckpointError, UnknownPolicyError
from rt_vla_ros.policies.checkpoint.files import CONFIG_FILE, RT2_CONFIG_FILE, Tell, say_nothing
from rt_vla_ros.policies.checkpoint.resolve import Checkpoint, hub_name, resolve
from rt_vla_ros.policies.checkpoint.whole_folder import replace_folder
from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import least_used, placeholders
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts, check_model_type, load_rt2
from rt_vla_ros.policies.rt2.openvla.card import OpenVLASettings, checked_card, openvla_config
from rt_vla_ros.policies.rt2.openvla.checkpoint import load_openvla
from rt_vla_ros.policies.rt2.tiny.untrained import save_small_base
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.rt2.fine_tune_settings import ALL_LINEAR, SMALL, FineTuneSettings
from rt_vla_ros.training.settings import saving

SMALL_FOLDER = "base"
LANGUAGE = ("language_model", "text_model.", "lm_head")
"""Name parts of the weights of the language model; all others belong to the vision part."""
MOST_NAMED = 8
EXAMPLE = "HuggingFaceTB/SmolVLM2-256M-Video-Instruct"
SYSTEM_PARTS = ("horizon", "dimensions", "numbers", "largest")


@dataclass(frozen=True)
class BaseModel:
    """reference: a name that is valid elsewhere on this machine, for an adapter. checkpoint: the resolved one."""

    checkpoint: Checkpoint
    config: RT2Config
    card: ActionCard
    reference: str

    @property
    def is_openvla(self) -> bool:
        return self.checkpoint.family == "openvla"

    def fingerprint(self) -> str:
        """Identifies the weight files by names and sizes."""
        paths = sorted(self.checkpoint.model_directory.glob("*.safetensors"))
        return ", ".join(f"{path.name} {path.stat().st_size}" for path in paths)

    def load(self, device: torch.device, number: str, tell: Tell = say_nothing) -> RT2Parts:
        """Load all weights. number: "float32" or "bfloat16". Raises CheckpointError and others, see load_rt2."""
        load = load_openvla if self.is_openvla else load_rt2
        parts = load(self.checkpoint, device=device, weights=number, tell=tell, config=self.config, card=self.card)
        if self.config.vocabulary != "overwritten" or self.config.tokens:
            return parts
        tokens = least_used({}, parts.processor.tokenizer, self.card.bins, placeholders(parts.model.config))
        return replace(parts, config=replace(self.config, tokens=tokens))


def find_base(
    name: str, run: Path, data_card: ActionCard, settings: FineTuneSettings, tell: Tell = say_nothing
) -> BaseModel:
    """Resolve a base model without reading its weights. name: a directory, a name on the Hub, or SMALL.

    Raises CheckpointError, ActionCardError and RT2ConfigError, all ValueErrors with a sentence.
    """
    reference = name
    if name == SMALL:
        place = run / SMALL_FOLDER
        if not (place / CONFIG_FILE).is_file():
            with saving("The small base", run, "nothing yet"):
                replace_folder(place, save_small_base)
        name, reference = str(place), f"../{SMALL_FOLDER}"
    found = _resolved(name, tell)
    directory = _checked(found, name, settings)
    own = directory / CARD_FILE
    base_card = ActionCard.load(directory) if own.is_file() else None
    card = policy_card(data_card, base_card, settings.horizon, name)
    config = _config(found, card, settings.rt2)
    if name != str(run / SMALL_FOLDER):
        reference = hub_name(name) or str(directory.resolve())
    return BaseModel(found, config, _for_openvla(found, card, config) if found.family == "openvla" else card, reference)


def _resolved(name: str, tell: Tell) -> Checkpoint:
    """Raises UnknownPolicyError listing the available bases, and CheckpointError."""
    try:
        return resolve(name, tell)
    except UnknownPolicyError as error:
        if str(error).startswith("There is no policy"):
            raise UnknownPolicyError(_no_base(name)) from error
        raise


def _no_base(name: str) -> str:
    folder = Path(name).expanduser().absolute().parent
    there = sorted(one.parent.name for one in folder.glob(f"*/{CONFIG_FILE}")) if folder.is_dir() else []
    close = difflib.get_close_matches(Path(name).name, [SMALL, *there], n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    models = f"{folder} holds the models {', '.join(there[:MOST_NAMED])}" if there else f"there is no model in {folder}"
    return (
        f"There is no base model {name!r:.200}.{hint} {models[0].upper()}{models[1:]}; {SMALL!r} is a small random "
        f"one; on the Hugging Face Hub use OWNER/NAME, such as {EXAMPLE}."
    )


def _checked(found: Checkpoint, name: str, settings: FineTuneSettings) -> Path:
    """The directory of a model that supports this fine-tuning. Raises CheckpointError."""
    if found.directory is None or found.family not in ("rt2", "openvla", "vla0"):
        raise CheckpointError(
            f"{name!r} is not a vision-language model that can be fine-tuned; use a directory or a model on the "
            f"Hugging Face Hub, or {SMALL!r} for a small random one."
        )
    if found.family == "vla0":
        raise CheckpointError(
            f"{found.directory} is VLA-0 in its published format; convert it first: "
            f"rt-vla convert vla0 {name} --out DIR."
        )
    if found.adapter is not None:
        raise CheckpointError(
            f"{found.adapter} is a LoRA adapter, which cannot be fine-tuned further; use its base model."
        )
    if found.family == "openvla":
        if settings.method != "lora":
            raise CheckpointError("OpenVLA supports only LoRA fine-tuning: use --recipe openvla-lora.")
        if settings.merged:
            raise CheckpointError("OpenVLA adapters cannot be merged: leave merged at false.")
    else:
        check_model_type(found, trust_remote_code=False)
    return found.directory


def policy_card(data: ActionCard, base: ActionCard | None, horizon: int, name: str = "the base") -> ActionCard:
    """The policy's card: the base's if it has one, which must be equivalent to the data's, else the data's.

    horizon: of a chunk; 0: the card's. Raises ActionCardError, with all differences.
    """
    card = data
    if base is not None:
        # A dataset has single steps; horizon and use of chunks are properties of the policy.
        like = replace(data, horizon=base.horizon, execute_steps=base.execute_steps, ensemble=base.ensemble)
        if differences := card_differences(base, like):
            raise ActionCardError(
                f"The action card of the robot data differs from that of {name} ({differences}); actions would change "
                "their meaning. Use data with the same card, or a base without actions."
            )
        card = replace(base, name=data.name, notes=data.notes)
    return card.with_horizon(horizon or card.horizon)


def _config(found: Checkpoint, card: ActionCard, changes: Mapping[str, Any]) -> RT2Config:
    """The base's configuration, or the paper's, with changes from the settings."""
    directory = found.model_directory
    if found.family == "openvla":
        config = openvla_config(found)
    elif (directory / RT2_CONFIG_FILE).is_file():
        config = RT2Config.load(directory)
    else:
        config = RT2Config("integers")
    given = dict(changes)
    if given.get("vocabulary") == "overwritten" and not given.get("tokens"):
        return _unfilled(config, given)
    changed = RT2Config.from_dict({**vars(config), **given})
    return replace(changed, system=filled(changed.system, card)) if changed.system else changed


def _unfilled(config: RT2Config, changes: Mapping[str, Any]) -> RT2Config:
    """For tokens chosen from the tokenizer."""
    changed = RT2Config.from_dict({**vars(config), **changes, "tokens": [0]})
    object.__setattr__(changed, "tokens", ())
    return changed


def filled(system: str, card: ActionCard) -> str:
    """A system prompt with the card's numbers in place of {horizon}, {dimensions}, {numbers} and {largest}."""
    dimensions = len(card.dimensions)
    values = (card.horizon, dimensions, card.horizon * dimensions, card.bins - 1)
    for name, value in zip(SYSTEM_PARTS, values, strict=True):
        system = system.replace(f"{{{name}}}", str(value))
    return system


def _for_openvla(found: Checkpoint, card: ActionCard, config: RT2Config) -> ActionCard:
    """OpenVLA encodes bins between edges, one step at a time. Raises ActionCardError for an unsupported card."""
    bins, horizon = OpenVLASettings.make(found.config, found.model_directory).bins, config.horizon or 1
    like = replace(card.with_horizon(horizon), bins=bins, quantization="centers")
    return checked_card(like, "The robot data", bins, horizon)


def choose_trained(model: PreTrainedModel, settings: FineTuneSettings) -> nn.Module:
    """Mark the trained weights, with LoRA those of the new adapter. Raises TrainingError if there are none."""
    if settings.method == "lora":
        return _with_adapter(model, settings)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(_is_trained(name, settings.freeze))
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise TrainingError(f"With freeze {settings.freeze!r}, no weights of this model are trained.")
    return model


def _is_trained(name: str, freeze: str) -> bool:
    reads_words = any(part in name for part in LANGUAGE)
    return not freeze or reads_words == (freeze == "vision")


def lora_targets(model: PreTrainedModel, settings: FineTuneSettings) -> list[str]:
    """Names of the layers that get an adapter. Raises TrainingError for unknown names."""
    head = model.get_output_embeddings()
    linear = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not head and _is_trained(name, settings.freeze)
    ]
    wanted = [name.strip() for name in settings.lora_targets.split(",") if name.strip()]
    if wanted == [ALL_LINEAR]:
        return linear
    unknown = [one for one in wanted if not any(f".{name}".endswith(f".{one}") for name in linear)]
    if unknown or not wanted:
        there = sorted({name.rsplit(".", 1)[-1] for name in linear if not name.rsplit(".", 1)[-1].isdigit()})
        raise TrainingError(
            f"lora_targets names {', '.join(unknown) or 'nothing'}; available linear layers: {', '.join(there)}, or "
            f"{ALL_LINEAR}."
        )
    return [name for name in linear if any(f".{name}".endswith(f".{one}") for one in wanted)]


def _with_adapter(model: PreTrainedModel, settings: FineTuneSettings) -> nn.Module:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise TrainingError(f"LoRA needs peft ({error}): pip install 'rt_vla_ros[train]'.") from error
    torch.manual_seed(settings.seed)
    adapter = LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,  # type: ignore[arg-type]
        lora_dropout=settings.lora_dropout,
        target_modules=lora_targets(model, settings),
    )
    adapted: nn.Module = get_peft_model(model, adapter)
    return adapted
