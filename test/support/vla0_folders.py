"""Folders as VLA-0 and VLA-0-Smol are published in, with small random models."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import save_file, save_model
from support.small_tokenizers import small_tokenizer
from torch import nn

from rt_vla_ros.policies.rt2.tiny.small_models import SPECIAL, random_model, small_config

QWEN_CHAT = (
    "{% set n = namespace(images=0) %}{% for m in messages %}"
    "{% if loop.first and m['role'] != 'system' %}<|im_start|>system\nYou help.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}{% if c['type'] == 'image' %}"
    "{% set n.images = n.images + 1 %}{% if add_vision_id %}Picture {{ n.images }}: {% endif %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SMOL_CHAT = (
    "<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}:{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
OPTIONS = "IMAGE.crop_img:0.875:IMAGE.img_size:224:IMAGE.cam_list:('3p1','3p2')"
ACTION = (np.array([-0.9375] * 3 + [-0.26, -0.375, -0.37, -1.0]), np.array([0.9375] * 3 + [0.36, 0.375, 0.375, 1.0]))
STATE = (np.array([-0.5, -0.4, 0.0, -1.0, -3.2, -1.5, 0.0, -0.04]), np.array([0.2, 0.4, 1.4, 3.7, 3.6, 1.4, 0.04, 0.0]))
"""Least and most of each dimension, in LIBERO's scale."""


def statistics(low: Any = ACTION[0], high: Any = ACTION[1]) -> dict[str, Any]:
    """What dataset_stats.pkl holds."""
    return {"out_ori_act": {"min": np.asarray(low, np.float32), "max": np.asarray(high, np.float32), "count": 9}}


def save_vla0(directory: Path, **qwen: Any) -> Path:
    """VLA-0: model_last/ with statistics and settings around it. qwen: of config.yaml's MODEL.QWEN."""
    model = directory / "model_last"
    special = SPECIAL["qwen2_5_vl"]
    words = [*special.values(), "<|im_start|>", "<|im_end|>"]
    tokenizer = small_tokenizer("split_digits", special=words, named=special, words=520)
    tokenizer.chat_template = QWEN_CHAT
    tokenizer.eos_token = "<|im_end|>"
    random_model(small_config("qwen2_5_vl", tokenizer), 0).save_pretrained(model)
    tokenizer.save_pretrained(model)
    processor = {"image_processor_type": "Qwen2VLImageProcessorFast", "processor_class": "Qwen2_5_VLProcessor"}
    (model / "preprocessor_config.json").write_text(json.dumps({**processor, "min_pixels": 3136, "max_pixels": 10**6}))
    save_training(directory, **qwen)
    return directory


def save_training(directory: Path, options: str = OPTIONS, **qwen: Any) -> None:
    """Statistics and settings of VLA-0's training, around the model."""
    (directory / "dataset_stats.pkl").write_bytes(pickle.dumps(statistics()))
    settings = {"horizon": 8, "original_action_dim": 7, "num_bins_actions": 1000, "num_cam": 2, "history": 1}
    settings |= {"tiled_rgb_imgs": True, "add_vision_id": True, **qwen}
    whole = {"MODEL": {"QWEN": settings}, "DATALOADER": {"ROBOVERSE": {"cfg_opts": options}}}
    (directory / "config.yaml").write_text(yaml.safe_dump(whole))


class _Policy(nn.Module):
    """LeRobot's: the vision-language model, and a head that shares its tables, as one module each."""

    def __init__(self, vlm: nn.Module, head: bool) -> None:
        super().__init__()
        self.model = nn.Module()
        self.model.vlm = vlm
        if head:
            self.model.eagle_model = nn.Module()
            self.model.eagle_model.embed_tokens = vlm.get_input_embeddings()  # type: ignore[operator]
            self.model.eagle_model.fuse = nn.Linear(4, 4)


def save_smol(directory: Path, *, head: bool = False, **config: Any) -> Path:
    """VLA-0-Smol, and beside it `base`, the model that it is made from. head: whether it guesses several tokens."""
    base = directory / "base"
    special = SPECIAL["smolvlm"]
    tokenizer = small_tokenizer("split_digits", special=[*special.values(), "<|im_start|>"], named=special, words=520)
    tokenizer.chat_template = SMOL_CHAT
    tokenizer.eos_token = "<end_of_utterance>"
    model = random_model(small_config("smolvlm", tokenizer), 0)
    model.config.save_pretrained(base)
    tokenizer.save_pretrained(base)
    images = {"image_processor_type": "SmolVLMImageProcessor", "processor_class": "SmolVLMProcessor", "resample": 1}
    images |= {"size": {"longest_edge": 112}, "max_image_size": {"longest_edge": 56}, "do_image_splitting": True}
    images |= {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (base / "preprocessor_config.json").write_text(json.dumps(images))
    (base / "processor_config.json").write_text(json.dumps({"image_seq_len": 4, "processor_class": "SmolVLMProcessor"}))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model.resize_token_embeddings(len(tokenizer) + 1, mean_resizing=False)  # <MASK_ACT>
        save_model(_Policy(model, head), str(directory / "model.safetensors"))
    save_lerobot(directory, str(base), **config)
    return directory


def save_lerobot(directory: Path, base: str, **config: Any) -> None:
    """LeRobot's settings and ranges of VLA-0-Smol. base: what it is made from."""
    camera = {"type": "VISUAL", "shape": [3, 64, 64]}
    settings = {
        "type": "vla0_smol",
        "input_features": {
            "observation.images.image": camera,
            "observation.images.image2": camera,
            "observation.state": {"type": "STATE", "shape": [8]},
        },
        "output_features": {"action": {"type": "ACTION", "shape": [7]}},
        "chunk_size": 8,
        "n_action_steps": 8,
        "n_state_bins": 512,
        "use_state": True,
        "crop_shape": [46, 46],
        "vlm_checkpoint": base,
        **config,
    }
    (directory / "config.json").write_text(json.dumps(settings))
    scaling = {"norm_map": {"VISUAL": "IDENTITY", "STATE": "MIN_MAX", "ACTION": "MIN_MAX"}}
    step = {"registry_name": "unnormalizer_processor", "config": scaling, "state_file": "post.safetensors"}
    (directory / "policy_postprocessor.json").write_text(json.dumps({"steps": [step]}))
    parts = {"action": ACTION, "observation.state": STATE}
    tensors = {
        f"{name}.{key}": torch.tensor(pair[i]) for name, pair in parts.items() for i, key in enumerate(("min", "max"))
    }
    save_file({name: tensor.float() for name, tensor in tensors.items()}, directory / "post.safetensors")
