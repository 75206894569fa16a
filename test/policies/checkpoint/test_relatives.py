"""Checkpoints that are near those that run here are refused with what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.local_hub import local_hub

from rt_vla_ros.policies.checkpoint import hub
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.relatives import check_surplus, check_tensor_names
from rt_vla_ros.policies.checkpoint.resolve import resolve

OPENVLA: dict[str, Any] = {"model_type": "openvla"}
RDT = {"action_dim": 128, "noise_scheduler": {"type": "ddpm"}, "pred_horizon": 64, "lang_token_dim": 4096}
LEROBOT = {"type": "smolvla", "input_features": {}, "output_features": {}, "chunk_size": 50}


def quantized(method: str) -> dict[str, Any]:
    return {"model_type": "qwen2_vl", "quantization_config": {"quant_method": method, "bits": 4}}


REFUSED: list[tuple[str, list[str], dict[str, Any], str]] = [
    ("m", ["action_head--150000_checkpoint.pt"], OPENVLA, r"by its action_head--150000_checkpoint\.pt, an OpenVLA-OFT"),
    (
        "m",
        ["proprio_projector--150000_checkpoint.pt"],
        OPENVLA,
        "an OpenVLA-OFT checkpoint: its actions are chunks of several steps",
    ),
    ("m", ["noisy_action_projector--1_checkpoint.pt"], OPENVLA, "an OpenVLA-OFT"),
    ("m", ["vision_backbone--latest_checkpoint.pt"], OPENVLA, "an OpenVLA-OFT"),
    ("openvla-7b-oft-libero", [], OPENVLA, "by its name, an OpenVLA-OFT .*If it is not, rename it"),
    ("m", [], {**OPENVLA, "_name_or_path": "furonghuang-lab/tracevla_7b"}, "by its name, a TraceVLA checkpoint"),
    ("tracevla_7b", [], OPENVLA, "a TraceVLA checkpoint: it takes a second image"),
    (
        "m",
        ["checkpoints/step-150000-epoch-67-loss=0.0934.pt"],
        {"vla": {}},
        "layout of prismatic-vlms, as MiniVLA, CogACT",
    ),
    ("m", ["example_batch.msgpack"], {"model": {}}, "an Octo checkpoint, whose actions come from a diffusion head"),
    ("m", [], LEROBOT, r"a checkpoint of LeRobot policy \(smolvla\), whose actions are not text tokens"),
    ("m", [], {**LEROBOT, "type": "pi0"}, r"LeRobot policy \(pi0\)"),
    ("m", [], RDT, "a checkpoint of RDT, whose actions are not text tokens. Run it with its own code"),
    ("m", [], {"model_type": "spatialvla", "auto_map": {"AutoModel": "a.B"}}, "a checkpoint of SpatialVLA"),
    ("m", [], {"model_type": "molmoact"}, "a checkpoint of MolmoAct"),
    ("m", [], {"model_type": "gr00t_n1_5"}, "a checkpoint of GR00T"),
    ("m", [], {"model_type": "prismatic"}, "a checkpoint of Prismatic"),
    (
        "m",
        [],
        quantized("bitsandbytes"),
        "weights quantized by bitsandbytes, .*in bfloat16 or float32 with weights:=int8",
    ),
    ("m", [], {**OPENVLA, "quantization_config": {"load_in_4bit": True}}, "weights quantized by bitsandbytes"),
    ("m", [], quantized("gptq"), "weights quantized by gptq"),
    ("m", [], quantized("awq"), "weights quantized by awq"),
    ("m", [], {"model_type": "llava", "text_config": quantized("fp8")}, "weights quantized by fp8"),
    ("m", ["adapter_model.safetensors"], {}, "a LoRA adapter that lacks adapter_config.json"),
    (
        "m",
        ["0-checkpoint.pth"],
        {},
        "lacks config.json, .* It contains 0-checkpoint.pth, a format that is not supported",
    ),
]


@pytest.mark.parametrize(("name", "files", "config", "message"), REFUSED)
def test_an_unsupported_relative_is_named(
    name: str, files: list[str], config: dict[str, Any], message: str, tmp_path: Path
) -> None:
    directory = tmp_path / name
    (directory / "checkpoints").mkdir(parents=True)
    for file in files:
        (directory / file).touch()
    if config:
        (directory / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=message):
        resolve(directory)


@pytest.mark.parametrize("name", ["openvla-7b", "second-openvla", "my-recote", "soft-openvla", "openvla-7b+oft1"])
def test_names_of_other_models_are_not_mistaken_for_relatives(name: str, tmp_path: Path) -> None:
    (tmp_path / "ecot" / name).mkdir(parents=True)
    (tmp_path / "ecot" / name / "config.json").write_text(json.dumps(OPENVLA))
    assert resolve(tmp_path / "ecot" / name).family == "openvla"


def test_training_checkpoints_beside_the_weights_are_not_prismatic(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    for file in ("checkpoints/step-1.pt", "model.safetensors"):
        (tmp_path / file).touch()
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2_vl"}))
    assert resolve(tmp_path).family == "rt2"


def test_a_directory_of_the_hub_s_cache_has_the_model_s_name(tmp_path: Path) -> None:
    directory = tmp_path / "models--furonghuang-lab--tracevla_7b" / "snapshots" / "492b3db"
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps(OPENVLA))
    with pytest.raises(CheckpointError, match="by its name, a TraceVLA"):
        resolve(directory)


def test_one_on_the_hub_is_told_before_it_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "action_head--150000_checkpoint.pt").touch()
    (tmp_path / "config.json").write_text(json.dumps(OPENVLA))
    with local_hub({"someone/openvla-libero": tmp_path}) as there:
        client = hub.HfApi(endpoint=there.endpoint)
        monkeypatch.setattr(hub, "HfApi", lambda: client)
        with pytest.raises(CheckpointError, match=r"^someone/openvla-libero is, by its action_head--.* an OpenVLA-OFT"):
            resolve("someone/openvla-libero#bridge_orig")
        assert there.asked == []


def test_the_adapter_of_openvla_oft_is_told_by_what_lies_beside_it(tmp_path: Path) -> None:
    for name, config in (("base", OPENVLA), ("run/lora_adapter", {"base_model_name_or_path": str(tmp_path / "base")})):
        (tmp_path / name).mkdir(parents=True)
        file = "config.json" if name == "base" else "adapter_config.json"
        (tmp_path / name / file).write_text(json.dumps(config))
    assert resolve(tmp_path / "run" / "lora_adapter").family == "openvla"
    (tmp_path / "run" / "action_head--5000_checkpoint.pt").touch()
    with pytest.raises(
        CheckpointError, match=r"lora_adapter is, by its action_head--5000_checkpoint.pt, an OpenVLA-OFT"
    ):
        resolve(tmp_path / "run" / "lora_adapter")


LAYER = "model.layers.0.self_attn.q_proj"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("lora_A.weight", "lora_B.weight"),
            r"hold tensors of an adapter that was not merged \(.*merge_and_unload",
        ),
        (("lora_A.default.weight", "base_layer.weight"), "hold tensors of an adapter that was not merged"),
        (("weight", "lora_embedding_A"), "hold tensors of an adapter"),
        (
            ("weight", "SCB", "weight_format"),
            r"hold tensors quantized by bitsandbytes .*bfloat16 with weights:=int8",
        ),
        (
            ("weight.absmax", "weight.quant_map", "weight.quant_state.bitsandbytes__nf4"),
            "hold tensors quantized by bits",
        ),
        (("qweight", "qzeros", "scales", "g_idx"), "hold tensors quantized .GPTQ, AWQ, FP8"),
        (("weight", "weight_scale_inv"), "hold tensors quantized .GPTQ, AWQ, FP8"),
    ],
)
def test_tensors_that_are_no_plain_weights_are_told(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        check_tensor_names(f"{LAYER}.{name}" for name in names)
    check_tensor_names([f"{LAYER}.weight", f"{LAYER}.bias", "model.layers.0.mlp.gate_up_proj", "model.scale"])


def test_unknown_tensors_are_counted_but_buffers_are_allowed() -> None:
    check_surplus(["rotary_emb.inv_freq", "vision.embeddings.position_ids", "bn.num_batches_tracked", "inv_freq"])
    with pytest.raises(
        CheckpointError, match=r"hold tensors that the model does not have \(a0, a1, a2, a3 and 2 more; 6 in all\)"
    ):
        check_surplus([*(f"a{i}" for i in range(6)), "x.inv_freq"])
