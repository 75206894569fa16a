"""A tiny vision-language model with random weights, which exercises the same code as a large one."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.policies.checkpoint.resolve import Checkpoint
from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import integers
from rt_vla_ros.policies.rt2.inputs.processor import ComposedProcessor
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts
from rt_vla_ros.policies.rt2.loading.quantization import QUANTIZED, check_quantization, number_type, quantize
from rt_vla_ros.policies.rt2.tiny.small_models import SPECIAL, random_model, small_config
from rt_vla_ros.policies.rt2.tiny.small_tokenizers import small_tokenizer

FAMILY = "qwen2_vl"
SEED = 3
RELUCTANCE = 20.0
"""Negative bias of "terminate" in the output head, as random logits differ by a few units. The policy then moves as
long as it may, so that there is something to see. Other dimensions use this token for bin 0 and never output it."""
PIXELS = 84 * 84


def load_untrained(checkpoint: Checkpoint, *, device: torch.device, weights: str = "auto", **_: object) -> RT2Parts:
    """Creates reproducible random weights in memory, with the action card of the simulated arm.

    weights: see quantization. Raises WeightsError.
    """
    check_quantization(weights, device)
    tokenizer, images = small_processor()
    model = random_model(small_config(FAMILY, tokenizer), SEED, dtype=number_type(weights, device))
    card = checkpoint.read_card()
    _go_on(model, tokenizer, card)
    if weights in QUANTIZED:
        quantize(model, weights, device)
    else:
        nn.Module.to(model, device)
    return RT2Parts(model, ComposedProcessor(images, tokenizer), RT2Config("integers"), card)


def small_processor() -> tuple[PreTrainedTokenizerBase, Qwen2VLImageProcessorPil]:
    """The tokenizer and the image processor of the small model."""
    special = SPECIAL[FAMILY]
    tokenizer = small_tokenizer("byte_bpe", special=list(special.values()), named=special)
    return tokenizer, Qwen2VLImageProcessorPil(size={"shortest_edge": 28 * 28, "longest_edge": PIXELS})


def save_small_base(directory: Path) -> None:
    """Saves the same model without anything about actions, as a base model for training. Raises OSError."""
    tokenizer, images = small_processor()
    random_model(small_config(FAMILY, tokenizer), SEED).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    images.save_pretrained(directory)


def _go_on(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, card: ActionCard) -> None:
    """Adds a bias against the token of "terminate" to the output head."""
    modes = card.dimensions[0].modes
    numbers = integers(tokenizer, card.bins, [tokenizer.eos_token_id]).first
    stop, move = numbers[modes.index("terminate")], numbers[modes.index("move")]
    token = next(one for one, other in zip(stop, move, strict=False) if one != other)
    head = model.get_output_embeddings()
    bias = torch.zeros(head.out_features, dtype=head.weight.dtype)
    bias[token] = -RELUCTANCE
    head.bias = nn.Parameter(bias)
