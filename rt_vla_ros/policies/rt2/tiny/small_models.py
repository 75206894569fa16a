"""Vision-language models of any size with random weights: for rt2-untrained, for benchmarks and for tests."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForImageTextToText, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from rt_vla_ros.policies.rt2.inputs.processor import token_id

FAMILIES = ("paligemma", "qwen2_vl", "qwen2_5_vl", "smolvlm")
QWEN_TOKENS = {"vision_start": "<|vision_start|>", "image_token": "<|image_pad|>", "vision_end": "<|vision_end|>"}
SPECIAL = {
    "paligemma": {"image_token": "<image>"},
    "qwen2_vl": QWEN_TOKENS,
    "qwen2_5_vl": QWEN_TOKENS,
    "smolvlm": {
        "image_token": "<image>",
        "fake_image_token": "<fake_token_around_image>",
        "global_image_token": "<global-img>",
        "end_of_utterance_token": "<end_of_utterance>",
    },
}
"""Special tokens of each family's processor, by attribute name."""
SHARP = 2.0
"""Gain of queries and keys, for selective attention; with a gain of 1, random weights only average."""


def small_config(
    family: str,
    tokenizer: PreTrainedTokenizerBase,
    *,
    hidden_size: int = 64,
    layers: int = 2,
    intermediate_size: int | None = None,
    vocabulary_size: int | None = None,
    image_size: int = 56,
    vision_size: int = 32,
    vision_layers: int = 2,
    heads: int = 4,
    key_value_heads: int | None = None,
    vision_heads: int = 4,
    vision_intermediate_size: int | None = None,
) -> PreTrainedConfig:
    """Configuration of a model of a family, with patches of 14 pixels.

    PaliGemma has (image_size / 14)^2 tokens per image; Qwen-VL and SmolVLM a quarter of that.
    vocabulary_size: None: the tokenizer's. Raises ValueError for an unknown family.
    """
    if family not in FAMILIES:
        raise ValueError(f"Unknown family {family!r}; expected one of {', '.join(FAMILIES)}.")
    tokens = {name: token_id(tokenizer, token) for name, token in SPECIAL[family].items()}
    ends = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    text: dict[str, Any] = {
        "hidden_size": hidden_size,
        "intermediate_size": intermediate_size or 4 * hidden_size,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": key_value_heads or max(heads // 4, 1),
        "vocab_size": vocabulary_size or len(tokenizer),
        "max_position_embeddings": 2048,
        **ends,
    }
    vision = {
        "hidden_size": vision_size,
        "intermediate_size": vision_intermediate_size or 4 * vision_size,
        "num_hidden_layers": vision_layers,
        "num_attention_heads": vision_heads,
        "image_size": image_size,
        "patch_size": 14,
    }
    make = {"paligemma": _paligemma, "smolvlm": _smolvlm}.get(family, _qwen)
    config = CONFIG_MAPPING[family](**make(family, text, vision, tokens))
    for name, token in ends.items():
        setattr(config, name, token)
    return config


def random_model(config: PreTrainedConfig, seed: int, *, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """A model with this configuration and reproducible random weights.

    Weights are larger than usual initial weights, so that the output depends on the input.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model: PreTrainedModel = AutoModelForImageTextToText.from_config(config, dtype=dtype)
        for name, parameter in model.named_parameters():
            if parameter.dim() >= 2 and "embed" not in name:
                sharp = SHARP if ".q_proj" in name or ".k_proj" in name else 1.0
                parameter.normal_(std=sharp * parameter[0].numel() ** -0.5)
    model.eval()
    return model


def _paligemma(family: str, text: dict[str, Any], vision: dict[str, Any], tokens: dict[str, int]) -> dict[str, Any]:
    text |= {"model_type": "gemma", "head_dim": text["hidden_size"] // text["num_attention_heads"]}
    vision |= {"model_type": "siglip_vision_model", "projection_dim": text["hidden_size"], "vision_use_head": False}
    vision["num_image_tokens"] = (vision["image_size"] // vision["patch_size"]) ** 2
    return {
        "text_config": text,
        "vision_config": vision,
        "image_token_index": tokens["image_token"],
        "projection_dim": text["hidden_size"],
        "hidden_size": text["hidden_size"],
    }


def _qwen(family: str, text: dict[str, Any], vision: dict[str, Any], tokens: dict[str, int]) -> dict[str, Any]:
    third = text["hidden_size"] // text["num_attention_heads"] // 2 // 4
    sections = [2 * third, third, third]  # split of half a head into time, height and width
    text["rope_parameters"] = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": sections}
    vision |= {"num_heads": vision["num_attention_heads"], "depth": vision["num_hidden_layers"]}
    if family == "qwen2_vl":
        vision |= {"embed_dim": vision["hidden_size"], "hidden_size": text["hidden_size"], "mlp_ratio": 4}
    else:
        vision |= {"out_hidden_size": text["hidden_size"], "fullatt_block_indexes": [vision["depth"] - 1]}
    return {
        "text_config": text,
        "vision_config": vision,
        "image_token_id": tokens["image_token"],
        "vision_start_token_id": tokens["vision_start"],
        "vision_end_token_id": tokens["vision_end"],
    }


def _smolvlm(family: str, text: dict[str, Any], vision: dict[str, Any], tokens: dict[str, int]) -> dict[str, Any]:
    text["model_type"] = "llama"
    return {
        "text_config": text,
        "vision_config": vision,
        "image_token_id": tokens["image_token"],
        "scale_factor": 2,
        "tie_word_embeddings": False,
    }
