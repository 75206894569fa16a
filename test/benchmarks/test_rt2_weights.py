"""What int8 and int4 weights change: counted against the same model as it is, over the same prompts and pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.vlms import random_image, rt2_card, save_vlm

from rt_vla_ros.benchmarks.rt2_shapes import SHAPES, ModelShape
from rt_vla_ros.benchmarks.rt2_weights import INSTRUCTIONS, compare, make_prompts
from rt_vla_ros.cli.main import main
from rt_vla_ros.policies.load import load_policy


def test_differences_are_counted_number_by_number(tmp_path: Path) -> None:
    card = rt2_card("front", "wrist")
    directory = save_vlm(tmp_path, "qwen2_vl", card=card)
    ways = ("auto", "float32", "int8", "int4")
    figures = compare(
        lambda weights: load_policy(str(directory), device="cpu", weights=weights),  # type: ignore[arg-type,return-value]
        ways,
        lambda card: make_prompts(card, 4),
    )
    found = {way["weights"]: way for way in figures["formats"]}
    assert (figures["prompts"], figures["dimensions"], tuple(found)) == (4, 8, ways)
    assert (found["float32"]["numbers"], found["float32"]["distance"]) == (0, 0.0)
    tokens = {}
    for weights in ("auto", "int4"):
        policy = load_policy(str(directory), device="cpu", weights=weights)
        rows = []
        for instruction, observation in make_prompts(card, 4):
            policy.reset(instruction)
            rows.append(policy.act(observation).tokens)
        tokens[weights] = np.array(rows)
    other = tokens["auto"] != tokens["int4"]
    assert found["int4"]["numbers"] == other.sum() > 0
    assert found["int4"]["actions"] == other.any(axis=1).sum()
    assert found["int4"]["distance"] == pytest.approx(np.abs(tokens["auto"] - tokens["int4"]).mean())
    assert found["float32"]["bytes"] > found["int8"]["bytes"] > found["int4"]["bytes"]


def test_pictures_are_taken_by_their_names_and_fitted(tmp_path: Path) -> None:
    for name, seed in (("b.png", 1), ("a.jpg", 0)):
        Image.fromarray(random_image(seed, 48, 64)).save(tmp_path / name)
    prompts = make_prompts(rt2_card("front", "wrist"), 3, folder=tmp_path, instructions=("go",))
    assert [instruction for instruction, _ in prompts] == ["go"] * 3
    first, second = (observation.images for _, observation in prompts[:2])
    assert first["front"].shape == (96, 96, 3)
    np.testing.assert_array_equal(first["wrist"], second["front"])
    assert [instruction for instruction, _ in make_prompts(rt2_card(), 6)] == [*INSTRUCTIONS, INSTRUCTIONS[0]]


def test_as_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "weights.json"
    assert main(["bench", "rt2-weights", "--prompts", "2", "--device", "cpu", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("rt2-untrained: 2 prompts, 12 numbers; differences are relative to auto")
    assert [way["weights"] for way in json.loads(out.read_text())["formats"]] == ["auto", "int8", "int4"]


def test_a_shape_with_random_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    small = ModelShape("paligemma", 128, 2, 256, 4, 1, 1000, 56, 64, 1, 4, 128)
    monkeypatch.setitem(SHAPES, "small", small)
    assert main(["bench", "rt2-weights", "--shape", "small", "--prompts", "1", "--device", "cpu"]) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--prompts", "0"], "--prompts is 0, expected 1 to 10000."),
        (["--weights", "int5"], "there are no weights 'int5'. Did you mean 'int4' or 'int8'?"),
        (["--policy", "rt1-untrained"], "rt1-untrained is not an RT-2 policy"),
        (["--shape", "openvla-8b"], "there is no shape 'openvla-8b'. Did you mean 'openvla-7b'?"),
        (["--images", "/nowhere"], "There is no folder /nowhere."),
        (["--out", "/nowhere/x.json"], "there is no folder /nowhere to write x.json into."),
    ],
)
def test_refusals(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "rt2-weights", "--device", "cpu", *arguments]) == 2
    assert sentence in capsys.readouterr().err
