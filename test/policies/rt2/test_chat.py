"""A chat prompt has the ids that transformers' own `apply_chat_template` makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from support.other_vlms import save_other
from support.vlms import CHAT_TEMPLATE, PLACEHOLDER, random_image, save_vlm
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

from rt_vla_ros.policies.rt2.inputs.processor import CombinedProcessor, Processor, ProcessorError
from rt_vla_ros.policies.rt2.loading.parts import load_processor

WORDS = "what do you see?"


def save_with_beginning(directory: Path, family: str) -> Path:
    """A checkpoint whose tokenizer puts <s> before a text, and whose chat template writes one as well."""
    save_vlm(directory, family) if family in ("qwen2_vl", "smolvlm", "paligemma") else save_other(directory, family)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    beginning = [("<s>", tokenizer.bos_token_id)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=beginning)
    tokenizer.chat_template = CHAT_TEMPLATE.replace("IMAGE", PLACEHOLDER.get(family, "<image>"))
    tokenizer.save_pretrained(directory)
    return directory


def ids_of(processor: Processor, *, chat: bool) -> list[int]:
    ids = processor.inputs([random_image(0)], processor.render(WORDS, 1, chat=chat))["input_ids"]
    return [int(token) for token in ids[0]]


@pytest.mark.parametrize("family", ["llava", "idefics3", "paligemma"])
def test_the_ids_of_apply_chat_template(family: str, tmp_path: Path) -> None:
    processor = load_processor(save_with_beginning(tmp_path, family))
    assert isinstance(processor, CombinedProcessor)
    content: list[Any] = [{"type": "image", "image": torch.from_numpy(random_image(0)).permute(2, 0, 1)}]
    whole = processor._processor
    whole.chat_template = processor.tokenizer.chat_template
    expected = whole.apply_chat_template(
        [{"role": "user", "content": [*content, {"type": "text", "text": WORDS}]}],
        tokenize=True,
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
    )
    assert ids_of(processor, chat=True) == expected["input_ids"][0].tolist()


@pytest.mark.parametrize("family", ["llava", "idefics3", "smolvlm", "qwen2_vl"])
def test_a_prompt_has_one_bos_token(family: str, tmp_path: Path) -> None:
    processor = load_processor(save_with_beginning(tmp_path, family))
    for chat in (True, False):
        ids = ids_of(processor, chat=chat)
        assert (ids[0], ids.count(ids[0])) == (processor.tokenizer.bos_token_id, 1)


OLDER = "{% for m in messages %}{{ m['role'] }}! {% for c in m['content'] %}{{ c['text'] if c['text'] else IMG }}"
OLDER = OLDER.replace("IMG", "'<|image_pad|>'") + "{% endfor %}{% endfor %}"


def save_template(directory: Path, family: str, **files: object) -> Path:
    """A checkpoint without a chat template of its own but these files."""
    save_vlm(directory, family) if family in ("qwen2_vl", "paligemma") else save_other(directory, family)
    (directory / "chat_template.jinja").unlink(missing_ok=True)
    for name, content in files.items():
        path = directory / f"{name}.json"
        old = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps({**old, "chat_template": content}))
    return directory


@pytest.mark.parametrize("family", ["qwen2_vl", "idefics3"])
def test_templates_where_older_versions_wrote_them(family: str, tmp_path: Path) -> None:
    named = [{"name": "default", "template": OLDER}, {"name": "rag", "template": "no"}]
    for i, files in enumerate(({"chat_template": OLDER}, {"tokenizer_config": OLDER}, {"tokenizer_config": named})):
        processor = load_processor(save_template(tmp_path / str(i), family, **files))
        assert processor.render(WORDS, 1, chat=True) == f"user! <|image_pad|>{WORDS}"


def test_a_template_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    for i, template in enumerate(
        ([{"name": "rag", "template": OLDER}], "{{ messages[0]['content'] + '!' }}", "{% x %}")
    ):
        processor = load_processor(save_template(tmp_path / str(i), "idefics3", tokenizer_config=template))
        with pytest.raises(
            ProcessorError, match=r"chat template cannot be used: .*Copy the template of the base model"
        ):
            processor.render(WORDS, 1, chat=True)
