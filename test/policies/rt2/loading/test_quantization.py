"""int8 and int4 weights: how many bytes they take, that the model still acts, and where they are refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.small_tokenizers import small_tokenizer
from support.vlms import random_image, save_openvla, save_vlm
from torch import nn

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.resolve import WEIGHTS, resolve
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt2.loading import memory
from rt_vla_ros.policies.rt2.loading.parts import load_rt2
from rt_vla_ros.policies.rt2.loading.quantization import (
    WeightsError,
    check_quantization,
    number_type,
    quantizable,
    quantize,
    weight_bytes,
)
from rt_vla_ros.policies.rt2.loading.weight_files import WeightFiles
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.policies.rt2.tiny.small_models import FAMILIES, random_model, small_config

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def matrices(model: nn.Module) -> list[nn.Module]:
    """The layers that are quantized, their weights alone."""
    return [nn.ParameterList([layer.weight]) for layer in quantizable(model)]  # type: ignore[arg-type]


def test_int8_and_int4_need_half_and_a_quarter_of_bfloat16() -> None:
    """Layers of 256 and more, where scales weigh as little as in a large model."""
    tokenizer = small_tokenizer("byte_fallback_unigram", special=["<image>"], words=520)
    config = small_config("paligemma", tokenizer, hidden_size=256, vision_size=256)
    sizes = {}
    for weights in WEIGHTS:
        model = random_model(config, 0, dtype=number_type(weights, CPU))
        rest = {n: p.clone() for n, p in model.named_parameters() if p.dim() != 2 or "embed" in n or "lm_head" in n}
        if weights in ("int8", "int4"):
            quantize(model, weights, CPU)
        kept = dict(model.named_parameters())
        assert all(torch.equal(kept[name], parameter) for name, parameter in rest.items())
        sizes[weights] = sum(weight_bytes(matrix) for matrix in matrices(model))
        assert weight_bytes(model) == sizes[weights] + sum(parameter.nbytes for parameter in rest.values())
    assert sizes["auto"] == sizes["float32"] == 2 * sizes["bfloat16"]
    assert 0.5 <= sizes["int8"] / sizes["bfloat16"] < 0.52
    assert 0.25 <= sizes["int4"] / sizes["bfloat16"] < 0.27  # a scale and a zero point for 128 numbers


@pytest.mark.parametrize("weights", ["bfloat16", "int8", "int4"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_acts_and_answers(family: str, weights: str, tmp_path: Path) -> None:
    policy = load_policy(str(save_vlm(tmp_path, family)), device="cpu", weights=weights)
    assert isinstance(policy, RT2Policy)
    policy.reset("pick up the red cube")
    images = {"front": random_image(0)}
    first = policy.act(Observation(images, 0.0))
    assert len(first.tokens) == 8
    assert 0 < first.confidence <= 1
    assert policy.act(Observation(images, 0.0)).tokens == first.tokens
    assert isinstance(policy.ask(images, "what do you see?", limit=3), str)


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_openvla_and_its_odd_layers(weights: str, tmp_path: Path) -> None:
    """The width of its text, 48, is no group of int4: such layers are held in int8."""
    policy = load_policy(str(save_openvla(tmp_path)), device="cpu", weights=weights)
    policy.reset("pick up the red cube")
    assert len(policy.act(Observation({"front": random_image(0, 224, 224)}, 0.0)).tokens) == 7
    assert isinstance(policy, RT2Policy)
    kinds = {type(layer.weight.data).__name__ for layer in quantizable(policy.parts.model)}
    assert kinds == ({"Int8Tensor"} if weights == "int8" else {"Int8Tensor", "Int4OpaqueTensor"})


def test_int8_weights_are_close_to_the_original(tmp_path: Path) -> None:
    directory = save_vlm(tmp_path, "qwen2_vl")
    plain = dict(load_rt2(resolve(directory), device=CPU).model.named_modules())
    for name, layer in load_rt2(resolve(directory), device=CPU, weights="int8").model.named_modules():
        if type(layer) is nn.Linear and "lm_head" not in name:
            before: torch.Tensor = plain[name].weight  # type: ignore[assignment]
            step = before.abs().amax(dim=1, keepdim=True) / 127
            assert bool(((layer.weight.dequantize() - before).abs() <= 0.51 * step).all()), name


def test_untrained_supports_quantized_weights() -> None:
    policy = load_policy("rt2-untrained", device="cpu", weights="int8")
    policy.reset("pick up the red cube")
    assert len(policy.act(Observation({"front": random_image(0)}, 0.0)).tokens) == 6


def test_half_precision_on_a_gpu_and_nowhere_else() -> None:
    assert [number_type("auto", device) for device in (CPU, GPU)] == [torch.float32, torch.bfloat16]
    assert number_type("float32", GPU) == torch.float32
    assert [number_type("int4", device) for device in (CPU, GPU)] == [torch.bfloat16, torch.bfloat16]
    assert [number_type("int8", device) for device in (CPU, GPU)] == [torch.float32, torch.bfloat16]


@pytest.mark.parametrize(
    ("weights", "device", "capability", "sentence"),
    [
        ("int2", CPU, None, "Unknown weights 'int2'; expected one of auto, float32, bfloat16, int8, int4"),
        ("int8", torch.device("mps"), None, "There are no int8 kernels for mps; use cpu or cuda"),
        ("int4", GPU, (7, 5), r"compute capability 8.0 \(Ampere\) or newer, cuda has 7.5. Use weights:=int8"),
    ],
)
def test_refused_with_a_sentence(
    weights: str,
    device: torch.device,
    capability: tuple[int, int] | None,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    with pytest.raises(WeightsError, match=sentence):
        check_quantization(weights, device)


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torchao.quantization", "torchao.prototype.quantization.int4"):
        monkeypatch.setitem(sys.modules, name, None)
    for weights in ("int8", "int4"):
        with pytest.raises(
            ValueError, match=rf"{weights} weights need torchao .*pip install 'torchao>=.*weights:=auto"
        ):
            load_policy("rt2-untrained", device="cpu", weights=weights)


def test_needed_memory_is_counted_as_it_will_be_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = save_openvla(tmp_path)
    files = WeightFiles.find(directory)
    for weights in ("int8", "int4"):
        needed = memory.needed_bytes(files, number_type(weights, CPU), weights) / memory.WORKING_SHARE
        held = weight_bytes(load_rt2_model(directory, weights))
        # What is in the files and not in the model: the last layer of each tower.
        assert held < needed < 1.1 * held
    gpu = torch.device("cuda")
    available = {"cuda": 10**9, "cpu": 1000}
    monkeypatch.setattr(memory, "available_bytes", lambda device: available[device.type])
    with pytest.raises(memory.OutOfMemoryError, match="bytes of memory on cpu, 1,000 bytes are free"):
        memory.check_memory(files, gpu, "int8")
    available["cpu"], available["cuda"] = 10**9, 1000
    with pytest.raises(memory.OutOfMemoryError, match=r"on cuda, there are 1,000 .*, or use weights:=int8 or int4\."):
        memory.check_memory(files, gpu, "auto")
    with pytest.raises(memory.OutOfMemoryError, match=r"on cuda, .* use a smaller model\."):
        memory.check_memory(files, gpu, "int4")


def load_rt2_model(directory: Path, weights: str) -> nn.Module:
    policy = load_policy(str(directory), device="cpu", weights=weights)
    assert isinstance(policy, RT2Policy)
    return policy.parts.model


def test_loading_reports_its_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rt_vla_ros.policies.rt2.loading.progress.PAUSE", 0.0)
    for name, save in (("openvla", save_openvla), ("smolvlm", lambda path: save_vlm(path, "smolvlm"))):
        directory, told = save(tmp_path / name), list[str]()
        load_policy(str(directory), device="cpu", weights="int8", tell=told.append)
        total = len(load_file(directory / "model.safetensors")) if name == "smolvlm" else len(index(directory))
        assert any(sentence.startswith("reading the weights, 0.0 GB") for sentence in told)
        assert sum(f" of {total}" in sentence for sentence in told) == total
        assert told[-1] == "quantizing the weights to int8"


def index(directory: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((directory / "model.safetensors.index.json").read_text())["weight_map"]
    return found
