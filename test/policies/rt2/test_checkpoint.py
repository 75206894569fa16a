"""RT-2 checkpoints by path, with the name of a data set behind it, as an adapter; one by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from support.vlms import save_openvla, save_vlm

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt2.policy import RT2Policy


def test_directories_of_vision_language_models_are_rt2(tmp_path: Path) -> None:
    save_vlm(tmp_path / "mine", "smolvlm")
    policy = load_policy(str(tmp_path / "mine"), device="cpu")
    assert isinstance(policy, RT2Policy)
    assert policy.name == "mine"
    with pytest.raises(ValueError, match="RT-2 policies do not support decoding 'expected_value'"):
        load_policy(str(tmp_path / "mine"), device="cpu", decoding="expected_value")
    with pytest.raises(ValueError, match="is not an OpenVLA checkpoint, so it has no statistics 'bridge'"):
        load_policy(f"{tmp_path / 'mine'}#bridge", device="cpu")


def test_the_statistics_of_openvla_are_selected_after_the_path(tmp_path: Path) -> None:
    save_openvla(tmp_path, keys=("bridge_orig", "libero_spatial"))
    with pytest.raises(ValueError, match="choose the one that matches your arm"):
        load_policy(str(tmp_path), device="cpu")
    assert load_policy(f"{tmp_path}#libero_spatial", device="cpu").card.name == "OpenVLA, actions of libero_spatial"


def test_an_adapter_finds_its_model(tmp_path: Path) -> None:
    base = save_openvla(tmp_path / "base")
    adapter = save_adapter(tmp_path / "adapter", base)
    assert load_policy(str(adapter), device="cpu").name == "adapter"
    save_adapter(tmp_path / "lost", tmp_path / "nowhere")
    with pytest.raises(ValueError, match="as its base model, which is not a directory"):
        load_policy(str(tmp_path / "lost"), device="cpu")
    other = save_adapter(tmp_path / "other", save_vlm(tmp_path / "vlm", "paligemma"))
    with pytest.raises(ValueError, match=r"self_attn.q_proj is for a layer of 48x48, the model's is 64x64"):
        load_policy(str(other), device="cpu")


def save_adapter(directory: Path, base: Path) -> Path:
    from safetensors.torch import save_file

    directory.mkdir()
    module = "base_model.model.language_model.model.layers.0.self_attn.q_proj"
    weights = {f"{module}.lora_A.weight": torch.zeros(2, 48), f"{module}.lora_B.weight": torch.zeros(48, 2)}
    save_file(weights, directory / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": str(base)}
    (directory / "adapter_config.json").write_text(json.dumps(config))
    return directory


def test_untrained_acts_until_the_end() -> None:
    actions = []
    for _ in range(2):
        policy = load_policy("rt2-untrained", device="cpu")
        policy.reset("pick up the red cube")
        image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        actions.append(policy.act(Observation({"front": image}, 0.0)))
        assert isinstance(policy, RT2Policy)
        assert isinstance(policy.ask({"front": image}, "what do you see?", limit=4), str)
    assert actions[0].tokens == actions[1].tokens
    assert len(actions[0].tokens) == 6


def test_untrained_never_calls_a_task_done() -> None:
    policy = load_policy("rt2-untrained", device="cpu")
    rng = np.random.default_rng(1)
    for instruction in ("pick up the red cube", "take the purple cylinder", "go", "please put the ball into the bowl"):
        policy.reset(instruction)
        for _ in range(10):
            blocks = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8).repeat(24, axis=0).repeat(24, axis=1)
            assert not policy.act(Observation({"front": blocks}, 0.0)).terminate
