"""The vision-language model of `rt2-mini`: transformers' FastVLM with a ResNet and an OPT of 1.3 million parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor
from transformers import (
    AutoModelForImageTextToText,
    FastVlmConfig,
    LlavaProcessor,
    OPTConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    ResNetConfig,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from rt_vla_ros.policies.rt2.inputs.processor import token_id

BINS = 256
IMAGE_SIZE = 96
STRIDE = 16  # [pixel] of the image to one token
SIDE = IMAGE_SIZE // STRIDE
IMAGE_TOKENS = SIDE * SIDE
PAD, BOS, EOS, UNKNOWN, IMAGE = "<pad>", "<s>", "</s>", "<unk>", "<image>"
ASKING = "what action should the robot take to"
"""The paper's words before an instruction: a single token, as they never change."""
MARKS = ("q:", "a:", "?", ".", ",", "plan:", "action:", "instruction:")
LONGEST = 320  # [tokens]
FREQUENCIES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0)
"""Frequencies of the number tokens' initial embeddings, in periods over all bins: neighbouring numbers start close."""


def make_tokenizer(words: Sequence[str]) -> PreTrainedTokenizerFast:
    """Whole words and the numbers 0 ... 255, one token each; case-insensitive."""
    special = [PAD, BOS, EOS, UNKNOWN, IMAGE]
    entries = dict.fromkeys([*special, ASKING, *MARKS, *(word.lower() for word in words), *map(str, range(BINS))])
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(entries)}, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    marks = pre_tokenizers.Split(Regex(r"[?.,!]"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), marks])
    tokenizer.add_tokens([AddedToken(ASKING, normalized=True)])
    named = {"pad_token": PAD, "bos_token": BOS, "eos_token": EOS, "unk_token": UNKNOWN}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named, extra_special_tokens={"image_token": IMAGE})


def make_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Images of 96 x 96 pixels, 36 tokens each."""
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    images = CLIPImageProcessorPil(
        size=size, do_center_crop=False, do_convert_rgb=False, image_mean=[0.5] * 3, image_std=[0.25] * 3
    )
    return LlavaProcessor(
        images,
        tokenizer,
        patch_size=STRIDE,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        image_token=IMAGE,
    )


def make_config(tokenizer: PreTrainedTokenizerFast, *, width: int = 128, layers: int = 4) -> FastVlmConfig:
    """width: of the language model and of the image tokens."""
    ends = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    vision = ResNetConfig(
        embedding_size=32, hidden_sizes=[48, 96, 128], depths=[1, 2, 1], layer_type="basic", num_channels=3
    ).to_dict()
    text = OPTConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        word_embed_proj_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=max(width // 32, 2),
        ffn_dim=2 * width,
        max_position_embeddings=LONGEST,
        activation_function="gelu_pytorch_tanh",
        dropout=0.0,
        tie_word_embeddings=False,
        **ends,
    ).to_dict()
    return FastVlmConfig(
        vision_config=vision | {"hidden_size": vision["hidden_sizes"][-1]},
        text_config=text,
        image_token_index=token_id(tokenizer, IMAGE),
        image_seq_length=IMAGE_TOKENS,
        tie_word_embeddings=False,
        **ends,
    )


def make_model(tokenizer: PreTrainedTokenizerFast, seed: int, *, width: int = 128, layers: int = 4) -> PreTrainedModel:
    """With random weights of unit gain: transformers' default of 0.02 is far too small for such narrow layers."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        config = make_config(tokenizer, width=width, layers=layers)
        model: PreTrainedModel = AutoModelForImageTextToText.from_config(config)
        for name, parameter in model.named_parameters():
            if "vision_tower" in name or parameter.dim() != 2:
                continue
            if "embed" in name:
                parameter.normal_(std=0.3)
            else:
                residual = any(part in name for part in ("out_proj", "fc2"))
                parameter.normal_(std=(parameter.shape[1] * (2 * layers if residual else 1)) ** -0.5)
        first = token_id(tokenizer, "0")
        inner: Any = model
        rows, head = inner.get_input_embeddings().weight, inner.get_output_embeddings().weight
        rows[first : first + BINS] = 0.3 * _smooth_rows(width)
        head[first : first + BINS] = width**-0.5 * _smooth_rows(width)
    return model


def _smooth_rows(width: int) -> Tensor:
    """A vector (BINS, width) of zero mean and unit variance for each number, similar for similar numbers."""
    places = torch.arange(BINS)[:, None] / BINS
    frequencies = torch.tensor(FREQUENCIES)
    angles, gains = 2 * math.pi * frequencies * places, frequencies**-0.4
    waves = torch.cat([angles.sin() * gains, angles.cos() * gains], dim=1)
    rows = waves @ torch.randn(waves.shape[1], width)
    return (rows - rows.mean(0)) / rows.std()
