"""Which kinds of models are refused, before their weights are read or at their first prompt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.other_vlms import NAMES, save_other
from support.vlms import rt2_card, save_vlm
from transformers import CLIPVisionConfig, GitConfig, GitForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.decoding.action_grammar import ActionGrammar
from rt_vla_ros.policies.rt2.decoding.engine import DecodingEngine
from rt_vla_ros.policies.rt2.families import TESTED, FirstPromptError, ModelFamilyError, check_family
from rt_vla_ros.policies.rt2.loading.parts import load_processor
from rt_vla_ros.policies.rt2.policy import make_grammar
from rt_vla_ros.policies.rt2.tiny.small_models import FAMILIES

DOCS = Path(__file__).resolve().parents[3] / "docs" / "rt2.md"
REFUSED = {
    "mllama": "uses cross-attention for images",
    "idefics": "uses cross-attention for images",
    "florence2": "is an encoder-decoder",
    "pix2struct": "is an encoder-decoder",
    "udop": "is an encoder-decoder",
    "vision-encoder-decoder": "is an encoder-decoder",
    "blip": "needs pixel_values again with every token",
    "blip-2": "needs pixel_values again with every token",
    "instructblip": "needs pixel_values and qformer_input_ids again with every token",
}


def test_the_families_that_are_tested_are_named() -> None:
    assert set(TESTED) == {*FAMILIES, *NAMES, "openvla"}
    text = DOCS.read_text(encoding="utf-8")
    assert [name for name in TESTED.values() if name not in text] == []


@pytest.mark.parametrize("kind", REFUSED)
def test_a_model_of_another_architecture_is_refused(kind: str) -> None:
    config = CONFIG_MAPPING[kind]
    parts = {}
    if kind == "vision-encoder-decoder":
        parts = {"encoder": CONFIG_MAPPING["vit"]().to_dict(), "decoder": CONFIG_MAPPING["bert"]().to_dict()}
    with pytest.raises(ModelFamilyError, match=rf"'{kind}' {REFUSED[kind]}\. .*decoder-only.*Tested families: Gemma 3"):
        check_family(config(**parts), MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING[config])


@pytest.mark.parametrize("kind", [*FAMILIES, *NAMES, "aria", "vipllava", "deepseek_vl"])
def test_decoder_only_models_are_not_refused(kind: str) -> None:
    check_family(CONFIG_MAPPING[kind](), MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING[CONFIG_MAPPING[kind]])


def test_it_is_refused_before_anything_else_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "mllama"}')
    rt2_card().save(tmp_path)
    RT2Config("integers").save(tmp_path)
    with pytest.raises(ModelFamilyError, match="'mllama' uses cross-attention for images"):
        load_policy(str(tmp_path), device="cpu")


def test_a_model_that_ignores_the_image_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = save_vlm(tmp_path, "paligemma") / "model.safetensors"
    blind = {n: t * 0 if n.endswith("projector.linear.weight") else t for n, t in load_file(path).items()}
    save_file(blind, path, metadata={"format": "pt"})
    load_policy(str(tmp_path), device="cpu").reset("go")
    assert "output does not depend on the image" in caplog.text


def test_a_model_with_a_wrong_cache_is_refused(tmp_path: Path) -> None:
    """GIT puts the image before the text by itself, and positions of later tokens with it."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    vision = CLIPVisionConfig(**sizes, image_size=56, patch_size=14).to_dict()
    tokenizer = load_processor(save_vlm(tmp_path, "paligemma")).tokenizer
    model = GitForCausalLM(GitConfig(vision_config=vision, vocab_size=len(tokenizer), **sizes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    grammar = make_grammar_of(tmp_path)
    inputs = {"input_ids": torch.arange(5, 15)[None], "pixel_values": torch.randn(1, 3, 56, 56)}
    with pytest.raises(ModelFamilyError, match="'git' gives different results for single tokens than for all at once"):
        DecodingEngine(model).prepare(inputs, grammar)


def make_grammar_of(directory: Path) -> ActionGrammar:
    from rt_vla_ros.policies.checkpoint.resolve import resolve
    from rt_vla_ros.policies.rt2.loading.parts import load_rt2

    grammar = make_grammar(load_rt2(resolve(directory), device=torch.device("cpu")))
    assert isinstance(grammar, ActionGrammar)
    return grammar


def test_an_error_inside_the_model_is_not_reported_as_a_user_error(tmp_path: Path) -> None:
    path = save_vlm(tmp_path, "paligemma") / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "image_seq_length": 7}))
    policy = load_policy(str(tmp_path), device="cpu")
    with pytest.raises(FirstPromptError, match=r"cannot read an image and a prompt \(.*tokens.*belong together"):
        policy.reset("go")
    told = str(FirstPromptError(CONFIG_MAPPING["aria"](), KeyError("size")))
    assert "(the key 'size' is missing). The type 'aria' is not a tested family; tested are: Gemma 3," in told


def test_images_larger_than_the_context_are_not_reported_as_a_long_instruction(tmp_path: Path) -> None:
    path = save_vlm(tmp_path, "qwen2_vl") / "config.json"
    config = json.loads(path.read_text())
    config["text_config"]["max_position_embeddings"] = 35
    path.write_text(json.dumps(config))
    with pytest.raises(
        ValueError, match=r"images take \d+ tokens and the output up to \d+, the model's context has 35"
    ):
        load_policy(str(tmp_path), device="cpu").reset("go")


def test_a_combined_processor_that_cannot_be_used_is_told_with_the_reason(tmp_path: Path) -> None:
    save_other(tmp_path, "gemma3")
    path = tmp_path / "tokenizer_config.json"
    settings = {k: v for k, v in json.loads(path.read_text()).items() if k not in ("boi_token", "extra_special_tokens")}
    path.write_text(json.dumps({k: v for k, v in settings.items() if k != "model_specific_special_tokens"}))
    with pytest.raises(ValueError, match=r"combined processor in .* cannot be used \(.*boi_token.*how Gemma3Image"):
        load_processor(tmp_path)


def test_a_family_with_other_image_delimiters_is_not_mistaken_for_qwen(tmp_path: Path) -> None:
    save_vlm(tmp_path, "qwen2_vl")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace("<|vision_start|>", "<|begin_of_image|>"))
    with pytest.raises(
        ValueError, match=r"cannot be used \(.*how Qwen2VLImageProcessorPil counts image tokens is unknown"
    ):
        load_processor(tmp_path)
