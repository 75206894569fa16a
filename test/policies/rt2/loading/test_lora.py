"""LoRA adapters of any model, by the names that transformers had for its layers then and has now."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.vlms import random_image, rt2_card, save_vlm

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt2.loading.lora import Adapter
from rt_vla_ros.policies.rt2.loading.parts import load_rt2
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


def reconfigure(directory: Path, change: dict[str, Any]) -> None:
    path = directory / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))


@pytest.mark.parametrize("old", [False, True])
def test_an_adapter_is_added_to_the_layers_it_names(old: bool, tmp_path: Path) -> None:
    base = save_vlm(tmp_path / "base", "paligemma")
    names = [OLD[name] if old else name for name in (TEXT, VISION)]
    changes = save_adapter(tmp_path / "adapter", base, names, [64, 32])
    before = load_rt2(resolve(base), device=CPU).model.state_dict()
    after = load_rt2(replace(resolve(base), adapter=tmp_path / "adapter"), device=CPU).model.state_dict()
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert changed == {f"{TEXT}.weight", f"{VISION}.weight"}
    for name, change in zip((TEXT, VISION), changes.values(), strict=True):
        torch.testing.assert_close(after[f"{name}.weight"], before[f"{name}.weight"] + change)


@pytest.mark.parametrize(
    ("change", "scale"),
    [
        ({}, 2.0),
        ({"use_rslora": True}, 4 / 2**0.5),
        ({"alpha_pattern": {"k_proj": 8, "q_proj": 32}}, 16.0),
        ({"r": 8, "rank_pattern": {"q_proj": 2}}, 2.0),
        ({"alpha_pattern": {r"layers\.1\.self_attn\.[qk]_proj": 32}}, 16.0),
        ({"alpha_pattern": {r"^vision_tower.*": 32, "self_attn": 64, "proj": 128}}, 2.0),
        ({"r": 8, "use_rslora": True, "rank_pattern": {TEXT: 2}, "alpha_pattern": {"q_proj": 2}}, 2**0.5),
    ],
)
def test_each_module_has_the_scale_that_peft_gives_it(change: dict[str, Any], scale: float, tmp_path: Path) -> None:
    save_adapter(tmp_path / "adapter", tmp_path, [TEXT], [64])
    reconfigure(tmp_path / "adapter", change)
    assert Adapter.load(tmp_path / "adapter").pairs[TEXT].scale == pytest.approx(scale)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("model.language_model.embed_tokens.lora_embedding_A", 2),
        ("model.projector.bias", 1),
        (f"{TEXT}.lora_B.bias", 1),
        (f"{TEXT}.lora_magnitude_vector", 1),
        ("model.vision_tower.patch_embedding.lora_A.weight", 4),
    ],
)
def test_tensors_that_would_not_be_used_are_refused(name: str, size: int, tmp_path: Path) -> None:
    save_adapter(tmp_path / "adapter", tmp_path, [TEXT], [64])
    path = tmp_path / "adapter" / "adapter_model.safetensors"
    save_file({**load_file(path), f"base_model.model.{name}": torch.ones([2] * size)}, path)
    with pytest.raises(
        ValueError, match=rf"contains tensors other than lora_A .*\(base_model\.model\.{name}; 1 in all\)"
    ):
        Adapter.load(tmp_path / "adapter")


def test_adapters_with_missing_halves_or_without_tensors_are_refused(tmp_path: Path) -> None:
    for names, sentence in (([TEXT], f"lacks the other half of {TEXT}'s lora_A"), ([], "the adapter changes nothing")):
        save_adapter(tmp_path / str(len(names)), tmp_path, names, [64] * len(names))
        path = tmp_path / str(len(names)) / "adapter_model.safetensors"
        save_file({name: tensor for name, tensor in load_file(path).items() if "lora_A" in name}, path)
        with pytest.raises(ValueError, match=sentence):
            Adapter.load(path.parent)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"r": None}, f"r of {TEXT} is None in adapter_config.json, expected a number above 0"),
        ({"r": 0}, "r of .* is 0 in"),
        ({"r": 4}, "has the rank 4 by adapter_config.json, its lora_A has 2 rows and its lora_B 2 columns"),
        ({"lora_alpha": "4"}, "lora_alpha of .* is '4' in"),
        ({"alpha_pattern": ["q_proj"]}, r"alpha_pattern is \['q_proj'\] in adapter_config.json, expected a mapping of"),
        ({"alpha_pattern": {"*": 2}}, "alpha_pattern in adapter_config.json has an invalid regular expression"),
        ({"peft_type": "IA3"}, "is not a plain LoRA adapter"),
        ({"use_dora": True}, "is not a plain LoRA adapter"),
        ({"init_lora_weights": "pissa_niter_16"}, "is not a plain LoRA adapter"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(change: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    save_adapter(tmp_path / "adapter", tmp_path, [TEXT], [64])
    reconfigure(tmp_path / "adapter", change)
    with pytest.raises(ValueError, match=sentence):
        Adapter.load(tmp_path / "adapter")


def test_a_list_as_configuration_and_missing_weights_are_refused(tmp_path: Path) -> None:
    save_adapter(tmp_path / "adapter", tmp_path, [TEXT], [64])
    (tmp_path / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"adapter_model\.safetensors cannot be read: .*No such file"):
        Adapter.load(tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_config.json").write_text("[]")
    with pytest.raises(ValueError, match=r"adapter_config\.json holds a list, expected a JSON object"):
        Adapter.load(tmp_path / "adapter")


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


@pytest.mark.parametrize("pattern", ["(a+)+", "(.*.*)*q", ".*.*.*.*q", "q" * 300])
def test_a_pattern_that_may_never_finish_matching_is_refused(pattern: str, tmp_path: Path) -> None:
    save_adapter(tmp_path / "adapter", tmp_path, ["a" * 60], [64])
    reconfigure(tmp_path / "adapter", {"rank_pattern": {pattern: 2}})
    with pytest.raises(ValueError, match=r"rank_pattern in .* may never finish matching"):
        Adapter.load(tmp_path / "adapter")
