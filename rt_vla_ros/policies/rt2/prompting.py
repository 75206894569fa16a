"""Renders the text of a prompt from an instruction or a question, for both the policy and training."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.language.plain_text import HOLE, PromptText, insert_text
from rt_vla_ros.observations.scaled_state import check_state
from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.inputs.processor import Processor, ProcessorError
from rt_vla_ros.policies.rt2.inputs.state_text import state_text


def rendered(
    processor: Processor, config: RT2Config, prompt: PromptText, images: int, control: Collection[int] = ()
) -> str:
    """The text of a prompt for `Processor.inputs`.

    images: number of images before the text. control: ids of the model's image placeholder tokens.
    Raises InstructionError, a ValueError, for text that contains control tokens, and ProcessorError.
    """
    earlier, options = len(prompt.before), {"system": prompt.system, "vision_id": config.vision_id}
    if config.chat:
        whole = processor.render(prompt.template, images, chat=True, before=earlier, **options)  # type: ignore[arg-type]
    else:
        template = f"{prompt.template} {HOLE}\n" * earlier + prompt.template
        whole = processor.render(template, images, chat=False, **options)  # type: ignore[arg-type]
    pieces, holes = whole.split(HOLE), prompt.template.count(HOLE)
    if len(pieces) < 2:
        raise ProcessorError("The chat template omits the user message; correct it, or set chat: false.")
    if not earlier:
        return insert_text(processor.tokenizer, pieces, prompt.words, control)
    texts = [text for words, answer in prompt.before for text in (*[words] * holes, answer)] + [prompt.words] * holes
    if len(texts) != len(pieces) - 1:
        raise ProcessorError("The chat template omits a part of a conversation; correct it, or set chat: false.")
    return insert_text(processor.tokenizer, pieces, texts, control)


def state_words(config: RT2Config, card: ActionCard, state: NDArray[np.float64] | None) -> str:
    """The robot state (S,) as text for a prompt; empty if it is not used. Raises ValueError if it is missing."""
    if not config.state_bins:
        return ""
    low, high = [one.low for one in card.state], [one.high for one in card.state]
    return state_text(check_state(state, card), low, high, config.state_bins)
