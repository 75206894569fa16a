"""Small vision-language models with random weights in directories, as a checkpoint of each family looks on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from support.small_tokenizers import small_tokenizer

from rt_vla_ros.action_space.card import ActionCard, ActionDimension, CameraSpec
from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.tiny.small_models import SPECIAL, random_model, small_config

TOKENIZER_OF = {
    "paligemma": "byte_fallback_unigram",
    "qwen2_vl": "split_digits",
    "qwen2_5_vl": "byte_bpe",
    "smolvlm": "byte_bpe",
}
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
PREPROCESSORS: dict[str, dict[str, Any]] = {
    "paligemma": {
        "image_processor_type": "SiglipImageProcessor",
        "processor_class": "PaliGemmaProcessor",
        "size": {"height": 56, "width": 56},
        "image_seq_length": 16,
        **HALF,
    },
    "qwen2_vl": {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2VLProcessor",
        "min_pixels": 3136,
        "max_pixels": 6272,
    },
    "qwen2_5_vl": {
        "image_processor_type": "Qwen2VLImageProcessorFast",
        "processor_class": "Qwen2_5_VLProcessor",
        "min_pixels": 3136,
        "max_pixels": 6272,
    },
    "smolvlm": {
        "image_processor_type": "SmolVLMImageProcessor",
        "processor_class": "SmolVLMProcessor",
        "size": {"longest_edge": 112},
        "max_image_size": {"longest_edge": 56},
        **HALF,
    },
}
CHAT_TEMPLATE = (
    "{% for m in messages %}<s>{{ m['role'] }}: {% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}IMAGE{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %} assistant:"
)
PLACEHOLDER = {"qwen2_vl": "<|vision_start|><|image_pad|><|vision_end|>"}


def rt2_card(*cameras: str, bins: int = 256, quantization: str = "round") -> ActionCard:
    """The paper's eight numbers: terminate, three of translation, three of rotation, gripper; cameras of 96 x 96."""
    dimensions = [ActionDimension("terminate", "terminate", 0.0, 0.0, "mode", ("continue", "terminate"))]
    dimensions += [ActionDimension(f"d{a}", f"translation_{a}", -0.1, 0.1, "m") for a in "xyz"]
    dimensions += [ActionDimension(f"r{a}", f"rotation_{a}", -0.5, 0.5, "rad") for a in "xyz"]
    dimensions += [ActionDimension("gripper", "gripper", 0.0, 1.0, "1")]
    return ActionCard(
        name="small random model",
        dimensions=tuple(dimensions),
        bins=bins,
        quantization=quantization,
        frame="base",
        frame_id="base_link",
        rotation="rpy",
        gripper_open=0.0,
        gripper_closed=1.0,
        control_rate=3.0,
        cameras=tuple(CameraSpec(name, 96, 96, "center", 0.0) for name in cameras or ("front",)),
    )


def save_vlm(
    directory: Path,
    family: str,
    *,
    seed: int = 0,
    card: ActionCard | None = None,
    control: Sequence[str] = (),
    **config: Any,
) -> Path:
    """A whole RT-2 checkpoint of a family; `config` goes into rt2_config.json. control: further special tokens."""
    special = SPECIAL[family]
    words = [*special.values(), *control]
    tokenizer = small_tokenizer(TOKENIZER_OF[family], special=words, named=special, words=520)
    tokenizer.chat_template = CHAT_TEMPLATE.replace("IMAGE", PLACEHOLDER.get(family, special["image_token"]))
    random_model(small_config(family, tokenizer), seed).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    (directory / "preprocessor_config.json").write_text(json.dumps(PREPROCESSORS[family]))
    if family == "smolvlm":
        processor = {"image_seq_len": 4, "processor_class": "SmolVLMProcessor"}
        (directory / "processor_config.json").write_text(json.dumps(processor))
    (card or rt2_card()).save(directory)
    RT2Config(**{"vocabulary": "integers", **config}).save(directory)
    return directory


