"""Parity with the public reference on seeded weights: features, logits, tokens and actions."""

from __future__ import annotations

import copy
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.small_tokenizers import small_tokenizer
from support.vlms import random_image

from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.policies.packed_linear import PackedLinear, can_pack
from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.decoding.action_grammar import ActionGrammar
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import openvla
from rt_vla_ros.policies.rt2.decoding.constrained_decoding import prefix_allowed_tokens
from rt_vla_ros.policies.rt2.decoding.engine import DecodingEngine
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts
from rt_vla_ros.policies.rt2.openvla.card import card_from_statistics
from rt_vla_ros.policies.rt2.openvla.model import OpenVLAConfig, OpenVLAForActionPrediction, empty_model
from rt_vla_ros.policies.rt2.openvla.processor import OpenVLAProcessor
from rt_vla_ros.policies.rt2.openvla.weights import converted, fill, prefixes, tower_settings
from rt_vla_ros.policies.rt2.policy import RT2Policy

GOLDEN = Path(__file__).resolve().parents[3] / "fixtures" / "openvla_golden"
CPU = torch.device("cpu")
ACTION_TOKENS = slice(31744, 32064)


def seeded() -> Any:
    spec = importlib.util.spec_from_file_location("seeded_weights", GOLDEN / "seeded_weights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray[Any, Any]]:
    with np.load(GOLDEN / "dev.npz") as data:
        return {name: data[name] for name in data.files}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return dict(json.loads((GOLDEN / "config_small.json").read_text()))


@pytest.fixture(scope="module")
def model(config: dict[str, Any]) -> OpenVLAForActionPrediction:
    """558 MB of weights, made and filled in one by one."""
    weights = seeded()
    shapes = weights.read_keys(GOLDEN / "state_dict_keys_small.txt")
    made = empty_model(OpenVLAConfig(config["text_config"], tower_settings(shapes)), CPU, torch.float32)
    fill(made, ((name, torch.from_numpy(weights.seeded_tensor(name, s, 0))) for name, s in shapes.items()), shapes)
    return made


def processor(golden: dict[str, np.ndarray[Any, Any]], which: str = "", **options: Any) -> OpenVLAProcessor:
    settings = json.loads(str(golden[f"preprocessor_config_{which}json"]))
    return OpenVLAProcessor(settings, small_tokenizer("byte_bpe"), image_tokens=256, image_token_id=32000, **options)


@pytest.fixture(scope="module")
def inputs(golden: dict[str, np.ndarray[Any, Any]]) -> dict[str, torch.Tensor]:
    prepared = processor(golden)
    ids = prepared.token_ids(golden["input_ids"][0].tolist())
    return {"input_ids": ids[None], **prepared.image_inputs([golden["image_u8"]])}


def largest(found: Any, expected: np.ndarray[Any, Any]) -> float:
    array = found.numpy() if isinstance(found, torch.Tensor) else np.asarray(found)
    assert array.shape == expected.shape
    return float(np.abs(array.astype(np.float64) - expected).max())


def test_pixels(golden: dict[str, np.ndarray[Any, Any]], inputs: dict[str, torch.Tensor]) -> None:
    assert largest(inputs["pixel_values"], golden["pixel_values"]) < 1e-6
    for which in ("f32stats", "letterbox", "resize_crop"):
        pixels = processor(golden, f"{which}_").image_inputs([golden["image_u8"]])["pixel_values"]
        assert largest(pixels[:, :, ::8, ::8], golden[f"pixel_values_{which}_sub"]) < 1e-6, which
    small = seeded().seeded_image(int(golden["image256_u8_seed"]), 256, 256)
    pixels = processor(golden).image_inputs([small])["pixel_values"]
    assert largest(pixels[:, :, ::8, ::8], golden["pixel_values_256_sub"]) < 1e-6


@torch.inference_mode()
def test_features(
    golden: dict[str, np.ndarray[Any, Any]], model: OpenVLAForActionPrediction, inputs: dict[str, torch.Tensor]
) -> None:
    dino, siglip = model.model.image_features(inputs["pixel_values"])
    assert largest(dino[0, ::4, ::8], golden["dino_patches_sub"]) < 1e-5
    assert largest(siglip[0, ::4, ::8], golden["siglip_patches_sub"]) < 1e-5
    embedded = model.model.embed(**inputs)
    assert largest(embedded[0, 1:257], golden["projector"]) < 1e-5
    assert largest(embedded[0, :, ::8], golden["multimodal_embeddings_sub"]) < 1e-5


@torch.inference_mode()
def test_logits(
    golden: dict[str, np.ndarray[Any, Any]], model: OpenVLAForActionPrediction, inputs: dict[str, torch.Tensor]
) -> None:
    logits = model(**inputs).logits[0]
    everywhere = largest(logits[:, ::128], golden["logits_seq_sub"])
    print(f"as loaded: prompt's logits {everywhere:.1e}")
    assert largest(logits[-1], golden["logits_last"]) < 1.5e-5
    assert everywhere < 2.5e-5  # 1.7e-5 with ONEDNN_MAX_CPU_ISA=AVX2
    black = processor(golden).image_inputs([np.zeros((480, 640, 3), np.uint8)])
    other = model(inputs["input_ids"], **black, logits_to_keep=1).logits[0, 0]
    assert largest(other[::16], golden["logits_last_black_image"]) < 1.5e-5
    text = model(torch.from_numpy(golden["input_ids"])).logits[0, -1]
    assert largest(text[::16], golden["logits_last_text_only"]) < 1.5e-5
    hole = torch.from_numpy(golden["attention_mask_hole"])
    mask = torch.cat([hole[:, :1], hole.new_ones(1, 256), hole[:, 1:]], dim=1)
    holed = model(**inputs, attention_mask=mask).logits[0, -1]
    assert largest(holed[::16], golden["logits_last_mask_hole"]) < 1.5e-5


@torch.inference_mode()
def test_tokens_and_actions(
    golden: dict[str, np.ndarray[Any, Any]],
    config: dict[str, Any],
    model: OpenVLAForActionPrediction,
    inputs: dict[str, torch.Tensor],
) -> None:
    grammar = ActionGrammar(openvla(32000, 256, [2]), (256,) * 7)
    engine = DecodingEngine(model)
    engine.prepare(inputs, grammar)
    assert engine._sliced
    decoded = next(engine.decode(inputs, grammar))
    assert decoded.tokens == tuple(golden["action_tokens"].tolist())
    for key in ("fake_bridge", "fake_libero", "fake_nomask"):
        tokenizer = ActionTokenizer(card_from_statistics(config["norm_stats"], key))
        assert largest(tokenizer.decode(grammar.decode(decoded.tokens)), golden[f"actions_{key}"]) < 1e-6
    step = torch.cat([inputs["input_ids"], torch.tensor([decoded.tokens[:-1]])], dim=1)
    logits = model(step, inputs["pixel_values"], logits_to_keep=7).logits[0, :, ACTION_TOKENS]
    steps = largest(logits, golden["step_logits_action"])
    print(f"as loaded: action's logits {steps:.1e}")
    assert steps < 1.5e-5
    black = dict(inputs, **processor(golden).image_inputs([np.zeros((480, 640, 3), np.uint8)]))
    assert next(engine.decode(black, grammar)).tokens == tuple(golden["action_tokens_black_image"].tolist())


@pytest.fixture(scope="module")
def policy(
    golden: dict[str, np.ndarray[Any, Any]], config: dict[str, Any], model: OpenVLAForActionPrediction
) -> RT2Policy:
    """As it runs on a CPU, with packed linear layers."""
    card = card_from_statistics(config["norm_stats"], "fake_bridge")
    made = RT2Policy(RT2Parts(copy.deepcopy(model), processor(golden), RT2Config("openvla"), card))
    assert any(isinstance(module, PackedLinear) for module in made.parts.model.modules()) == can_pack()
    return made


@torch.inference_mode()
def test_the_policy_on_a_cpu_differs_by_rounding_only(
    golden: dict[str, np.ndarray[Any, Any]], policy: RT2Policy, inputs: dict[str, torch.Tensor]
) -> None:
    """Packed layers add in another order than the reference's; docs/rt2.md says what that came to."""
    whole: Any = policy.parts.model
    dino, siglip = whole.model.image_features(inputs["pixel_values"])
    features = largest(dino[0, ::4, ::8], golden["dino_patches_sub"])
    features = max(features, largest(siglip[0, ::4, ::8], golden["siglip_patches_sub"]))
    logits = whole(**inputs).logits[0]
    last, everywhere = largest(logits[-1], golden["logits_last"]), largest(logits[:, ::128], golden["logits_seq_sub"])
    decoded = next(policy._engine.decode(inputs, policy._grammar))
    step = torch.cat([inputs["input_ids"], torch.tensor([decoded.tokens[:-1]])], dim=1)
    found = whole(step, inputs["pixel_values"], logits_to_keep=7).logits[0, :, ACTION_TOKENS]
    steps = largest(found, golden["step_logits_action"])
    print(f"reordered: features {features:.1e}, prompt's logits {everywhere:.1e}, action's logits {steps:.1e}")
    assert features < 2e-5
    assert max(last, steps) < 2e-5
    assert everywhere < 4e-5


@torch.inference_mode()
def test_the_policy_on_a_cpu_matches_the_reference(
    golden: dict[str, np.ndarray[Any, Any]], policy: RT2Policy, inputs: dict[str, torch.Tensor]
) -> None:
    engine, grammar = policy._engine, policy._grammar
    engine.prepare(inputs, grammar)
    assert engine._sliced
    decoded = next(engine.decode(inputs, grammar))
    assert decoded.tokens == tuple(golden["action_tokens"].tolist())
    action = ActionTokenizer(policy.card).decode(grammar.decode(decoded.tokens))
    assert largest(action, golden["actions_fake_bridge"]) < 1e-6
    black = dict(inputs, **processor(golden).image_inputs([np.zeros((480, 640, 3), np.uint8)]))
    assert next(engine.decode(black, grammar)).tokens == tuple(golden["action_tokens_black_image"].tolist())


@torch.inference_mode()
def test_speculation_and_generate_agree(model: OpenVLAForActionPrediction, inputs: dict[str, torch.Tensor]) -> None:
    grammar = ActionGrammar(openvla(32000, 256, [2]), (256,) * 7)
    engine = DecodingEngine(model)
    engine.prepare(inputs, grammar)
    length = inputs["input_ids"].shape[1]
    output = model.generate(
        **inputs, max_new_tokens=7, do_sample=False, prefix_allowed_tokens_fn=prefix_allowed_tokens(grammar, length)
    )
    tokens = tuple(output[0, length:].tolist())
    wrong = [token - 1 for token in tokens]
    drafts = {1: tokens, 7: wrong, 4: (*tokens[:3], *wrong[3:6], tokens[6])}
    for passes, draft in drafts.items():
        decoded = next(engine.decode(inputs, grammar, previous=draft))
        assert (decoded.tokens, decoded.passes) == (tokens, passes)


def test_half_precision_keeps_the_rotary_frequencies(config: dict[str, Any]) -> None:
    shapes = seeded().read_keys(GOLDEN / "state_dict_keys_small.txt")
    made = empty_model(OpenVLAConfig(config["text_config"], tower_settings(shapes)), CPU, torch.bfloat16)
    assert {parameter.dtype for parameter in made.parameters()} == {torch.bfloat16}
    assert made.model.language_model.rotary_emb.inv_freq.dtype == torch.float32


def test_every_published_name_is_mapped() -> None:
    shapes = seeded().read_keys(GOLDEN / "state_dict_keys_full.txt")
    settings = tower_settings(shapes)
    assert settings["dino"] == {"width": 1024, "layers": 24, "heads": 16, "feed_forward": 4096, "registers": 4}
    assert settings["siglip"] == {"width": 1152, "layers": 27, "heads": 16, "feed_forward": 4304, "registers": 0}
    with torch.device("meta"):
        whole = OpenVLAForActionPrediction(OpenVLAConfig({"vocab_size": 32064}, settings))
        parameters = {name: tuple(parameter.shape) for name, parameter in whole.named_parameters()}
        last = {tower: s["layers"] - 1 for tower, s in settings.items()}
        found: dict[str, tuple[int, ...]] = {}
        for name, shape in shapes.items():
            found |= {t: tuple(p.shape) for t, p in converted(name, torch.empty(shape), prefixes(shapes), last)}
    mask_tokens = {name: shape for name, shape in parameters.items() if name.endswith("mask_token")}
    assert found | mask_tokens == parameters


def test_center_crop_keeps_the_middle_nine_tenths(golden: dict[str, np.ndarray[Any, Any]]) -> None:
    image = np.zeros((400, 400, 3), np.uint8)
    image[200:, :] = 200
    image[:8] = image[:, :8] = 255  # beyond the crop: (1 - sqrt(0.9)) / 2 of 400 is 10.3 pixels
    cropped = processor(golden, center_crop=True).image_inputs([image])["pixel_values"]
    whole = processor(golden).image_inputs([image])["pixel_values"]
    assert cropped.shape == whole.shape
    assert whole[0, 0, :2].max() > 2
    assert cropped[0, 0, :2].max() < -2  # black
    noise = random_image(0, 224, 224)
    assert not torch.equal(
        processor(golden, center_crop=True).image_inputs([noise])["pixel_values"],
        processor(golden).image_inputs([noise])["pixel_values"],
    )
