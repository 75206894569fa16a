"""Small models of further families that transformers has natively, as their checkpoints look on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from support.small_tokenizers import small_tokenizer
from support.vlms import HALF, rt2_card
from transformers import PreTrainedConfig, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.tiny.small_models import SPECIAL, random_model

VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
VISION |= {"patch_size": 14, "image_size": 56}
PINPOINTS = [[56, 112], [112, 56], [112, 112]]
CROPPED = {"size": {"shortest_edge": 56}, "crop_size": {"height": 56, "width": 56}, **HALF}
COUNTED = {"patch_size": 14, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
NAMES: dict[str, dict[str, str]] = {
    "llava": {"image_token": "<image>"},
    "llava_next": {"image_token": "<image>"},
    "gemma3": {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"},
    "idefics3": SPECIAL["smolvlm"],
    "internvl": {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    },
    "qwen3_vl": SPECIAL["qwen2_vl"],
    "qwen3_5": SPECIAL["qwen2_vl"],
    "idefics2": {"image_token": "<image>", "image_boundary_token": "<fake_token_around_image>"},
    "mistral3": {"image_token": "[IMG]", "image_break_token": "[IMG_BREAK]", "image_end_token": "[IMG_END]"},
}

Made = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]  # of config.json, and the files of the processor
Text = dict[str, Any]


def save_other(directory: Path, family: str, *, control: Sequence[str] = ()) -> Path:
    """A whole RT-2 checkpoint of a family of NAMES. control: further special tokens."""
    names = NAMES[family]
    kind = "byte_fallback_unigram" if family == "gemma3" else "split_digits"
    tokenizer = small_tokenizer(kind, special=[*names.values(), *control], named=names, words=600)
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}
    config, images, processor = MAKERS[family](_text(tokenizer), ids)
    whole: PreTrainedConfig = CONFIG_MAPPING[family](**config)
    random_model(whole, 0).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    (directory / "preprocessor_config.json").write_text(json.dumps(images))
    if processor:
        (directory / "processor_config.json").write_text(json.dumps(processor))
    rt2_card().save(directory)
    RT2Config("integers").save(directory)
    return directory


def _text(tokenizer: PreTrainedTokenizerFast) -> Text:
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "head_dim": 16}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": len(tokenizer)}
    tokens = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    return {**sizes, **heads, **tokens, "max_position_embeddings": 2048}


def _llava(text: Text, ids: dict[str, int]) -> Made:
    vision = {**VISION, "model_type": "clip_vision_model", "projection_dim": 32}
    config = {"text_config": {**text, "model_type": "llama"}, "vision_config": vision}
    config["image_token_index"] = ids["image_token"]
    images = {"image_processor_type": "CLIPImageProcessor", **CROPPED}
    return config, images, {"processor_class": "LlavaProcessor", **COUNTED}


def _llava_next(text: Text, ids: dict[str, int]) -> Made:
    config, images, processor = _llava(text, ids)
    images |= {"image_processor_type": "LlavaNextImageProcessor", "image_grid_pinpoints": PINPOINTS}
    return {**config, "image_grid_pinpoints": PINPOINTS}, images, {**processor, "processor_class": "LlavaNextProcessor"}


def _gemma3(text: Text, ids: dict[str, int]) -> Made:
    layers = {"sliding_window": 512, "layer_types": ["sliding_attention", "full_attention"]}
    vision = {**VISION, "model_type": "siglip_vision_model", "vision_use_head": False}
    config: dict[str, Any] = {"text_config": {**text, **layers, "model_type": "gemma3_text"}, "vision_config": vision}
    config |= {"mm_tokens_per_image": 4, "image_token_index": ids["image_token"]}
    config |= {"boi_token_index": ids["boi_token"], "eoi_token_index": ids["eoi_token"]}
    images = {"image_processor_type": "Gemma3ImageProcessor", "size": {"height": 56, "width": 56}, **HALF}
    return config, images, {"processor_class": "Gemma3Processor", "image_seq_length": 4}


def _idefics3(text: Text, ids: dict[str, int]) -> Made:
    config = {"text_config": {**text, "model_type": "llama"}, "vision_config": VISION, "tie_word_embeddings": False}
    config |= {"image_token_id": ids["image_token"], "scale_factor": 2}
    sizes = {"size": {"longest_edge": 112}, "max_image_size": {"longest_edge": 56}}
    images = {"image_processor_type": "Idefics3ImageProcessor", **sizes, **HALF}
    return config, images, {"processor_class": "Idefics3Processor", "image_seq_len": 4}


def _internvl(text: Text, ids: dict[str, int]) -> Made:
    vision = {**VISION, "patch_size": [14, 14], "image_size": [56, 56]}
    config = {"text_config": {**text, "model_type": "qwen2"}, "vision_config": vision, "downsample_ratio": 0.5}
    config |= {"image_token_id": ids["context_image_token"], "image_seq_length": 4}
    cut = {"crop_to_patches": True, "max_patches": 4, "size": {"height": 56, "width": 56}}
    images = {"image_processor_type": "GotOcr2ImageProcessor", **cut, **HALF}
    return config, images, {"processor_class": "InternVLProcessor", "image_seq_length": 4}


def _qwen3_vl(text: Text, ids: dict[str, int]) -> Made:
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]}
    vision = {"hidden_size": 32, "out_hidden_size": 64, "depth": 2, "num_heads": 4, "intermediate_size": 64}
    vision |= {"patch_size": 14, "num_position_embeddings": 64, "deepstack_visual_indexes": [0]}  # type: ignore[dict-item]
    config: dict[str, Any] = {"text_config": {**text, "rope_parameters": rope}, "vision_config": vision}
    config |= {"image_token_id": ids["image_token"], "video_token_id": 0}
    config |= {"vision_start_token_id": ids["vision_start"], "vision_end_token_id": ids["vision_end"]}
    images = {"image_processor_type": "Qwen2VLImageProcessorFast", "processor_class": "Qwen3VLProcessor"}
    return config, {**images, "patch_size": 14, "min_pixels": 3136, "max_pixels": 6272}, {}


def _qwen3_5(text: Text, ids: dict[str, int]) -> Made:
    """Layers with a recurrent state, and one with keys and values."""
    config, images, processor = _qwen3_vl(text, ids)
    linear = {"linear_num_key_heads": 2, "linear_num_value_heads": 4}
    linear |= {"linear_key_head_dim": 16, "linear_value_head_dim": 16}
    kinds = {"layer_types": ["linear_attention", "full_attention"]}
    rope = {**config["text_config"]["rope_parameters"], "partial_rotary_factor": 1.0}
    config["text_config"] |= {**linear, **kinds, "rope_parameters": rope}
    return config, images, processor


def _idefics2(text: Text, ids: dict[str, int]) -> Made:
    resampler = {"resampler_n_latents": 4, "resampler_depth": 1, "resampler_n_heads": 4, "resampler_head_dim": 16}
    config = {"text_config": {**text, "model_type": "mistral"}, "vision_config": VISION, "tie_word_embeddings": False}
    config |= {"image_token_id": ids["image_token"], "perceiver_config": {**resampler, "hidden_size": 64}}
    images = {"image_processor_type": "Idefics2ImageProcessor", "size": {"shortest_edge": 56, "longest_edge": 112}}
    return config, {**images, **HALF}, {"processor_class": "Idefics2Processor", "image_seq_len": 4}


def _mistral3(text: Text, ids: dict[str, int]) -> Made:
    vision = {**VISION, "model_type": "pixtral", "head_dim": 8}
    words = {**text, "model_type": "mistral", "sliding_window": None}
    config: dict[str, Any] = {"text_config": words, "vision_config": vision, "spatial_merge_size": 2}
    config["image_token_index"] = ids["image_token"]
    images = {"image_processor_type": "PixtralImageProcessorFast", "size": {"longest_edge": 84}, "patch_size": 14}
    counted = {"patch_size": 14, "spatial_merge_size": 2}
    return config, {**images, **HALF}, {"processor_class": "PixtralProcessor", **counted}


MAKERS: dict[str, Callable[[Text, dict[str, int]], Made]] = {
    "llava": _llava,
    "llava_next": _llava_next,
    "gemma3": _gemma3,
    "idefics3": _idefics3,
    "internvl": _internvl,
    "qwen3_vl": _qwen3_vl,
    "qwen3_5": _qwen3_5,
    "idefics2": _idefics2,
    "mistral3": _mistral3,
}
