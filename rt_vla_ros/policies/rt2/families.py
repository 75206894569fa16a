"""Supported vision-language models, detected by their architecture, and the tested families."""

from __future__ import annotations

import inspect
from typing import Any

from transformers import PreTrainedConfig

from rt_vla_ros.policies.checkpoint.errors import CheckpointError, first_line

TESTED = {
    "gemma3": "Gemma 3",
    "idefics2": "Idefics2",
    "idefics3": "Idefics3",
    "internvl": "InternVL",
    "llava": "LLaVA",
    "llava_next": "LLaVA-NeXT",
    "mistral3": "Mistral 3 (Pixtral)",
    "openvla": "OpenVLA",
    "paligemma": "PaliGemma",
    "qwen2_vl": "Qwen2-VL",
    "qwen2_5_vl": "Qwen2.5-VL",
    "qwen3_vl": "Qwen3-VL",
    "qwen3_5": "Qwen3.5",
    "smolvlm": "SmolVLM",
}
"""Families by model_type whose tokens are tested against transformers' own `generate`."""
IMAGE_INPUTS = ("pixel", "image", "patches")
"""Substrings of the names of image inputs."""


class ModelFamilyError(CheckpointError):
    """This kind of model is not supported."""

    def __init__(self, config: PreTrainedConfig, what: str) -> None:
        """what: the rest of a sentence about the model."""
        super().__init__(
            f"A model of the type {config.model_type!r} {what}. RT-2 here runs decoder-only models, which process "
            f"an image's tokens once, before the text. Tested families: {', '.join(TESTED.values())}."
        )


class FirstPromptError(CheckpointError):
    """A model, or its processor, fails on the first prompt."""

    def __init__(self, config: PreTrainedConfig, error: Exception) -> None:
        kind = config.model_type
        hint = (
            "Check that its configuration, processor and tokenizer belong together."
            if kind in TESTED
            else f"The type {kind!r} is not a tested family; tested are: {', '.join(TESTED.values())}."
        )
        super().__init__(f"The model cannot read an image and a prompt ({first_line(error).rstrip('.')}). {hint}")


def check_family(config: PreTrainedConfig, model_class: type[Any]) -> None:
    """Raises ModelFamilyError for a model that cannot generate actions token by token after image and text."""
    text = config.get_text_config().to_dict()
    inputs = inspect.signature(model_class.forward).parameters
    needed = [
        name
        for name, one in inputs.items()
        if one.default is one.empty and one.kind is not one.VAR_KEYWORD and name not in ("self", "input_ids")
    ]
    if config.is_encoder_decoder:
        what = "is an encoder-decoder"
    elif any(value for name, value in text.items() if "cross" in name):
        what = "uses cross-attention for images"
    elif not model_class.can_generate():
        what = "does not generate text"
    elif needed:
        what = f"needs {' and '.join(needed)} again with every token"
    elif not any(part in name for name in inputs for part in IMAGE_INPUTS):
        what = "takes no images"
    else:
        return
    raise ModelFamilyError(config, what)
