"""Models of published sizes, and smaller ones for a CPU, with random weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedTokenizerBase
from transformers.models.paligemma.processing_paligemma import PaliGemmaProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from rt_vla_ros.action_space.card import ActionCard, ActionDimension, CameraSpec
from rt_vla_ros.policies.rt2.configuration import OPENVLA_PROMPT, PAPER_PROMPT, RT2Config
from rt_vla_ros.policies.rt2.inputs.processor import CombinedProcessor, ComposedProcessor, Processor
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts
from rt_vla_ros.policies.rt2.openvla.model import OpenVLAConfig, empty_model
from rt_vla_ros.policies.rt2.openvla.processor import OpenVLAProcessor
from rt_vla_ros.policies.rt2.tiny.small_models import FAMILIES, SPECIAL, random_model, small_config
from rt_vla_ros.policies.rt2.tiny.small_tokenizers import small_tokenizer

SEED = 0
VLA0_PROMPT = (
    "Analyze the input image and predict robot actions for the next 8 timesteps. Each action has 7 dimensions. Output "
    "a single sequence of 56 integers (0-1000 each). Provide only space separated numbers.\n{instruction}\n"
)
SMOL_PROMPT = "Task: {instruction}, State: 256 31 500 9 77 140 322 411, Actions:"


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a model and its prompts and actions; vision_*: of each vision tower.

    image_size: height of an image [pixel]. image_width: if not square [pixel]. cameras: images in a prompt.
    horizon: steps of a chunk. 1: the paper's action, else VLA-0's seven numbers a step. bins: of a number.
    """

    family: str
    hidden_size: int
    layers: int
    intermediate_size: int
    heads: int
    key_value_heads: int
    vocabulary_size: int
    image_size: int
    vision_size: int
    vision_layers: int
    vision_heads: int
    vision_intermediate_size: int
    image_width: int = 0
    cameras: int = 1
    horizon: int = 1
    bins: int = 256
    prompt: str = PAPER_PROMPT

    @property
    def patches_per_token(self) -> int:
        """Number of vision tower patches per image token."""
        return 4 if self.family.startswith(("qwen", "smolvlm")) else 1

    @property
    def image_tokens(self) -> int:
        """Image tokens of all images of a prompt."""
        patches = (self.image_size // 14) * ((self.image_width or self.image_size) // 14)
        return self.cameras * patches // self.patches_per_token


VLA0: dict[str, Any] = {"image_width": 448, "horizon": 8, "bins": 1001, "prompt": VLA0_PROMPT}
SMOL: dict[str, Any] = {"cameras": 2, "horizon": 8, "bins": 512, "prompt": SMOL_PROMPT}
SHAPES = {
    "paligemma-3b-224": ModelShape("paligemma", 2048, 18, 16384, 8, 1, 257216, 224, 1152, 27, 16, 4304),
    "qwen2.5-vl-3b": ModelShape("qwen2_5_vl", 2048, 36, 11008, 16, 2, 151936, 448, 1280, 32, 16, 3420),
    "openvla-7b": ModelShape("openvla", 4096, 32, 11008, 32, 32, 32064, 224, 1152, 27, 16, 4304),
    "vla0": ModelShape("qwen2_5_vl", 2048, 36, 11008, 16, 2, 151936, 224, 1280, 32, 16, 3420, **VLA0),
    "vla0-smol": ModelShape("smolvlm", 960, 32, 2560, 15, 5, 49280, 224, 768, 12, 12, 3072, **SMOL),
    "paligemma-cpu": ModelShape("paligemma", 1024, 6, 4096, 8, 1, 257216, 224, 384, 6, 6, 1536),
    "qwen2.5-vl-cpu": ModelShape("qwen2_5_vl", 1024, 6, 4096, 8, 2, 151936, 448, 384, 6, 6, 1536),
    "openvla-cpu": ModelShape("openvla", 1024, 6, 4096, 8, 8, 32064, 224, 384, 6, 6, 1536),
    "vla0-cpu": ModelShape("qwen2_5_vl", 1024, 6, 4096, 8, 2, 151936, 224, 384, 6, 6, 1536, **VLA0),
    "vla0-smol-cpu": ModelShape("smolvlm", 480, 8, 1280, 15, 5, 49280, 224, 384, 6, 6, 1536, **SMOL),
}
SMALL = {family: ModelShape(family, 64, 2, 256, 4, 1, 1000, 56, 32, 2, 4, 128) for family in FAMILIES}
SMALL["openvla"] = ModelShape("openvla", 64, 2, 256, 4, 4, 32064, 224, 32, 2, 4, 128)
"""One shape of every family, for comparisons of tokens."""
FOR_GPU = ("paligemma-3b-224", "qwen2.5-vl-3b", "openvla-7b", "vla0", "vla0-smol")
FOR_CPU = ("paligemma-cpu", "qwen2.5-vl-cpu", "openvla-cpu", "vla0-cpu", "vla0-smol-cpu")


def make_parts(shape: ModelShape, device: torch.device, dtype: torch.dtype) -> RT2Parts:
    """A complete model of this shape, with a tokenizer that splits digits, as in these families."""
    if shape.family == "openvla":
        return _openvla(shape, device, dtype)
    special = SPECIAL[shape.family]
    tokenizer = small_tokenizer("split_digits", special=list(special.values()), named=special)
    config = config_of(shape, tokenizer)
    with torch.device(device):
        model = random_model(config, SEED, dtype=dtype)
    nn.Module.to(model, device)
    side = shape.image_size
    processor: Processor
    if shape.family == "paligemma":
        images: Any = SiglipImageProcessorPil(size={"height": side, "width": side})
        images.image_seq_length = (side // 14) ** 2
        processor = CombinedProcessor(PaliGemmaProcessor(images, tokenizer))
    elif shape.family == "smolvlm":
        tiles = SmolVLMImageProcessorPil(
            size={"longest_edge": 2 * side},
            max_image_size={"longest_edge": side},
            do_image_splitting=shape.horizon == 1,
        )
        processor = ComposedProcessor(tiles, tokenizer, image_tokens=(side // 28) ** 2)
    else:
        pixels = dict.fromkeys(("shortest_edge", "longest_edge"), side * (shape.image_width or side))
        processor = ComposedProcessor(Qwen2VLImageProcessorPil(size=pixels), tokenizer)
    written = RT2Config("integers", prompt=shape.prompt, leading_space=not shape.prompt.endswith("\n"))
    return RT2Parts(model, processor, written, _card(shape))


def config_of(shape: ModelShape, tokenizer: PreTrainedTokenizerBase) -> PreTrainedConfig:
    """Configuration of a model of this shape; OpenVLA has its own."""
    sizes = asdict(shape)
    for name in ("image_width", "cameras", "horizon", "bins", "prompt"):
        del sizes[name]
    return small_config(tokenizer=tokenizer, **sizes)


def _card(shape: ModelShape) -> ActionCard:
    """The paper's eight numbers: terminate, translation, rotation, gripper; of a chunk's steps the last seven."""
    dimensions = [ActionDimension("terminate", "terminate", 0.0, 0.0, "mode", ("continue", "terminate"))]
    dimensions += [ActionDimension(f"d{a}", f"translation_{a}", -0.1, 0.1, "m") for a in "xyz"]
    dimensions += [ActionDimension(f"r{a}", f"rotation_{a}", -0.5, 0.5, "rad") for a in "xyz"]
    dimensions += [ActionDimension("gripper", "gripper", 0.0, 1.0, "1")]
    meaning: dict[str, Any] = {"frame": "base", "frame_id": "base_link", "rotation": "rpy", "control_rate": 5.0}
    meaning |= {"bins": shape.bins, "quantization": "round", "gripper_open": 0.0, "gripper_closed": 1.0}
    meaning |= {"horizon": shape.horizon, "dimensions": tuple(dimensions[shape.horizon > 1 :])}
    size = (shape.image_width or shape.image_size, shape.image_size)
    cameras = tuple(CameraSpec(name, *size, "stretch", 0.0) for name in ("front", "wrist")[: shape.cameras])
    return ActionCard(name="random weights", cameras=cameras, **meaning)


def _openvla(shape: ModelShape, device: torch.device, dtype: torch.dtype) -> RT2Parts:
    siglip = {"width": shape.vision_size, "layers": shape.vision_layers}
    siglip |= {"heads": shape.vision_heads, "feed_forward": shape.vision_intermediate_size}
    full = shape.vision_size == 1152
    dino = {"width": 1024, "layers": 24, "heads": 16, "feed_forward": 4096} if full else siglip
    text = {"hidden_size": shape.hidden_size, "intermediate_size": shape.intermediate_size, "pad_token_id": 32000}
    text |= {"num_hidden_layers": shape.layers, "vocab_size": shape.vocabulary_size}
    text |= {"num_attention_heads": shape.heads, "num_key_value_heads": shape.key_value_heads}
    config = OpenVLAConfig(text, {"dino": {**dino, "registers": 4}, "siglip": siglip})
    model: Any = empty_model(config, device, dtype)
    generator = torch.Generator(model.device).manual_seed(SEED)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() < 2:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
            else:
                parameter.normal_(std=parameter[0].numel() ** -0.5, generator=generator)
    settings = {"image_resize_strategy": "resize-naive", "input_sizes": [[3, shape.image_size, shape.image_size]]}
    statistics = {"means": [[0.5] * 3] * 2, "stds": [[0.5] * 3] * 2}
    processor = OpenVLAProcessor(
        settings | statistics, small_tokenizer("split_digits"), image_tokens=config.image_tokens, image_token_id=32000
    )
    card = _card(shape)
    card = replace(card, dimensions=card.dimensions[1:], quantization="centers")
    return RT2Parts(model, processor, RT2Config("openvla", prompt=OPENVLA_PROMPT), card)