def random_image(seed: int, height: int = 96, width: int = 96) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Twelve blocks of colour, uint8 (height, width, 3)."""
    blocks = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return np.repeat(np.repeat(blocks, -(-height // 3), axis=0), -(-width // 4), axis=1)[:height, :width].copy()


WIDTHS = {"vision_backbone.featurizer": 64, "vision_backbone.fused_featurizer": 32}
TEXT, VOCABULARY, PATCHES = 48, 32064, 256
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def published_shapes(*, fused: bool = True) -> dict[str, tuple[int, ...]]:
    """Names and shapes as in the released checkpoint, everything small but the vocabulary."""
    shapes: dict[str, tuple[int, ...]] = {}
    widths = WIDTHS if fused else {"vision_backbone.featurizer": 32}
    for prefix, width in widths.items():
        dino = width == 64
        shapes |= {f"{prefix}.pos_embed": (1, PATCHES, width), f"{prefix}.norm.weight": (width,)}
        shapes |= {f"{prefix}.patch_embed.proj.weight": (width, 3, 14, 14), f"{prefix}.patch_embed.proj.bias": (width,)}
        if dino:
            shapes |= {f"{prefix}.cls_token": (1, 1, width), f"{prefix}.reg_token": (1, 4, width)}
        for block in range(2):
            own: dict[str, tuple[int, ...]] = {f"norm{i}.{p}": (width,) for i in (1, 2) for p in ("weight", "bias")}
            own |= {"attn.qkv.weight": (3 * width, width), "attn.qkv.bias": (3 * width,)}
            own |= {"attn.proj.weight": (width, width), "attn.proj.bias": (width,)}
            own |= {"mlp.fc1.weight": (4 * width, width), "mlp.fc1.bias": (4 * width,)}
            own |= {"mlp.fc2.weight": (width, 4 * width), "mlp.fc2.bias": (width,)}
            own |= {f"ls{i}.scale_factor": (width,) for i in (1, 2) if dino}
            shapes |= {f"{prefix}.blocks.{block}.{name}": shape for name, shape in own.items()}
    sizes = [96, 384, TEXT, TEXT] if fused else [32, TEXT, TEXT]
    for i in range(1, len(sizes)):
        shapes |= {f"projector.fc{i}.weight": (sizes[i], sizes[i - 1]), f"projector.fc{i}.bias": (sizes[i],)}
    text = {"embed_tokens.weight": (VOCABULARY, TEXT), "norm.weight": (TEXT,)}
    text |= {f"layers.0.self_attn.{p}_proj.weight": (TEXT, TEXT) for p in "qkvo"}
    text |= {f"layers.0.mlp.{p}_proj.weight": (64, TEXT) for p in ("gate", "up")}
    text |= {"layers.0.mlp.down_proj.weight": (TEXT, 64)}
    text |= {f"layers.0.{name}_layernorm.weight": (TEXT,) for name in ("input", "post_attention")}
    shapes |= {f"language_model.model.{name}": shape for name, shape in text.items()}
    return shapes | {"language_model.lm_head.weight": (VOCABULARY, TEXT)}


def statistics(*names: str) -> dict[str, Any]:
    action = {"q01": [-0.1] * 6 + [0.0], "q99": [0.2] * 6 + [1.0], "mask": [True] * 6 + [False]}
    return {name: {"action": action, "num_transitions": 1} for name in names}


def save_openvla(directory: Path, *, keys: tuple[str, ...] = ("bridge_orig",), fused: bool = True) -> Path:
    """A directory like the published one, in two shards."""
    directory.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: torch.ones(shape) if "norm" in name else torch.randn(shape, generator=generator) * shape[-1] ** -0.5
        for name, shape in published_shapes(fused=fused).items()
    }
    names = sorted(weights)
    parts = {SHARDS[0]: names[::2], SHARDS[1]: names[1::2]}
    for file, part in parts.items():
        save_file({name: weights[name] for name in part}, directory / file, metadata={"format": "pt"})
    index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    text = {"hidden_size": TEXT, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    text |= {"num_key_value_heads": 4, "vocab_size": VOCABULARY, "pad_token_id": 32000, "model_type": "llama"}
    config = {
        "model_type": "openvla",
        "architectures": ["OpenVLAForActionPrediction"],
        "auto_map": {"AutoModelForVision2Seq": "modeling_prismatic.OpenVLAForActionPrediction"},
        "image_sizes": [224, 224],
        "n_action_bins": 256,
        "norm_stats": statistics(*keys),
        "pad_token_id": 32000,
        "text_config": text,
        "use_fused_vision_backbone": fused,
    }
    (directory / "config.json").write_text(json.dumps(config))
    towers = 2 if fused else 1
    preprocessor = {
        "image_processor_type": "PrismaticImageProcessor",
        "image_resize_strategy": "resize-naive",
        "input_sizes": [[3, 224, 224]] * towers,
        "means": [[0.5] * 3] * towers,
        "stds": [[0.5] * 3] * towers,
    }
    (directory / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    small_tokenizer("byte_fallback_unigram", words=520).save_pretrained(directory)
    return directory
