"""The benchmark of RT-2, on models small enough for a test."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import pytest
import torch
from support.small_tokenizers import small_tokenizer
from torch import Tensor
from transformers import AutoModelForImageTextToText

from rt_vla_ros.benchmarks import rt2
from rt_vla_ros.benchmarks.rt2 import (
    INSTRUCTION,
    VARIANTS,
    agreement,
    measure,
    picture,
    table,
)
from rt_vla_ros.benchmarks.rt2_shapes import FOR_CPU, FOR_GPU, SHAPES, ModelShape, config_of, make_parts
from rt_vla_ros.cli import bench
from rt_vla_ros.policies.rt2.decoding import engine as decoding_engine
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.policies.rt2.tiny.small_models import SPECIAL
from zenoh_ros.commands.errors import CliError

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def machine_is_judged_by_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rt2, "SQUARE", 128)


def small(name: str) -> ModelShape:
    vocabulary = 32064 if "openvla" in name else 1000
    sizes = {"hidden_size": 64, "layers": 1, "intermediate_size": 64, "heads": 4, "key_value_heads": 2}
    sizes |= {"horizon": min(SHAPES[name].horizon, 2)}
    vision = {"vision_size": 64, "vision_layers": 2, "vision_heads": 4, "vision_intermediate_size": 64}
    if "openvla" in name:
        vision["vision_intermediate_size"] = 128
    image = 448 if "qwen" in name else 224
    return dataclasses.replace(SHAPES[name], vocabulary_size=vocabulary, image_size=image, **sizes, **vision)


@pytest.mark.parametrize("name", FOR_CPU)
def test_every_way_gives_the_tokens_of_generate(name: str) -> None:
    result = measure(name, small(name), CPU, torch.float32, repeats=2)
    ways = result["variants"]
    assert tuple(ways) == VARIANTS
    assert all(way["same_tokens"] for way in ways.values())
    assert ways["accepted 100 %"]["passes"] == 1
    assert 1 < ways["accepted 50 %"]["passes"] < ways["no speculation"]["passes"] <= ways["stock"]["passes"]
    assert ways["stock"]["passes"] == result["action_tokens"]
    assert ways["stock"]["faster"] == 1
    assert SHAPES[name].image_tokens < result["prompt_tokens"] < 320
    assert all(way["per_token"] == way["milliseconds"] / result["action_tokens"] for way in ways.values())
    chunk = "vla0" in name
    assert (ways["no speculation"]["first"] < ways["no speculation"]["milliseconds"]) == chunk
    assert ways["stock"]["sooner"] == 1
    assert (ways["no speculation"]["sooner"] > ways["no speculation"]["faster"]) == chunk
    assert result["weight_bytes"] == 4 * result["parameters"]
    assert result["packed"]
    assert result["agreement"] is None
    assert all(way["best"] <= way["milliseconds"] for way in ways.values())
    assert all(way["over_floor"] > 0 for way in ways.values())
    text = table([result])
    assert name in text
    assert all(way in text for way in VARIANTS)


@pytest.mark.parametrize("name", FOR_CPU)
def test_half_precision_tells_how_many_tokens_differ_and_by_how_little(name: str) -> None:
    options = {"repeats": 1, "images": 3, "pack": False, "fixed_shapes": "openvla" in name}
    result = measure(name, small(name), CPU, torch.bfloat16, **options)
    found = result["agreement"]
    dimensions = 7 if "openvla" in name else 14 if "vla0" in name else 8
    assert (found["actions"], found["numbers"]) == (3, 3 * dimensions)
    assert found["other_actions"] == len(found["steps"]) <= found["other_numbers"] <= found["numbers"]
    assert result["recorded_prompt_lengths"] == (2 if "openvla" in name else 0)
    assert not result["packed"]
    assert f"of {3 * dimensions} numbers in {found['other_actions']} of 3 actions differ" in table([result])


def test_where_actions_differ_the_distance_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that takes the second best: the distance is that between the two best tokens."""
    parts = make_parts(small("openvla-cpu"), CPU, torch.float32)
    policy = RT2Policy(parts, pack=False)
    policy.reset(INSTRUCTION)
    assert agreement(parts, policy, [picture(parts, 0)]) == {
        "actions": 1,
        "numbers": 7,
        "other_actions": 0,
        "other_numbers": 0,
        "steps": [],
        "rounding": [],
    }

    def second_best(logits: Tensor, masks: Tensor, *_: object) -> tuple[Tensor, Tensor]:
        columns = logits.masked_fill(~masks, -torch.inf).topk(2, dim=-1).indices[:, 1]
        return columns, torch.ones(len(columns))

    monkeypatch.setattr(decoding_engine, "choose", second_best)
    found = agreement(parts, policy, [picture(parts, 0)])
    assert (found["actions"], found["other_actions"]) == (1, 1)
    assert found["other_numbers"] > 0
    assert found["steps"][0] > 1000  # steps of float32, between neighbours among 256 random logits
    assert 0 <= found["rounding"][0] < 100  # of the same tokens read at once and one by one


def test_published_sizes_are_those_published() -> None:
    """Counted without memory: PaliGemma-3B has 2.9 milliard parameters, OpenVLA-7B 7.5, Qwen2.5-VL-3B 3.8."""
    counted = {}
    for name in ("paligemma-3b-224", "qwen2.5-vl-3b"):
        shape = SHAPES[name]
        special = SPECIAL[shape.family]
        tokenizer = small_tokenizer("split_digits", special=list(special.values()), named=special)
        config = config_of(shape, tokenizer)
        with torch.device("meta"):
            model = AutoModelForImageTextToText.from_config(config)
        counted[name] = sum(p.numel() for p in model.parameters())
    assert counted["paligemma-3b-224"] == pytest.approx(2.92e9, rel=0.01)
    assert counted["qwen2.5-vl-3b"] == pytest.approx(3.75e9, rel=0.1)
    assert set(FOR_CPU) | set(FOR_GPU) == set(SHAPES)


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    return parser.parse_args(["rt2", *words])


def test_the_command_writes_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(SHAPES, "paligemma-cpu", small("paligemma-cpu"))
    out = tmp_path / "rt2.json"
    words = ("--shapes", "paligemma-cpu", "--repeats", "1", "--device", "cpu", "--out", str(out))
    assert bench.run(arguments(*words)) == 0
    assert json.loads(out.read_text())[0]["shape"] == "paligemma-cpu"
    assert "accepted 100 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--shapes", "paligema-cpu"), "no shape 'paligema-cpu'. Did you mean 'paligemma-cpu'"),
        (("--repeats", "0"), "--repeats is 0, expected 1 to 1000"),
        (("--images", "0"), "--images is 0, expected 1 to 10000"),
        (("--device", "gpu"), "no device 'gpu'"),
        (("--out", "/no/such/folder/x.json"), "there is no folder"),
    ],
)
def test_what_cannot_be_measured_is_refused(words: tuple[str, ...], message: str) -> None:
    with pytest.raises((CliError, OSError), match=message):
        bench.run(arguments(*words))
