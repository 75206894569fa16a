"""What a stranger's folder of a model may not hold."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from rt_vla_ros.model_folder import check_folder, inside, stored_shapes


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/b", "a\\b", "", ".", "..", "C:x", "a\0b", "a/../b", 7, None]
)
def test_a_name_that_leads_out_of_the_folder_is_refused(name: object, tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="expected the name of a file in this directory"):
        inside(tmp_path, name, LookupError)


def test_a_link_of_the_hub_s_cache_is_followed(tmp_path: Path) -> None:
    """As it lies there: snapshots/REVISION/config.json -> ../../blobs/HASH."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "4f2a").write_text('{"model_type": "rt1"}')
    snapshot = tmp_path / "snapshots" / "main"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").symlink_to("../../blobs/4f2a")
    assert check_folder(snapshot, ValueError) == {"model_type": "rt1"}
    assert inside(snapshot, "config.json", ValueError).is_file()


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"attn_implementation": "x/y"}, "attn_implementation is 'x/y', expected one of eager, sdpa, flex_attention"),
    ({"_attn_implementation": "paged|x/y"}, "_attn_implementation is 'paged|x/y', expected one of eager"),
    ({"attn_implementation": {"text_config": "x/y@main:f"}}, "attn_implementation is 'x/y@main:f'"),
    ({"text_config": {"_attn_implementation_internal": "x/y"}}, "_attn_implementation_internal is 'x/y'"),
    ({"vision_config": {"blocks": [{"attn_implementation": "x/y"}]}}, "attn_implementation is 'x/y'"),
    ({"experts_implementation": "x/y"}, "experts_implementation is 'x/y', expected one of eager, batched_mm"),
    ({"torch_dtype": "load"}, "torch_dtype is 'load', expected one of float32"),
    ({"text_config": {"dtype": "hub"}}, "dtype is 'hub', expected one of float32"),
    ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config is a dict, .* weights:=int8 or int4"),
    (
        {"transformers_weights": "../x.safetensors"},
        "transformers_weights is '../x.safetensors', which is not done here",
    ),
    ({"vision_config": {"use_pretrained_backbone": True}}, "use_pretrained_backbone is True, which is not done here"),
    ({"vision_config": {"architecture": "hf_hub:x/y"}}, "architecture is 'hf_hub:x/y', which leads elsewhere"),
    ({"num_hidden_layers": 10**7}, "num_hidden_layers is 10000000, expected at most 10,000"),
    ({"text_config": {"n_layer": 1e30}}, r"n_layer is 1e\+30, expected at most 10,000"),
    ({"depths": [2, 10**9]}, "depths is 1000000000, expected at most 10,000"),
    ({"num_hidden_layers": float("inf")}, "num_hidden_layers is inf, expected at most 10,000"),
    ({"image_seq_length": 10**9}, "image_seq_length is 1000000000, expected at most 100,000"),
    ({"layer_types": ["full_attention"] * 10_001}, "layer_types has 10,001 entries, expected at most 10,000"),
]


@pytest.mark.parametrize(("config", "message"), REFUSED)
def test_a_configuration_that_brings_something_else_is_refused(
    config: dict[str, Any], message: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(LookupError, match=f"config.json: {message}"):
        check_folder(tmp_path, LookupError)


def test_what_public_models_say_is_taken(tmp_path: Path) -> None:
    said = {
        "torch_dtype": "bfloat16",
        "attn_implementation": None,
        "_attn_implementation_autoset": True,
        "text_config": {"num_hidden_layers": 94, "vocab_size": 262_208, "_attn_implementation": "sdpa", "dtype": None},
        "max_position_embeddings": 10_485_760,
        "rope_theta": 5e8,
        "vision_feature_layer": -2,
        "_name_or_path": "/home/someone/model",
        "quantization_config": None,
        "use_pretrained_backbone": False,
    }
    (tmp_path / "config.json").write_text(json.dumps(said))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"max_pixels": 12_845_056, "size": {"height": 448}}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 10**30}))
    assert check_folder(tmp_path, ValueError) == said


