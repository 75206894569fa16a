"""Writes the description of a checkpoint whose model an engine will run: what the robot needs, without the weights."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rt_vla_ros.language.plain_text import special_tokens
from rt_vla_ros.model_folder import stored_shapes
from rt_vla_ros.policies.checkpoint.errors import CheckpointError, some
from rt_vla_ros.policies.checkpoint.files import RT2_CONFIG_FILE
from rt_vla_ros.policies.checkpoint.resolve import Checkpoint
from rt_vla_ros.policies.engine.description import EngineConfig
from rt_vla_ros.policies.engine.policy import check_supported
from rt_vla_ros.policies.engine.request import CONTROL
from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import integers
from rt_vla_ros.policies.rt2.inputs.processor import Processor
from rt_vla_ros.policies.rt2.loading.lora import WEIGHTS
from rt_vla_ros.policies.rt2.loading.parts import PROCESSOR_FILES, load_processor
from rt_vla_ros.policies.rt2.vla0.published import published

TEMPLATE_FILE = "chat_template.jinja"
TEMPLATE = (
    "{bos}{{%- for message in messages %}}{{% for part in message.content %}}"
    "{{{{ {image!r} if part.type == 'image' else part.text }}}}{{% endfor %}}{{% endfor %}}"
)
"""Images and text one after the other, as in the prompts of a checkpoint with `chat: false`."""
LANGUAGE = re.compile(r"language_model\.|text_model\.|lm_head|^base_model\.model\.(model\.)?layers\.")
"""Of the names of an adapter's tensors: those of the language model."""
PROBE = "Q: what action should the robot take to pick up the red cube? A:"


@dataclass(frozen=True)
class EngineFolder:
    """What was written. engine: with the length of an action. template: for the engine, None if its own is right.

    lora_rank: of the checkpoint's adapter for vLLM, 0 if there is none.
    """

    engine: EngineConfig
    template: Path | None
    lora_rank: int = 0


def write_engine_folder(checkpoint: Checkpoint, directory: Path, engine: EngineConfig) -> EngineFolder:
    """Writes action card, rt2_config.json and engine.json to `directory`, which must not exist or be empty.

    A checkpoint whose prompts are not a chat also gets a chat template for the engine, which renders just the prompt.
    Raises CheckpointError, ProcessorError, RT2ConfigError, ActionCardError and VocabularyError, all ValueErrors;
    nothing is written in that case. Raises OSError.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise CheckpointError(f"{directory} already exists; choose a new or empty directory.")
    card, config = checkpoint.read_card(), _rt2_config(checkpoint)
    check_supported(config, card)
    rank = _lora_rank(checkpoint.adapter) if checkpoint.adapter is not None and engine.engine == "vllm" else 0
    processor = load_processor(checkpoint.place_of(*PROCESSOR_FILES), config, len(card.cameras))
    _check_control_tokens(processor)
    numbers = integers(processor.tokenizer, card.bins, (), leading_space=config.leading_space)
    lengths = {len(sequence) for sequence in (*numbers.first, *numbers.others)}
    if len(lengths) == 1:
        engine = replace(engine, action_tokens=lengths.pop() * card.horizon * len(card.dimensions))
    template = None if config.chat else _plain_template(processor)
    directory.mkdir(parents=True, exist_ok=True)
    card.save(directory)
    config.save(directory)
    engine.save(directory)
    if template is None:
        return EngineFolder(engine, None, rank)
    (directory / TEMPLATE_FILE).write_text(template, encoding="utf-8")
    return EngineFolder(engine, directory / TEMPLATE_FILE, rank)


def _rt2_config(checkpoint: Checkpoint) -> RT2Config:
    if checkpoint.family == "vla0":
        return published(checkpoint).config
    if checkpoint.family != "rt2":
        raise CheckpointError(
            f"{checkpoint.name} is not a vision-language model that writes actions as numbers in text; only such an "
            "RT-2 can run in an engine. `rt-vla serve` serves every policy."
        )
    return RT2Config.load(checkpoint.place_of(RT2_CONFIG_FILE))


def _lora_rank(adapter: Path) -> int:
    """The largest rank in an adapter. Raises CheckpointError for an adapter that vLLM would apply only in part."""
    shapes = stored_shapes(adapter / WEIGHTS, CheckpointError)
    ignored = sorted(name for name in shapes if not LANGUAGE.search(name))
    if ignored:
        raise CheckpointError(
            f"The adapter {adapter} also changes layers outside the language model ({some(ignored)}), which vLLM "
            "ignores. Merge it into its model with peft (merge_and_unload), and describe that directory."
        )
    return max((shape[0] for name, shape in shapes.items() if name.endswith(".lora_A.weight") and shape), default=0)


def _check_control_tokens(processor: Processor) -> None:
    """Raises CheckpointError if an instruction could contain a control token that the policy does not refuse."""
    ids = sorted(special_tokens(processor.tokenizer))
    words = [str(word) for word in processor.tokenizer.convert_ids_to_tokens(ids)]
    unseen = [word for word in words if not any(sign in word for sign in CONTROL)]
    if unseen:
        raise CheckpointError(
            f"The tokenizer has the control token {unseen[0]!r}, without {' or '.join(CONTROL)}: an instruction could "
            "contain it unnoticed. Use `rt-vla serve` for this checkpoint."
        )


def _plain_template(processor: Processor) -> str:
    """A template with which a chat is rendered and tokenized as this checkpoint's prompts. Raises CheckpointError."""
    tokenizer: Any = processor.tokenizer
    image, prompt = processor.render("", 1, chat=False), processor.render(PROBE, 1, chat=False)
    with_marks, plain = (tokenizer(PROBE, add_special_tokens=marks)["input_ids"] for marks in (True, False))
    template = TEMPLATE.format(bos="" if with_marks == plain else "{{ bos_token }}", image=image)
    bos = [] if with_marks == plain else [tokenizer.bos_token_id]
    content = [{"type": "image"}, {"type": "text", "text": PROBE}]
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], chat_template=template, tokenize=False, add_generation_prompt=True
    )
    if with_marks != [*bos, *plain] or rendered != (f"{tokenizer.bos_token}{prompt}" if bos else prompt):
        raise CheckpointError(
            "The prompts of this checkpoint cannot be rendered by a chat template: its tokenizer adds more than a "
            "start token. Use `rt-vla serve` for it."
        )
    return template
