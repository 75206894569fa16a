"""Embodied Chain-of-Thought: reasoning in words, then OpenVLA's tokens, behind the prompt of its public code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from support.vlms import random_image, save_openvla

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.rt2.checkpoint import open_policy
from rt_vla_ros.policies.rt2.configuration import RT2ConfigError, robot_prompt
from rt_vla_ros.policies.rt2.decoding.action_grammar import END
from rt_vla_ros.policies.rt2.decoding.constrained_decoding import prefix_allowed_tokens
from rt_vla_ros.policies.rt2.decoding.plan_grammar import PlanGrammar
from rt_vla_ros.policies.rt2.openvla.card import openvla_config
from rt_vla_ros.policies.rt2.policy import RT2Policy

CPU = torch.device("cpu")
EMPTY = 29871
PROMPT = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user's questions. USER: What action should the robot take to pick up the red cube? "
    "ASSISTANT: TASK:"
)
REASONING = " pick up the cube PLAN: move to it SUBTASK: move MOVE: left GRIPPER POSITION: [12, 40]"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_openvla(tmp_path_factory.mktemp("ecot") / "ecot-openvla-7b-bridge")


@pytest.fixture
def policy(directory: Path) -> RT2Policy:
    (directory / "rt2_config.json").write_text(json.dumps({"plan_tokens": 12}))
    made = open_policy(resolve(directory), device=CPU)
    made.reset("Pick up the red cube.")
    return made


def seen(seed: int) -> Observation:
    return Observation({"front": random_image(seed, 224, 224)}, float(seed))


def grammar_of(policy: RT2Policy) -> PlanGrammar:
    assert isinstance(policy._grammar, PlanGrammar)
    return policy._grammar


def test_it_is_identified_by_its_name(directory: Path, tmp_path: Path) -> None:
    (directory / "rt2_config.json").unlink(missing_ok=True)
    renamed = save_openvla(tmp_path / "mine")
    config = json.loads((renamed / "config.json").read_text())
    assert openvla_config(resolve(renamed)).plan_tokens == 0
    (renamed / "config.json").write_text(json.dumps({**config, "_name_or_path": "Embodied-CoT/ecot-openvla-7b-oxe"}))
    for place in (directory, renamed):
        found = openvla_config(resolve(place))
        assert (found.plan_tokens, found.plan_end, found.vocabulary) == (1024, "ACTION:", "openvla")
        assert str(robot_prompt(found, "Pick up the red cube.")) == PROMPT


def test_no_empty_token_stands_before_the_reasoning(policy: RT2Policy) -> None:
    assert policy._prompt is not None
    tokenizer = policy.parts.processor.tokenizer
    ids = policy._prompt.inputs([random_image(0, 224, 224)])["input_ids"][0].tolist()
    assert [token for token in ids if token != 32000] == tokenizer(PROMPT)["input_ids"]


def test_the_reasoning_ends_where_the_model_says_action(policy: RT2Policy) -> None:
    long = PlanGrammar(
        grammar_of(policy).action, policy.parts.processor.tokenizer, 1024, 32064, marker="ACTION:", lead=[EMPTY]
    )
    bins = (0, 255, 128, 1, 2, 3, 254)
    reasoning = long._tokenizer.encode(f"{REASONING} ACTION:", add_special_tokens=False)
    tokens = [*reasoning, EMPTY, *long.action.vocabulary.encode(bins)]
    assert (long.decode(tokens), long.plan(tokens)) == (bins, REASONING.strip())
    assert long.action_length(tokens) == 7
    assert list(long.guess(long.start, tokens)) == tokens
    state = long.start
    for i, token in enumerate(tokens):
        assert long.written(state) == max(0, i - len(reasoning) - 1)
        assert list(long.guess(state, tokens)) == tokens[i:]
        state = long.advance(state, token)
    assert (state, long.written(state)) == (END, 7)


def test_reasoning_is_truncated_at_1024_tokens(policy: RT2Policy) -> None:
    tokenizer = policy.parts.processor.tokenizer
    grammar = PlanGrammar(grammar_of(policy).action, tokenizer, 1024, 32064, marker="ACTION:", lead=[EMPTY])
    word = tokenizer.encode(" move", add_special_tokens=False)[0]
    marker = tokenizer.encode(" ACTION:", add_special_tokens=False)
    state = grammar.start
    for token in [*[word] * 1024, *marker, EMPTY]:
        assert grammar.mask(state)[token]
        state = grammar.advance(state, token)
    assert grammar.mask(state).nonzero()[0].tolist() == list(range(31744, 32000))
    assert grammar.longest == 1024 + len(marker) + 1 + 7 + 1


def test_tokens_are_those_of_generate(policy: RT2Policy) -> None:
    assert policy._prompt is not None
    for seed in (0, 0, 1):
        inputs = policy._to_device(policy._prompt.inputs([random_image(seed, 224, 224)]))
        length = inputs["input_ids"].shape[1]
        output = policy.parts.model.generate(
            **inputs,
            max_new_tokens=policy._grammar.longest,
            do_sample=False,
            prefix_allowed_tokens_fn=prefix_allowed_tokens(policy._grammar, length),
        )
        decoded = policy.decode(seen(seed))
        assert list(decoded.tokens) == output[0, length:][: len(decoded.tokens)].tolist()
        assert decoded.tokens[-8] == EMPTY
        assert all(31744 <= token < 32000 for token in decoded.tokens[-7:])
    chunk = policy.act(seen(1))
    assert len(chunk.tokens) == 7
    assert chunk.plan != ""
    assert "ACTION" not in chunk.plan
    assert np.isfinite(chunk.steps[0].translation).all()


def test_a_plan_end_without_words_is_refused(directory: Path) -> None:
    (directory / "rt2_config.json").write_text(json.dumps({"plan_end": " "}))
    with pytest.raises(RT2ConfigError, match="plan_end is ' ', expected a marker such as 'Action:'"):
        openvla_config(resolve(directory))
    (directory / "rt2_config.json").write_text(json.dumps({"plan_tokens": 1025}))
    with pytest.raises(RT2ConfigError, match="plan_tokens is 1025, expected 0 to 1024"):
        openvla_config(resolve(directory))
