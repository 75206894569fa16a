"""What cannot be used is refused with a sentence that says what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.vlms import rt2_card, save_openvla, save_vlm
from transformers import LlamaConfig, LlamaForCausalLM

from rt_vla_ros import host_memory
from rt_vla_ros.policies.checkpoint.errors import first_line
from rt_vla_ros.policies.checkpoint.files import RT2_CONFIG_FILE
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.loading import memory
from rt_vla_ros.policies.rt2.loading.parts import check_tokens, load_rt2
from rt_vla_ros.policies.rt2.loading.weight_files import WeightFiles
from rt_vla_ros.policies.rt2.policy import RT2Policy

CPU = torch.device("cpu")
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vlm(tmp_path_factory.mktemp("good"), "paligemma")


@pytest.fixture
def checkpoint(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "checkpoint"))


def edit(path: Path, **changes: object) -> None:
    """Changes keys of a JSON file; None removes one."""
    data = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))


def text_only(directory: Path) -> None:
    config = LlamaConfig(
        vocab_size=300, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    LlamaForCausalLM(config).save_pretrained(directory)


def no_processor(directory: Path) -> None:
    for name in ("preprocessor_config.json", "processor_config.json"):
        (directory / name).unlink(missing_ok=True)


def damaged_weights(directory: Path) -> None:
    content = (directory / WEIGHTS).read_bytes()
    (directory / WEIGHTS).write_bytes(content[: len(content) // 2])


def shards(directory: Path) -> None:
    """The weights in two files with an index, the second of them gone."""
    weights = load_file(directory / WEIGHTS)
    names = sorted(weights)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, part in parts.items():
        save_file({name: weights[name] for name in part}, directory / file, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: file for file, part in parts.items() for name in part}}
    (directory / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    (directory / WEIGHTS).unlink()


def second_shard_gone(directory: Path) -> None:
    shards(directory)
    (directory / "model-00002-of-00002.safetensors").unlink()


def second_shard_cut(directory: Path) -> None:
    shards(directory)
    path = directory / "model-00002-of-00002.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def shard_named(name: str) -> Callable[[Path], object]:
    """All weights in one file, which the index calls by this name."""

    def change(directory: Path) -> None:
        weights = load_file(directory / WEIGHTS)
        (directory / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": dict.fromkeys(weights, name)}))
        outside = directory.parent / "w.safetensors"
        (directory / WEIGHTS).rename(directory / name if name == "w.bin" else outside)

    return change


def many_shards(directory: Path) -> None:
    (directory / WEIGHTS).unlink()
    named = {str(number): f"{number}.safetensors" for number in range(400_000)}
    (directory / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": named}))


def layers(count: int) -> Callable[[Path], object]:
    """config.json says so many; each is a small part of what there is."""

    def change(directory: Path) -> None:
        text = json.loads((directory / "config.json").read_text())["text_config"]
        edit(directory / "config.json", text_config={**text, "num_hidden_layers": count, "layer_types": None})

    return change


def wide(directory: Path) -> None:
    text = json.loads((directory / "config.json").read_text())["text_config"]
    edit(directory / "config.json", text_config={**text, "hidden_size": 10**9})


def index_without_map(directory: Path) -> None:
    shards(directory)
    (directory / f"{WEIGHTS}.index.json").write_text("{}")


def no_image_processor(directory: Path) -> None:
    (directory / "preprocessor_config.json").unlink()
    (directory / "processor_config.json").write_text('{"processor_class": "PaliGemmaProcessor"}')


Weights = dict[str, torch.Tensor]


def change_weights(directory: Path, change: Callable[[Weights], Weights]) -> None:
    save_file(change(load_file(directory / WEIGHTS)), directory / WEIGHTS, metadata={"format": "pt"})


def missing_tensor(directory: Path) -> None:
    change_weights(directory, lambda weights: {n: w for n, w in weights.items() if not n.endswith("q_proj.weight")})


def unmerged_adapter(directory: Path) -> None:
    half = "model.language_model.layers.0.self_attn.q_proj.lora_A.default.weight"
    change_weights(directory, lambda weights: {**weights, half: torch.zeros(2, 64)})


def surplus(directory: Path) -> None:
    head = {f"action_head.{i}.weight": torch.zeros(2) for i in range(6)}
    change_weights(directory, lambda weights: {**weights, **head, "a.rotary_emb.inv_freq": torch.zeros(2)})


def not_finite(directory: Path) -> None:
    change_weights(directory, lambda weights: {n: w * float("nan") for n, w in weights.items()})


def other_shapes(directory: Path) -> None:
    change_weights(directory, lambda w: {n: t[:-1].clone() if "q_proj.weight" in n else t for n, t in w.items()})


def pickled_weights(directory: Path) -> None:
    (directory / WEIGHTS).unlink()
    (directory / "pytorch_model.bin").write_bytes(b"not looked at")


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "text only": (text_only, "'llama', which does not take images and text .*needs a vision-language model"),
    "no processor": (no_processor, "has no image processor.*Copy it from the base model"),
    "no image processor": (
        no_image_processor,
        r"has no image processor \(preprocessor_config.json, or image_processor",
    ),
    "processor a list": (lambda d: (d / "preprocessor_config.json").write_text("[]"), "holds a list, expected a JSON"),
    "no tokenizer": (
        lambda d: (d / "tokenizer.json").unlink(),
        r"has no tokenizer \(tokenizer.json.*Copy all its files",
    ),
    "wrong value": (
        lambda d: edit(d / "config.json", projection_dim="four"),
        r"config.json cannot be used: Validation error.*'projection_dim'.* expected int.*'four'",
    ),
    "no type": (lambda d: edit(d / "config.json", model_type=None), "config.json lacks model_type.*Copy it again"),
    "remote code": (
        lambda d: edit(d / "config.json", model_type="openflamingo", auto_map={"AutoConfig": "a.B"}),
        r"needs the Python code in its directory \(a.py\).*trust_remote_code:=true",
    ),
    "unknown type": (
        lambda d: edit(d / "config.json", model_type="palm-e"),
        "'palm-e', which transformers .* does not know",
    ),
    "no config": (lambda d: (d / "config.json").unlink(), "it lacks config.json"),
    "config no JSON": (lambda d: (d / "config.json").write_text("{"), "config.json is not JSON"),
    "no card": (lambda d: (d / "action_card.json").unlink(), "has no action_card.json"),
    "no rt2 config": (lambda d: (d / RT2_CONFIG_FILE).unlink(), 'smallest one is {"vocabulary": "integers"}'),
    "damaged weights": (damaged_weights, "weights in .* cannot be loaded"),
    "shard gone": (second_shard_gone, "cannot be loaded: model-00002-of-00002.* is missing.*download it"),
    "shard cut": (
        second_shard_cut,
        "cannot be loaded: model-00002-of-00002.* is damaged or truncated.*Copy it again",
    ),
    "index without a map": (index_without_map, "cannot be loaded: .*index.json has no weight_map.*Copy it again"),
    "shard outside": (
        shard_named("../w.safetensors"),
        "names the file '../w.safetensors', expected the name of a file in",
    ),
    "shard of no place": (
        shard_named("/w.safetensors"),
        "names the file '/w.safetensors', expected the name of a file",
    ),
    "shard a pickle": (shard_named("w.bin"), r"index.json names w.bin, expected .safetensors. Convert them"),
    "many shards": (many_shards, "index.json names 400,000 files, expected at most 1,000"),
    "more layers": (layers(9_999), "config.json describes a larger model than the weights are"),
    "10^9 layers": (layers(10**9), "num_hidden_layers is 1000000000, expected at most 10,000"),
    "wide": (wide, "config.json describes a larger model than the weights are"),
    "kernels": (lambda d: edit(d / "config.json", attn_implementation="x/y"), "'x/y', expected one of eager, sdpa"),
    "missing tensor": (missing_tensor, "lack .*q_proj.weight.*; these would be random"),
    "adapter in it": (unmerged_adapter, r"hold tensors of an adapter that was not merged \(.*q_proj.lora_A"),
    "surplus": (
        surplus,
        r"hold tensors that the model does not have \(action_head.0.*action_head.3.weight and 2 more; 6 in all",
    ),
    "not finite": (not_finite, "contains numbers that are not finite"),
    "pickle": (pickled_weights, "cannot be loaded: there is neither model.safetensors nor .*convert"),
    "other shapes": (other_shapes, "do not match config.json: .*q_proj"),
}


def cut_in_half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


SPOIL: dict[str, Callable[[Path], object]] = {
    "cut": cut_in_half,
    "empty": lambda path: path.write_bytes(b""),
    "null": lambda path: path.write_text("null"),
    "list": lambda path: path.write_text("[1, 2]"),
    "other keys": lambda path: path.write_text('{"model": {}, "version": [], "size": "large"}'),
}


@pytest.mark.parametrize("family", ["paligemma", "qwen2_vl", "smolvlm", "openvla"])
def test_every_damaged_file_is_refused_or_does_no_harm(family: str, tmp_path: Path) -> None:
    whole, copy = tmp_path / "whole", tmp_path / "copy"
    save_openvla(whole) if family == "openvla" else save_vlm(whole, family)
    sentences = []
    for name in sorted(file.name for file in whole.iterdir()):
        for spoil in SPOIL.values():
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(whole, copy)
            spoil(copy / name)
            try:
                load_policy(str(copy), device="cpu").reset("pick up the red cube")
            except ValueError as error:
                sentences.append(str(error))
    assert len(sentences) >= 20
    assert min(map(len, sentences)) > 30, min(sentences, key=len)


def test_a_tokenizer_of_another_model_is_refused(checkpoint: Path) -> None:
    model = load_rt2(resolve(checkpoint), device=CPU).model
    check_tokens(model, torch.tensor([[0, 1, model.config.image_token_id]]))
    with pytest.raises(ValueError, match="uses the token 100000, the model's embedding table has"):
        check_tokens(model, torch.tensor([[1, 100_000]]))


@pytest.mark.parametrize("case", BAD)
def test_bad_checkpoints_are_refused_with_a_sentence(case: str, checkpoint: Path) -> None:
    spoil, message = BAD[case]
    spoil(checkpoint)
    with pytest.raises(ValueError, match=message):
        load_rt2(resolve(checkpoint), device=CPU)


def test_a_configuration_without_a_type_is_identified_by_other_files(checkpoint: Path) -> None:
    edit(checkpoint / "config.json", model_type=None)
    with pytest.raises(ValueError, match="lacks model_type, which identifies"):
        load_policy(str(checkpoint), device="cpu")


def test_tied_heads_and_buffers_of_older_versions_are_accepted(checkpoint: Path) -> None:
    whole = load_rt2(resolve(checkpoint), device=CPU).model
    stored = {
        "lm_head.weight": whole.get_input_embeddings().weight.detach().clone(),
        "model.language_model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(8),
        "model.vision_tower.embeddings.position_ids": torch.zeros(16, dtype=torch.int64),
    }
    assert whole.get_output_embeddings().weight is whole.get_input_embeddings().weight
    change_weights(checkpoint, lambda weights: {**weights, **stored})
    again = load_rt2(resolve(checkpoint), device=CPU).model.state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.state_dict().items())


def test_action_tokens_of_fast_are_refused_unless_they_are_bins(tmp_path: Path) -> None:
    save_vlm(tmp_path, "qwen2_vl")
    path = tmp_path / "tokenizer.json"
    path.write_text(path.read_text().replace('"<|vision_end|>"', '"<robot_action_0>"'))
    with pytest.raises(ValueError, match=r"has action tokens of FAST .<robot_action_0> .*as NORA's"):
        load_rt2(resolve(tmp_path), device=CPU)
    RT2Config("overwritten", tuple(range(100, 356))).save(tmp_path)
    load_rt2(resolve(tmp_path), device=CPU)


def test_an_error_message_is_not_truncated_before_the_reason() -> None:
    said = first_line(ValueError("not good:\n  because\n of\n this"))
    assert (said, first_line(KeyError("size"))) == ("not good: because", "the key 'size' is missing")
    assert first_line(ValueError()) == "ValueError"


def test_the_same_weights_in_shards_load(checkpoint: Path) -> None:
    whole = load_rt2(resolve(checkpoint), device=CPU).model.state_dict()
    shards(checkpoint)
    again = load_rt2(resolve(checkpoint), device=CPU).model.state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items())


def test_card_of_other_dimensions_is_refused(checkpoint: Path) -> None:
    RT2Config("overwritten", tuple(range(100, 356))).save(checkpoint)
    RT2Policy(load_rt2(resolve(checkpoint), device=CPU))
    rt2_card(bins=128).save(checkpoint)
    with pytest.raises(ValueError, match="lists 256 overwritten tokens, the card has 128 bins"):
        RT2Policy(load_rt2(resolve(checkpoint), device=CPU))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocabulary": "letters"}, "'letters', expected one of integers, overwritten, openvla"),
        ({"vocabulary": None}, "vocabulary is missing"),
        ({"promt": "x"}, "unknown key 'promt'.*Did you mean 'prompt'"),
        ({"prompt": "do it"}, "expected a text with {instruction} in it"),
        ({"plan_tokens": 1025}, "plan_tokens is 1025, expected 0 to 1024"),
        ({"plan_tokens": "many"}, "plan_tokens is 'many', expected int"),
        ({"plan_on_request": 1025}, "plan_on_request is 1025, expected 0 to 1024"),
        ({"plan_on_request": -1}, "plan_on_request is -1, expected 0 to 1024"),
        ({"plan_on_request": True}, "plan_on_request is True, expected int"),
        ({"plan_on_request": 6.0}, "plan_on_request is 6.0, expected int"),
        ({"tokens": [1]}, '"overwritten" and only for it'),
        ({"version": 2}, "reads version 1"),
    ],
)
def test_bad_configurations_are_refused(changes: dict[str, object], message: str, checkpoint: Path) -> None:
    edit(checkpoint / RT2_CONFIG_FILE, **changes)
    with pytest.raises(ValueError, match=message):
        RT2Config.load(checkpoint)


def test_configuration_survives_saving(tmp_path: Path) -> None:
    config = RT2Config(
        "overwritten", tokens=(5, 3, 4), plan_tokens=20, plan_on_request=6, chat=True, leading_space=False
    )
    config.save(tmp_path)
    assert RT2Config.load(tmp_path) == config


def test_insufficient_memory_is_reported_in_bytes(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files = WeightFiles.find(checkpoint)
    needed = memory.needed_bytes(files, torch.float32)
    numbers = sum(tensor.numel() for tensor in load_file(checkpoint / WEIGHTS).values())
    assert needed == int(numbers * 4 * memory.WORKING_SHARE)
    assert memory.needed_bytes(files, torch.bfloat16) == pytest.approx(needed / 2, abs=1)
    little = tmp_path / "meminfo"
    little.write_text("MemTotal: 99999999 kB\nMemAvailable: 100 kB\n")
    monkeypatch.setattr(host_memory, "MEMORY_FILE", little)
    with pytest.raises(memory.OutOfMemoryError, match=f"needs about {needed:,} bytes.* 102,400 bytes are free"):
        load_rt2(resolve(checkpoint), device=CPU)
