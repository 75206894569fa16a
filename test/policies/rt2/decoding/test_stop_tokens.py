"""Every token that ends a text for `generate` ends an action, a plan and an answer here, and no other one does."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from support.certain_vlm import say
from support.other_vlms import NAMES, save_other
from support.vlms import random_image, save_vlm

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.rt2.configuration import PLAN_PROMPT
from rt_vla_ros.policies.rt2.decoding.action_grammar import ActionGrammar
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import VocabularyError
from rt_vla_ros.policies.rt2.decoding.constrained_decoding import prefix_allowed_tokens
from rt_vla_ros.policies.rt2.decoding.stop_tokens import stop_tokens
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts, load_rt2
from rt_vla_ros.policies.rt2.policy import RT2Policy

SEEN = Observation({"front": random_image(0)}, 0.0)
KINDS = {
    "gemma3": ["<end_of_turn>"],
    "qwen2_vl": ["<|im_end|>"],
    "llava": ["<|eom_id|>", "<|eot_id|>"],  # Llama 3 has three
    "paligemma": [],
}


def save(directory: Path, family: str, control: Sequence[str] = (), ends: Any = None) -> RT2Parts:
    """A checkpoint whose generation_config.json names `ends`; by default the tokenizer's end and all of `control`."""
    make = save_other if family in NAMES else save_vlm
    make(directory, family, control=control)  # type: ignore[operator]
    tokenizer = load(directory).processor.tokenizer
    if ends is None:
        ends = [tokenizer.eos_token_id, *map(tokenizer.convert_tokens_to_ids, control)]
        ends = ends if len(ends) > 1 else ends[0]
    path = directory / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "eos_token_id": ends}))
    return load(directory)


def load(directory: Path) -> RT2Parts:
    return load_rt2(resolve(directory), device=torch.device("cpu"))


def generated(policy: RT2Policy) -> tuple[int, ...]:
    assert policy._prompt is not None
    inputs = policy._to_device(policy._prompt.inputs(list(SEEN.images.values())))
    length = inputs["input_ids"].shape[1]
    allowed = prefix_allowed_tokens(policy._grammar, length)
    output = policy.parts.model.generate(  # type: ignore[operator]
        **inputs, max_new_tokens=policy._grammar.longest, do_sample=False, prefix_allowed_tokens_fn=allowed
    )
    return tuple(output[0, length:].tolist())


def test_an_end_of_turn_is_not_read_as_a_digit(tmp_path: Path) -> None:
    """The number is 12, then <end_of_turn>; the tokenizer's own end is far less likely than a further digit."""
    parts = save(tmp_path, "gemma3", ["<end_of_turn>"])
    tokenizer = parts.processor.tokenizer
    written = [f"▁{number}" for number in (0, 3, 6, 9, 15, 18, 21, 12)]
    tokens = [*map(tokenizer.convert_tokens_to_ids, written), tokenizer.convert_tokens_to_ids("<end_of_turn>")]
    say(parts, tokens, [tokenizer.convert_tokens_to_ids("1")])
    for fixed in (False, True):
        policy = RT2Policy(parts, pack=False, fixed_shapes=fixed)
        policy.reset("pick up the red cube")
        for _ in range(2):  # without a guess, and with the right one
            decoded = policy.decode(SEEN)
            assert policy._grammar.decode(decoded.tokens) == (0, 3, 6, 9, 15, 18, 21, 12)
            assert decoded.tokens == tuple(tokens) == generated(policy)
        policy.previous = (*tokens[:-1], tokenizer.convert_tokens_to_ids("1"))  # 121, as a set of one end reads it
        assert policy.decode(SEEN).tokens == tuple(tokens)
    assert policy.ask(SEEN.images, "x") == "0 3 6 9 15 18 21 12"  # the answer ends there too


@pytest.mark.parametrize("family", KINDS)
def test_the_set_is_that_of_generate(family: str, tmp_path: Path) -> None:
    parts = save(tmp_path, family, KINDS[family])
    tokenizer = parts.processor.tokenizer
    expected = sorted([tokenizer.eos_token_id, *map(tokenizer.convert_tokens_to_ids, KINDS[family])])
    assert list(stop_tokens(parts.model, tokenizer)) == expected
    policy = RT2Policy(parts, pack=False)
    grammar = policy._grammar
    assert isinstance(grammar, ActionGrammar)
    number = grammar.start
    for token in grammar.vocabulary.encode((0, 3, 6, 9, 15, 18, 21, 12)):
        number = grammar.advance(number, token)
    ends = {token for token in grammar.legal(number) if grammar.advance(number, token) == 0 and token in expected}
    assert ends == set(expected)
    assert tokenizer.pad_token_id not in grammar.columns
    policy.reset("pick up the red cube")
    decoded = policy.decode(SEEN)
    assert decoded.tokens == generated(policy)[: len(decoded.tokens)]
    plan = RT2Policy(dataclasses.replace(parts, config=dataclasses.replace(parts.config, plan_tokens=4)), pack=False)
    assert not plan._grammar.mask(plan._grammar.start)[expected].any()  # a plan goes on to its action


def test_an_end_token_that_is_not_special_cannot_be_in_a_plan(tmp_path: Path) -> None:
    parts = save(tmp_path, "qwen2_vl", ends=[2, 300])
    config = dataclasses.replace(parts.config, plan_tokens=4, prompt=PLAN_PROMPT)
    grammar = RT2Policy(dataclasses.replace(parts, config=config), pack=False)._grammar
    assert grammar.mask(grammar.start)[[299, 300, 301]].tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("named", "expected"),
    [(None, [2]), (2, [2]), ([], [2]), ([2, 2, 4], [2, 4]), ([300], [2, 300]), ([-1, 10**6, 3, True], [2])],
)
def test_every_end_token_of_generation_config_is_used(named: Any, expected: list[int], tmp_path: Path) -> None:
    """An id that the model does not have, one that stands for an image (3), and what is no id are left out."""
    parts = save(tmp_path, "paligemma", ["<eot>"])
    assert parts.processor.tokenizer.convert_tokens_to_ids(["</s>", "<image>", "<eot>"]) == [2, 3, 4]
    parts.model.generation_config.eos_token_id = named
    assert list(stop_tokens(parts.model, parts.processor.tokenizer)) == expected


@pytest.mark.parametrize("place", ["config", "text_config"])
def test_without_generation_config_the_end_tokens_of_config_are_used(place: str, tmp_path: Path) -> None:
    parts = save(tmp_path, "gemma3", ["<end_of_turn>"])
    turn = parts.processor.tokenizer.convert_tokens_to_ids("<end_of_turn>")
    (tmp_path / "generation_config.json").unlink()
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    (config if place == "config" else config["text_config"])["eos_token_id"] = [2, turn]
    path.write_text(json.dumps(config))
    parts = load(tmp_path)
    assert list(stop_tokens(parts.model, parts.processor.tokenizer)) == [2, turn]


def test_no_end_at_all_and_an_end_that_is_a_digit_are_refused(tmp_path: Path) -> None:
    parts = save(tmp_path, "paligemma")
    tokenizer = parts.processor.tokenizer
    parts.model.generation_config.eos_token_id = [2, tokenizer.convert_tokens_to_ids("1")]
    with pytest.raises(VocabularyError, match="is both part of a number and an end token"):
        RT2Policy(parts, pack=False)
    parts.model.generation_config.eos_token_id = None
    tokenizer.eos_token = None
    with pytest.raises(VocabularyError, match=r"Neither the tokenizer .* names an end token"):
        RT2Policy(parts, pack=False)
