"""OpenVLA checkpoints as they are published: shards, statistics, adapters; small ones with random weights."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.vlms import SHARDS, random_image, rt2_card, save_openvla, statistics

from rt_vla_ros.action_space.state import StateDimension
from rt_vla_ros.evaluation.provenance import center_cropped
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.files import RT2_CONFIG_FILE
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.rt2.configuration import question_prompt, robot_prompt
from rt_vla_ros.policies.rt2.loading.weight_files import INDEX
from rt_vla_ros.policies.rt2.openvla.card import card_from_statistics, check_meaning, openvla_config
from rt_vla_ros.policies.rt2.openvla.checkpoint import load_openvla
from rt_vla_ros.policies.rt2.openvla.processor import EMPTY_TOKEN
from rt_vla_ros.policies.rt2.policy import RT2Policy, make_grammar

CPU = torch.device("cpu")


def observe(seed: int) -> Observation:
    return Observation({"front": random_image(seed, 224, 224)}, 0.0)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_openvla(tmp_path_factory.mktemp("openvla"))


def test_a_published_directory_is_a_policy_without_conversion(checkpoint: Path) -> None:
    assert resolve(checkpoint).family == "openvla"
    parts = load_openvla(resolve(checkpoint), device=CPU)
    policy = RT2Policy(parts)
    policy.reset("Pick UP the red cube.")
    assert policy._prompt is not None
    assert policy._prompt.text == "In: What action should the robot take to pick up the red cube?\nOut:"
    inputs = policy._prompt.inputs(list(observe(0).images.values()))
    ids = inputs["input_ids"][0].tolist()
    assert ids[1:257] == [32000] * 256
    assert ids[-1] == EMPTY_TOKEN
    first = policy.decode(observe(0))
    assert all(31744 <= token < 32000 for token in first.tokens)
    assert len(first.tokens) == 7
    assert policy.decode(observe(0)).passes == 1
    action = policy.act(observe(0))
    low, high = -0.1, 0.2
    middle = low + (min(action.tokens[0], 254) + 0.5) / 255 * (high - low)
    assert action.steps[0].translation[0] == pytest.approx(middle)
    assert action.period == pytest.approx(0.2)
    assert policy.card.name == "OpenVLA, actions of bridge_orig"
    assert len({policy.decode(observe(seed)).tokens for seed in range(4)}) > 1
    assert isinstance(policy.ask(observe(0).images, "what is on the table?", limit=4), str)


def test_one_of_several_statistics_must_be_named(tmp_path: Path) -> None:
    save_openvla(tmp_path, keys=("bridge_orig", "libero_spatial"))
    with pytest.raises(ValueError, match=r"2 data sets: choose the one.*Available: bridge_orig, libero_spatial\."):
        load_openvla(resolve(tmp_path), device=CPU)
    with pytest.raises(ValueError, match=r"'bridge'\. Did you mean 'bridge_orig'\? Available: bridge_orig, libero"):
        load_openvla(resolve(f"{tmp_path}#bridge"), device=CPU)
    assert load_openvla(resolve(f"{tmp_path}#libero_spatial"), device=CPU).card.control_rate == 20
    (tmp_path / RT2_CONFIG_FILE).write_text('{"unnorm_key": "bridge_orig"}')
    assert load_openvla(resolve(tmp_path), device=CPU).card.control_rate == 5


def test_the_first_openvla_has_the_prompt_of_vicuna(tmp_path: Path) -> None:
    change_config(save_openvla(tmp_path, fused=False), {"llm_backbone_id": "vicuna-v15-7b"})
    config = openvla_config(resolve(tmp_path))
    beginning = "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
    beginning += "detailed, and polite answers to the user's questions. USER: "
    asked = "What action should the robot take to pick up the red cube? ASSISTANT:"
    assert str(robot_prompt(config, "Pick UP the red cube.")) == beginning + asked
    assert str(question_prompt(config, "What is red?")) == f"{beginning}What is red? ASSISTANT:"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"llm_backbone_id": "qwen25-0_5b-extra", "text_config": {"model_type": "qwen2"}},
            r"'qwen25-0_5b-extra' \(qwen2\)",
        ),
        ({"llm_backbone_id": "mistral-v0.1-7b-pure", "text_config": {"model_type": "mistral"}}, r"\(mistral\)"),
        ({"llm_backbone_id": "llama2-7b-chat"}, "'llama2-7b-chat'"),
    ],
)
def test_another_language_model_is_refused(change: dict[str, Any], told: str, tmp_path: Path) -> None:
    change_config(save_openvla(tmp_path), change)
    with pytest.raises(ValueError, match=f"config.json: the language model is .*{told}.*based on Llama 2"):
        load_openvla(resolve(tmp_path), device=CPU)


def test_state_statistics_identify_openvla_oft(tmp_path: Path) -> None:
    stored = statistics("libero_spatial_no_noops")
    entry = stored["libero_spatial_no_noops"]
    path = save_openvla(tmp_path) / "dataset_statistics.json"
    for state, refused in (([0.0] * 8, False), ([0.0] * 7 + [0.4], True)):
        path.write_text(
            json.dumps({"libero_spatial_no_noops": {**entry, "proprio": {"mean": state, "std": [0.0] * 8}}})
        )
        if refused:
            with pytest.raises(ValueError, match=r"contain the robot state.*OpenVLA-OFT.*put an action_card.json"):
                resolve(tmp_path).read_card()
        else:
            card = resolve(tmp_path).read_card()
    card.save(tmp_path)
    assert resolve(tmp_path).read_card().name == "OpenVLA, actions of libero_spatial_no_noops"


@pytest.mark.parametrize(
    ("given", "prompt"),
    [
        ({"unnorm_key": "bridge_orig"}, "In: What action should the robot take to pick up the red cube?\nOut:"),
        (
            {"vocabulary": "openvla", "center_crop": True},
            "In: What action should the robot take to pick up the red cube?\nOut:",
        ),
        ({"prompt": "Do: {instruction}", "lower_case": False}, "Do: Pick UP the red cube"),
    ],
)
def test_openvla_s_defaults_fill_rt2_config(given: dict[str, Any], prompt: str, tmp_path: Path) -> None:
    (save_openvla(tmp_path) / RT2_CONFIG_FILE).write_text(json.dumps(given))
    config = load_openvla(resolve(tmp_path), device=CPU).config
    assert str(robot_prompt(config, "Pick UP the red cube.")) == prompt
    assert str(question_prompt(config, "What is red?")) == "In: What is red?\nOut:"
    assert config.center_crop == given.get("center_crop", False)


@pytest.mark.parametrize(
    ("name", "base", "cropped"),
    [
        ("openvla-7b-finetuned-libero-goal", "openvla/openvla-7b", True),
        ("openvla-7b+libero_10_no_noops+b16+lr-0.0005+lora-r32+dropout-0.0--image_aug", "openvla/openvla-7b", True),
        ("mine", "openvla/openvla-7b-finetuned-libero-object", True),
        ("openvla-7b", "openvla/openvla-7b", False),
    ],
)
def test_the_center_crop_follows_from_what_the_checkpoint_says(
    name: str, base: str, cropped: bool, tmp_path: Path
) -> None:
    directory = save_openvla(tmp_path / name)
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, "_name_or_path": base}))
    assert openvla_config(resolve(directory)).center_crop is cropped
    assert center_cropped(str(directory)) is cropped
    (directory / RT2_CONFIG_FILE).write_text(json.dumps({"center_crop": not cropped}))
    assert openvla_config(resolve(directory)).center_crop is not cropped, "the user's word counts"
    assert center_cropped("rt1-untrained") is None


def test_a_wrong_rt2_config_is_refused_by_its_path(tmp_path: Path) -> None:
    path = save_openvla(tmp_path) / RT2_CONFIG_FILE
    for text, message in (
        ('{"center_crop": 1}', "center_crop is 1, expected bool"),
        ('{"vocabulary": "integers"}', "says 'integers' for an OpenVLA checkpoint"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=rf"{RT2_CONFIG_FILE}:? {message}"):
            load_openvla(resolve(tmp_path), device=CPU)


def test_a_card_takes_precedence_over_statistics_and_is_checked(tmp_path: Path) -> None:
    save_openvla(tmp_path)
    own = load_openvla(resolve(tmp_path), device=CPU).card
    dataclasses.replace(own, control_rate=8.0).save(tmp_path)
    assert load_openvla(resolve(tmp_path), device=CPU).card.control_rate == 8
    with pytest.raises(ValueError, match="so it has no statistics 'bridge_orig'"):
        resolve(f"{tmp_path}#bridge_orig").read_card()
    rt2_card(quantization="centers").save(tmp_path)
    with pytest.raises(ValueError, match="card says dimensions 8, an OpenVLA model has 7"):
        load_openvla(resolve(tmp_path), device=CPU)
    dataclasses.replace(own, state=(StateDimension("q1", "rad", -1, 1, "joint:a"),)).save(tmp_path)
    with pytest.raises(ValueError, match="card says numbers of the robot's state 1, an OpenVLA model has 0"):
        load_openvla(resolve(tmp_path), device=CPU)
    dataclasses.replace(own, horizon=8).save(tmp_path)
    with pytest.raises(ValueError, match="card says horizon 8, an OpenVLA model has 1"):
        load_openvla(resolve(tmp_path), device=CPU)
    (tmp_path / RT2_CONFIG_FILE).write_text('{"horizon": 8}')  # of a model fine-tuned to write chunks
    assert load_openvla(resolve(tmp_path), device=CPU).card.horizon == 8


def test_older_checkpoints_have_siglip_alone(tmp_path: Path) -> None:
    parts = load_openvla(resolve(save_openvla(tmp_path, fused=False)), device=CPU)
    assert list(parts.model.config.towers) == ["siglip"]
    policy = RT2Policy(parts)
    policy.reset("pick up the red cube")
    assert len(policy.decode(observe(0)).tokens) == 7


def damage(directory: Path, kind: str) -> None:
    path = directory / SHARDS[1]
    if kind == "gone":
        path.unlink()
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:-5000])
    else:
        weights = load_file(path)
        name = next(n for n in sorted(weights) if "blocks.0" in n)
        if kind == "lacking":
            del weights[name]
        elif kind == "unknown":
            weights["vision_backbone.featurizer.blocks.0.extra"] = torch.zeros(1)
        else:
            weights[name] = weights[name] * float("nan")
        save_file(weights, path)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("gone", f"{SHARDS[1]}, named by {INDEX}, is missing"),
        ("cut", "is damaged or truncated"),
        ("lacking", "The weights lack model.towers"),
        (
            "unknown",
            r"hold tensors that the model does not have \(vision_backbone.featurizer.blocks.0.extra; 1 in all\)",
        ),
        ("nan", "contains numbers that are not finite"),
    ],
)
def test_damaged_shards_are_refused(kind: str, message: str, tmp_path: Path) -> None:
    damage(save_openvla(tmp_path), kind)
    with pytest.raises(ValueError, match=message):
        load_openvla(resolve(tmp_path), device=CPU)


def test_a_lora_adapter_is_added_to_the_weights(checkpoint: Path, tmp_path: Path) -> None:
    module = "vision_backbone.featurizer.blocks.0.attn.qkv"
    generator = torch.Generator().manual_seed(1)
    a, b = torch.randn(2, 64, generator=generator), torch.randn(192, 2, generator=generator)
    pairs = {f"base_model.model.{module}.lora_A.weight": a, f"base_model.model.{module}.lora_B.weight": b}
    save_file(pairs, tmp_path / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 8, "base_model_name_or_path": str(checkpoint)}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    (tmp_path / "dataset_statistics.json").write_text(json.dumps(statistics("my_kitchen")))
    plain, adapted = (
        load_openvla(replace(resolve(checkpoint), adapter=adapter), device=CPU) for adapter in (None, tmp_path)
    )
    assert adapted.card.name == "OpenVLA, actions of my_kitchen"
    for i, part in enumerate("qkv"):
        name = f"model.towers.dino.encoder.layer.0.attention.{part}_proj.weight"
        change = adapted.model.state_dict()[name] - plain.model.state_dict()[name]
        np.testing.assert_allclose(change, 4 * (b @ a).chunk(3)[i], atol=1e-5)
    config["peft_type"] = "IA3"
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="is not a plain LoRA adapter"):
        load_openvla(replace(resolve(checkpoint), adapter=tmp_path), device=CPU)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_resize_strategy": "squeeze"}, "'squeeze' in preprocessor_config.json, expected one of resize-naive"),
        ({"input_sizes": []}, "preprocessor_config.json is not OpenVLA's"),
    ],
)
def test_unknown_preprocessing_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = save_openvla(tmp_path) / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=message):
        load_openvla(resolve(tmp_path), device=CPU)


def change_config(directory: Path, change: dict[str, Any]) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))


def action(**change: Any) -> dict[str, Any]:
    return {"norm_stats": {"x": {"action": {"q01": [0.0] * 7, "q99": [1.0] * 7, **change}}}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm_stats": [1]}, "The statistics are a list, expected an entry for each data set"),
        (action(q01=["a"] * 7), "The statistics of 'x' have no q01 and q99 of 7 numbers each"),
        (action(q99=[float("nan")] * 7), "The statistics of 'x' have no q01 and q99 of 7 numbers each"),
        (action(q01=1), "The statistics of 'x' have no q01 and q99 of 7 numbers each"),
        (action(mask=[True]), r"The statistics of 'x' have the mask \[True\], expected 7 booleans"),
        ({"image_sizes": 224}, r"image_sizes is 224, expected a list of pixels such as \[224, 224\]"),
        ({"n_action_bins": "256"}, "n_action_bins is '256', expected an integer of at least 2, usually 256"),
        ({"pad_token_id": None}, "pad_token_id is None, expected an integer of at least 0, usually 32000"),
        ({"pad_to_multiple_of": 64.5}, "pad_to_multiple_of is 64.5, expected an integer of at least 0, usually 64"),
    ],
)
def test_a_config_that_is_not_openvla_s_is_refused_by_its_path(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    change_config(save_openvla(tmp_path), change)
    with pytest.raises(ValueError, match=rf"config\.json: {message}"):
        load_openvla(resolve(tmp_path), device=CPU)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocab_size": 32000}, ": text_config has vocab_size 32000 .* the weights have 32064 word embeddings"),
        ({"pad_token_id": 40000}, ": text_config has .* pad_token_id 40000, the weights have 32064 word"),
        ({"num_attention_heads": 0}, " is not OpenVLA's: "),
    ],
)
def test_a_text_config_of_another_model_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    text = json.loads((save_openvla(tmp_path) / "config.json").read_text())["text_config"]
    change_config(tmp_path, {"text_config": {**text, **change}})
    with pytest.raises(ValueError, match=rf"config\.json{message}"):
        load_openvla(resolve(tmp_path), device=CPU)


@pytest.mark.parametrize(("change", "first"), [({}, 31999), ({"pad_to_multiple_of": 128}, 31935)])
def test_the_actions_end_where_the_padding_begins(change: dict[str, Any], first: int, tmp_path: Path) -> None:
    change_config(save_openvla(tmp_path), change)
    grammar = make_grammar(load_openvla(resolve(tmp_path), device=CPU))
    assert grammar.decode([first - number for number in range(7)]) == tuple(range(7))


def test_statistics_of_another_arm_are_refused(tmp_path: Path) -> None:
    path = save_openvla(tmp_path) / "config.json"
    config = json.loads(path.read_text())
    config["norm_stats"]["bridge_orig"]["action"]["q01"] = [0.0] * 14
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match="have no q01 and q99 of 7 numbers each"):
        load_openvla(resolve(tmp_path), device=CPU)


def of_data(key: str, low: Sequence[float], high: Sequence[float]) -> dict[str, Any]:
    return {key: {"action": {"q01": list(low), "q99": list(high), "mask": [True] * 6 + [False]}}}


# As published with OpenVLA's own checkpoints.
LIBERO = (
    (-0.7454732, -0.6616072, -0.9375, -0.1071429, -0.2067857, -0.1842857, 0.0),
    (0.9375, 0.8758929, 0.9321429, 0.1039286, 0.1767857, 0.1457143, 1.0),
)


def test_a_data_set_in_its_own_scale_is_converted_to_metres_and_radians() -> None:
    libero = card_from_statistics(of_data("libero_spatial_no_noops", *LIBERO), "")
    assert [round(d.high, 4) for d in libero.dimensions] == [0.0469, 0.0438, 0.0466, 0.052, 0.0884, 0.0729, 1.0]
    assert (libero.rotation, libero.control_rate) == ("rotation_vector", 20)
    assert card_from_statistics(of_data("LIBERO_goal", *LIBERO), "").dimensions == libero.dimensions
    droid = card_from_statistics(of_data("droid", [-1.0] * 6 + [0.0], [1.0] * 7), "")
    assert [d.high for d in droid.dimensions] == [0.075] * 3 + [0.15] * 3 + [1.0]
    check_meaning(libero, of_data("libero_spatial_no_noops", *LIBERO), "")


@pytest.mark.parametrize(
    ("low", "high", "sentence"),
    [
        (*LIBERO, r"'x' goes up to 0.938 m per action.*4.69 m/s: no arm is as fast.*a controller's own scale"),
        ([-0.02] * 3 + [-20.0] * 3 + [0.0], [0.02] * 3 + [20.0] * 3 + [1.0], r"'roll' .*100 rad/s.*look like degrees"),
        ([-0.02] * 6 + [-1.0], [0.02] * 6 + [1.0], r"a gripper from -1 to 1; in OpenVLA's data it is 0 closed and 1"),
        ([-0.02] * 6 + [0.0], [0.02] * 6 + [255.0], r"a gripper from 0 to 255"),
        ([-0.02] * 6 + [0.0], [0.02] * 6 + [0.08], r"a gripper from 0 to 0.08"),
        ([-0.4] * 6 + [0.0], [0.59] * 6 + [1.0], r"have x, y, z beyond 0.3 m per action, so they seem to be in"),
        ([-30.0] * 3 + [0.0] * 4, [30.0] * 7, r"config.json: 'x' ranges from -30 to 30 m per action"),
        ([0.02] * 6 + [0.0], [-0.02] * 6 + [1.0], r"have a q01 above its q99"),
    ],
)
def test_statistics_that_cannot_be_metres_and_radians_are_refused(
    tmp_path: Path, low: Sequence[float], high: Sequence[float], sentence: str
) -> None:
    save_openvla(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "norm_stats": of_data("mine", low, high)}))
    with pytest.raises(CheckpointError, match=sentence):
        resolve(str(tmp_path)).read_card()
