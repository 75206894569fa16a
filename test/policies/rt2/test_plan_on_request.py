"""A checkpoint that acts at once, and plans in words before it acts where it is asked to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.vla0_folders import save_vla0
from support.vlms import random_image, rt2_card, save_openvla, save_vlm

from rt_vla_ros.action_space.card import StateDimension
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.errors import CheckpointError, NoPlansError
from rt_vla_ros.policies.checkpoint.files import RT2_CONFIG_FILE
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt2.configuration import PLAN_PROMPT
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import VocabularyError
from rt_vla_ros.policies.rt2.policy import RT2Policy

INSTRUCTION = "pick up the red cube"
SAID = "was not trained to write a plan before it acts; plan:=true is for RT-2 policies that were"


def opened(place: Path, *, plan: bool) -> RT2Policy:
    policy = load_policy(str(place), device="cpu", plan=plan)
    assert isinstance(policy, RT2Policy)
    policy.reset(INSTRUCTION)
    return policy


def prompt_of(policy: RT2Policy) -> str:
    assert policy._prompt is not None
    return policy._prompt.text


def chunk_of(policy: RT2Policy, state: np.ndarray | None = None) -> ActionChunk:
    return policy.act(Observation({"front": random_image(0)}, 0.0, state))


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vlm(tmp_path_factory.mktemp("taught"), "qwen2_vl", plan_on_request=5)


def test_it_plans_only_on_request(taught: Path) -> None:
    for plan in (False, True):
        policy = opened(taught, plan=plan)
        chunk = chunk_of(policy)
        assert (f"Instruction: {INSTRUCTION}. Plan:" in prompt_of(policy)) == plan
        assert (chunk.plan != "") == plan
        assert len(chunk.tokens) == 8
        tokenizer = policy.parts.processor.tokenizer
        marker = len(tokenizer.encode(" Action:", add_special_tokens=False))
        written = len(policy.previous) - policy._grammar.action_length(policy.previous)
        assert written == (5 + marker if plan else 0)  # random weights come to no marker by themselves


def test_the_first_steps_of_a_streamed_chunk_have_the_plan(tmp_path: Path) -> None:
    card = replace(rt2_card(), horizon=3, execute_steps=2)
    policy = opened(save_vlm(tmp_path, "qwen2_vl", card=card, plan_on_request=5), plan=True)
    first, whole = policy.act_streaming(Observation({"front": random_image(0)}, 0.0))
    assert first.plan == whole.plan != ""


def test_one_that_plans_in_any_case_does_so_with_and_without(tmp_path: Path) -> None:
    for on_request in (0, 9):
        place = save_vlm(
            tmp_path / str(on_request), "qwen2_vl", prompt=PLAN_PROMPT, plan_tokens=5, plan_on_request=on_request
        )
        plain, asked = (opened(place, plan=plan) for plan in (False, True))
        assert prompt_of(plain) == prompt_of(asked)
        assert chunk_of(plain).plan == chunk_of(asked).plan != ""


def test_the_state_is_only_in_the_prompt_without_a_plan(tmp_path: Path) -> None:
    """As it is trained: see RowMaker."""
    card = replace(rt2_card(), state=(StateDimension("x", "m", 0.0, 1.0, "tip:x"),))
    prompt = "Task: {instruction}, State: {state}, Actions:"
    place = save_vlm(tmp_path, "qwen2_vl", card=card, prompt=prompt, state_bins=100, plan_on_request=5)
    state = np.array([0.5])
    assert chunk_of(opened(place, plan=False), state).plan == ""
    policy = opened(place, plan=True)
    assert "State" not in prompt_of(policy)
    assert chunk_of(policy, state).plan != ""


def test_a_plan_for_which_the_context_is_too_short_is_refused(tmp_path: Path) -> None:
    place = save_vlm(tmp_path, "qwen2_vl", plan_on_request=200)
    path = place / "config.json"
    config = path.read_text()
    assert '"max_position_embeddings": 2048' in config
    path.write_text(config.replace('"max_position_embeddings": 2048', '"max_position_embeddings": 200'))
    assert chunk_of(opened(place, plan=False)).plan == ""
    with pytest.raises(VocabularyError, match="and a plan 200"):
        opened(place, plan=True)


def edit(place: Path, **changes: object) -> None:
    path = place / RT2_CONFIG_FILE
    data = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**data, **changes}))


@pytest.mark.parametrize("name", ["rt1-mini", "rt1-untrained", "rt2-untrained"])
def test_shipped_policies_not_trained_to_plan_are_refused(name: str) -> None:
    with pytest.raises(NoPlansError, match=f"The policy '{name}' {SAID}"):
        load_policy(name, device="cpu", plan=True)


def test_models_not_trained_to_plan_are_refused_before_their_weights_are_read(tmp_path: Path) -> None:
    places = (
        save_vlm(tmp_path / "vlm", "qwen2_vl"),
        save_openvla(tmp_path / "openvla"),
        save_vla0(tmp_path / "vla0"),
    )
    for place in places:
        for file in place.rglob("*.safetensors"):
            file.unlink()
        with pytest.raises(NoPlansError, match=f"The policy '{place.name}' {SAID}"):
            load_policy(str(place), device="cpu", plan=True)


def test_openvla_always_or_never_plans(tmp_path: Path) -> None:
    place = save_openvla(tmp_path)
    edit(place, plan_on_request=5)
    for step in (resolve(place).check_plans, resolve(place).read_card):
        with pytest.raises(CheckpointError, match="says plan_on_request 5 for an OpenVLA checkpoint"):
            step()
    edit(place, plan_tokens=5)
    resolve(place).check_plans()


def test_an_adapter_trained_to_plan(tmp_path: Path, taught: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    base = {"base_model_name_or_path": str(save_vlm(tmp_path / "base", "qwen2_vl"))}
    (adapter / "adapter_config.json").write_text(json.dumps(base))
    (adapter / RT2_CONFIG_FILE).write_text((taught / RT2_CONFIG_FILE).read_text())
    resolve(adapter).check_plans()
    (adapter / RT2_CONFIG_FILE).unlink()
    with pytest.raises(NoPlansError, match="The policy 'adapter'"):
        resolve(adapter).check_plans()
