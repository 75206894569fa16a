"""Policies by name or path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.language.encoder import LanguageEncoder
from rt_vla_ros.language.instruction_table import TABLE_FILE
from rt_vla_ros.language.sources import find_encoder
from rt_vla_ros.policies.checkpoint.resolve import (
    UNTRAINED,
    UNTRAINED_RT2,
    UnknownPolicyError,
    find_or_download,
    is_on_hub,
    policy_names,
    statistics_key,
)
from rt_vla_ros.policies.checkpoint.rt1_files import load_checkpoint
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.fast.steps import FoldedSteps
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.policies.rt1.policy import RT1Policy
from rt_vla_ros.policies.rt2.loading.recognition import is_rt2
from rt_vla_ros.policies.tabletop_card import tabletop_card

__all__ = ["UNTRAINED", "UnknownPolicyError", "find_device", "load_policy", "policy_names"]

UNTRAINED_SEED = 0
FOLDED_TRUNK, TRUNK_OF_UNTRAINED = "film_efficientnet", RT1Config.preset("rt1-mini").trunk
RT1_WEIGHTS = {"auto": torch.float32, "float32": torch.float32, "bfloat16": torch.bfloat16}


def load_policy(
    name_or_path: str,
    *,
    device: str = "auto",
    decoding: str | None = None,
    language: str | None = None,
    weights: str = "auto",
    trust_remote_code: bool = False,
    cuda_graphs: bool = False,
    device_images: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Policy:
    """A shipped policy by its name, or one's own by the path of its directory or its name on the Hugging Face Hub.

    name_or_path: also DIRECTORY#KEY, see catalogue. device: "auto" (a GPU where there is one), "cpu", "cuda",
    "cuda:1" ... decoding: see RT1Policy; RT-2 has the most likely tokens only.
    language: path of the sentence encoder of a network that takes sentence vectors (language.sources); None: the table
    beside its weights.
    weights: how the weights are held: "auto", "float32", "bfloat16", and for RT-2 "int8" and "int4"; auto is bfloat16
    for RT-2 on a GPU, float32 for everything else.
    trust_remote_code: whether Python code that lies beside the weights may be run, for models that transformers lacks.
    cuda_graphs: whether a GPU replays CUDA graphs: of RT-2's passes (rt2.fixed_shapes) and of RT-1's step.
    device_images: whether RT-2's images are prepared on its device (rt2.device_images). Both are experimental.
    tell: gets a sentence now and then about how far loading is.
    Raises UnknownPolicyError, CheckpointError, ActionCardError, WeightsError: all ValueErrors with a sentence.
    """
    where = find_device(device)
    tell = tell or _say_nothing
    directory = find_or_download(name_or_path, tell)
    if name_or_path == UNTRAINED_RT2 or (directory is not None and is_rt2(directory)):
        _check_decoding(decoding)
        _check_language(name_or_path, language)
        options: dict[str, Any] = {"device": where, "weights": weights, "tell": tell}
        options |= {"trust_remote_code": trust_remote_code}
        options |= {"cuda_graphs": cuda_graphs, "device_images": device_images}
        return _rt2(name_or_path, directory, **options)
    number = _number(weights)
    if directory is None:
        _check_language(name_or_path, language)
        _check_trunk(name_or_path, TRUNK_OF_UNTRAINED, number)
        return _untrained(where, decoding)
    model, card = load_checkpoint(directory)
    _check_trunk(name_or_path, model.config.trunk, number)
    nn.Module.to(model, where)
    if model.config.language != "embedding":
        _check_language(name_or_path, language)
    encoder = _sentence_encoder(directory, language) if model.config.language == "embedding" else None
    steps = FoldedSteps(model, number, cuda_graphs=cuda_graphs) if model.config.trunk == FOLDED_TRUNK else None
    name = directory.resolve().name
    return RT1Policy(model, card, name=name, decoding=decoding, encoder=encoder, steps=steps)


def read_card(name_or_path: str) -> ActionCard:
    """The action card that a policy of this name will have, without its weights. Raises ValueErrors as load_policy."""
    directory = find_or_download(name_or_path)
    if directory is None:
        return tabletop_card(name_or_path)
    if not is_rt2(directory):
        return ActionCard.load(directory)
    from rt_vla_ros.policies.rt2.loading.open_checkpoint import read_card as read_rt2_card

    return read_rt2_card(directory, statistics_key(name_or_path))


def _sentence_encoder(directory: Path, language: str | None) -> LanguageEncoder | None:
    if language is not None:
        return find_encoder(Path(language).expanduser())
    table = directory / TABLE_FILE
    return find_encoder(table) if table.is_file() else None


def _check_language(name: str, language: str | None) -> None:
    if language is not None:
        raise ValueError(
            f"The policy {name!r} reads sentences itself; language (given: {language}) is for networks that take "
            "sentence vectors. Leave it out."
        )


def _number(weights: str) -> torch.dtype:
    if weights not in RT1_WEIGHTS:
        raise ValueError(f"RT-1 policies have no weights {weights!r}; they have {', '.join(RT1_WEIGHTS)}.")
    return RT1_WEIGHTS[weights]


def _check_trunk(name: str, trunk: str, number: torch.dtype) -> None:
    if trunk != FOLDED_TRUNK and number != torch.float32:
        raise ValueError(f"The weights of {name} are small and held in float32; say weights:=auto.")


def _check_decoding(decoding: str | None) -> None:
    if decoding not in (None, "argmax"):
        raise ValueError(f"RT-2 policies have no decoding {decoding!r}; they take the most likely tokens (argmax).")


def _rt2(name_or_path: str, directory: Path | None, **options: Any) -> Policy:
    # The vision-language models of transformers take seconds to import; who runs RT-1 shall not wait for them.
    from rt_vla_ros.policies.rt2.loading.open_checkpoint import open_checkpoint
    from rt_vla_ros.policies.rt2.tiny.untrained import untrained_policy

    if directory is None:
        given = {name: options[name] for name in ("weights", "cuda_graphs", "device_images")}
        return untrained_policy(UNTRAINED_RT2, options["device"], **given)
    options["unnorm_key"] = statistics_key(name_or_path)
    return open_checkpoint(directory, name=name_or_path if is_on_hub(name_or_path) else "", **options)


def _say_nothing(_sentence: str) -> None:
    return None


def find_device(name: str) -> torch.device:
    """Raises ValueError for a device that this machine or this torch does not have."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"There is no device {name!r}; say auto, cpu, cuda or cuda:N.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"The device {name!r} is not there: torch sees {torch.cuda.device_count()} GPUs. Say cpu or auto."
        )
    return device


def _untrained(device: torch.device, decoding: str | None) -> Policy:
    """Random weights, the same every time: moves the arm senselessly, but exercises everything around it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        model = RT1Model(RT1Config.preset("rt1-mini"))
    nn.Module.to(model, device)
    return RT1Policy(model, tabletop_card(UNTRAINED), name=UNTRAINED, decoding=decoding)