FILES: list[tuple[str, Any, str]] = [
    ("preprocessor_config.json", {"size": {"height": 10**6}}, "height is 1000000, expected at most 8,192"),
    ("preprocessor_config.json", {"input_sizes": [[3, 10**6, 10**6]]}, "input_sizes is 1000000, expected at most"),
    ("preprocessor_config.json", {"max_pixels": 10**12}, "max_pixels is 1000000000000, expected at most 67,108,864"),
    ("tokenizer.json", {"added_tokens": [{}] * 10_001}, "added_tokens has 10,001 entries"),
    ("tokenizer.json", {"model": {"vocab": {str(i): i for i in range(400_001)}}}, "vocab has 400,001 entries"),
    ("tokenizer_config.json", {"added_tokens_decoder": dict.fromkeys(range(10_001))}, "has 10,001 entries"),
    ("tokenizer_config.json", {"extra_special_tokens": ["x"] * 10_001}, "has 10,001 entries"),
    ("added_tokens.json", dict.fromkeys(range(10_001)), "the file has 10,001 entries"),
]


@pytest.mark.parametrize(("name", "data", "message"), FILES)
def test_sizes_are_bounded_in_every_file(name: str, data: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(json.dumps(data))
    with pytest.raises(LookupError, match=f"{name}: .*{message}"):
        check_folder(tmp_path, LookupError)


NAMES = (
    *("config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json", "tokenizer.json"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja", "vocab.json"),
    *("merges.txt", "tokenizer.model", "additional_chat_templates/a.jinja", "video_preprocessor_config.json"),
)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_without_an_end_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(LookupError, match="is a directory, pipe or device"):
        check_folder(tmp_path, LookupError)
    (tmp_path / name).unlink()
    with (tmp_path / name).open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    with pytest.raises(LookupError, match=r"has 52,428,800 bytes, expected at most"):
        check_folder(tmp_path, LookupError)


def test_what_is_nested_deeply_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"a":' + "[" * 40 + "]" * 40 + "}")
    with pytest.raises(LookupError, match="nested more than 32 deep"):
        check_folder(tmp_path, LookupError)


def test_a_distributed_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".metadata").write_bytes(b"a pickle")
    with pytest.raises(LookupError, match=r"torch\.distributed, which may hold code"):
        check_folder(tmp_path, LookupError)


def test_shapes_are_those_that_were_saved(tmp_path: Path) -> None:
    save_file({"a": np.zeros((2, 3)), "b": np.zeros(())}, tmp_path / "x.safetensors", metadata={"format": "pt"})
    assert stored_shapes(tmp_path / "x.safetensors", ValueError) == {"a": (2, 3), "b": ()}


def entry(shape: object = (0,)) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}


HEADERS: list[tuple[object, str]] = [
    ({str(i): entry() for i in range(30_001)}, "holds 30,001 tensors, expected at most 30,000"),
    ({"a": entry("x")}, "its header cannot be read"),
    ({"a": {}}, "its header cannot be read"),
    ([1], "its header cannot be read"),
]


@pytest.mark.parametrize(("header", "message"), HEADERS)
def test_a_header_that_is_not_one_of_weights_is_refused(header: object, message: str, tmp_path: Path) -> None:
    text = json.dumps(header).encode()
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)
    with pytest.raises(LookupError, match=message):
        stored_shapes(tmp_path / "x.safetensors", LookupError)


@pytest.mark.parametrize("length", [100_000_000, 2**64 - 1, 9])
def test_a_header_that_is_too_long_is_not_read(length: int, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", length))
    with pytest.raises(LookupError, match=f"its header would have {length:,} bytes"):
        stored_shapes(tmp_path / "x.safetensors", LookupError)
