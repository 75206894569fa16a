"""LoRA adapters of any model, by the names that transformers had for its layers then and has now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from support.vlms import random_image, rt2_card, save_vlm

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.registry import load_policy
from rt_vla_ros.policies.rt2.loading import load_rt2
from rt_vla_ros.policies.rt2.policy import RT2Policy

CPU = torch.device("cpu")
TEXT = "model.language_model.layers.1.self_attn.q_proj"
VISION = "model.vision_tower.encoder.layers.1.self_attn.q_proj"
OLD = {
    TEXT: "language_model.model.layers.1.self_attn.q_proj",
    VISION: "vision_tower.vision_model.encoder.layers.1.self_attn.q_proj",
}


def save_adapter(directory: Path, base: Path, names: list[str], sizes: list[int]) -> dict[str, torch.Tensor]:
    """What is to be added to each layer."""
    directory.mkdir()
    generator = torch.Generator().manual_seed(1)
    weights, changes = {}, {}
    for name, size in zip(names, sizes, strict=True):
        a, b = torch.randn(2, size, generator=generator), torch.randn(size, 2, generator=generator)
        weights |= {f"base_model.model.{name}.lora_A.weight": a, f"base_model.model.{name}.lora_B.weight": b}
        changes[name] = 4 / 2 * (b @ a)
    save_file(weights, directory / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": str(base)}
    (directory / "adapter_config.json").write_text(json.dumps(config))
    return changes


@pytest.mark.parametrize("old", [False, True])
def test_an_adapter_is_added_to_the_layers_it_names(old: bool, tmp_path: Path) -> None:
    base = save_vlm(tmp_path / "base", "paligemma")
    names = [OLD[name] if old else name for name in (TEXT, VISION)]
    changes = save_adapter(tmp_path / "adapter", base, names, [64, 32])
    before = load_rt2(base, device=CPU).model.state_dict()
    after = load_rt2(base, device=CPU, adapter=tmp_path / "adapter").model.state_dict()
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert changed == {f"{TEXT}.weight", f"{VISION}.weight"}
    for name, change in zip((TEXT, VISION), changes.values(), strict=True):
        torch.testing.assert_close(after[f"{name}.weight"], before[f"{name}.weight"] + change)


def test_named_by_its_own_directory_with_its_own_card(tmp_path: Path) -> None:
    base = save_vlm(tmp_path / "base", "qwen2_vl")
    adapter = tmp_path / "adapter"
    save_adapter(adapter, base, [TEXT], [64])
    rt2_card("front", "wrist").save(adapter)
    actions = {}
    for path, weights in ((base, "auto"), (adapter, "auto"), (adapter, "int8")):
        policy = load_policy(str(path), device="cpu", weights=weights)
        assert isinstance(policy, RT2Policy)
        policy.reset("pick up the red cube")
        images = {camera.name: random_image(i) for i, camera in enumerate(policy.card.cameras)}
        actions[path.name, weights] = (policy.name, len(images), len(policy.act(Observation(images, 0.0)).tokens))
    assert list(actions.values()) == [("base", 1, 8), ("adapter", 2, 8), ("adapter", 2, 8)]


@pytest.mark.parametrize(
    ("name", "size", "sentence"),
    [
        (TEXT, 48, "is for a layer of 48x48, the model's is 64x64: it belongs to another model"),
        ("model.language_model.layers.7.self_attn.q_proj", 64, "which the model does not have"),
        ("layers.1.self_attn.q_proj", 64, "which may be "),
        ("nothing", 64, "The adapter changes nothing, which the model does not have"),
    ],
)
def test_an_adapter_of_another_model_is_refused(name: str, size: int, sentence: str, tmp_path: Path) -> None:
    base = save_vlm(tmp_path / "base", "paligemma")
    save_adapter(tmp_path / "adapter", base, [name], [size])
    with pytest.raises(ValueError, match=sentence):
        load_policy(str(tmp_path / "adapter"), device="cpu")
