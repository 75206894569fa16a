"""Small vision-language models with random weights in directories, as a checkpoint of each family looks on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from rt_vla_ros.action_space.card import ActionCard, ActionDimension, CameraSpec
from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.small_models import SPECIAL, random_model, small_config
from rt_vla_ros.policies.rt2.small_tokenizers import small_tokenizer

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


def save_vlm(directory: Path, family: str, *, seed: int = 0, card: ActionCard | None = None, **config: Any) -> Path:
    """A whole RT-2 checkpoint of a family; `config` goes into rt2_config.json."""
    special = SPECIAL[family]
    tokenizer = small_tokenizer(TOKENIZER_OF[family], special=list(special.values()), named=special, words=520)
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
