from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import rt1_golden
from support.rt1_checkpoints import CHECKPOINTS, TINY, tiny_config, tiny_flat

from rt_vla_ros.action_space.card import ActionCardError
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.rt1.checkpoint import load_checkpoint
from rt_vla_ros.policies.rt1.convert.conversion import convert_checkpoint, find_preset
from rt_vla_ros.policies.rt1.convert.public_cards import public_card
from rt_vla_ros.policies.rt1.convert.sources.detect import Source, read_source
from rt_vla_ros.policies.rt1.convert.weight_names import FLAX, TENSORFLOW
from rt_vla_ros.policies.rt1.convert.weights import convert_weights

SOURCES = {
    "flax/checkpoint_900": "rt1-jax",
    "orbax_ocdbt": "rt1-jax",
    "tensorflow/ckpt-1": "rt1",
    "tensorflow/sharded": "rt1",
    "savedmodel": "rt1",
}
OUTSIDE = {
    "flax/checkpoint_900": {"step", "opt_state/count", "opt_state/mu/x"},
    "orbax_ocdbt": {"step"},
    "tensorflow/ckpt-1": {"global_step", "save_counter"},
    "tensorflow/sharded": {"global_step", "save_counter"},
    "savedmodel": {"0"},
}


def card(config: Any) -> Any:
    return public_card(config, "test")


@pytest.mark.parametrize("path", sorted(SOURCES))
def test_the_converted_network_computes_the_same(path: str, tmp_path: Path) -> None:
    preset = SOURCES[path]
    report = convert_checkpoint(read_source(CHECKPOINTS / path), tmp_path / "ours", preset, card, TINY)
    model, read_card = load_checkpoint(resolve(tmp_path / "ours"))
    flavour = FLAX if preset == "rt1-jax" else TENSORFLOW
    plain = convert_weights(tiny_flat(flavour), tiny_config(preset), flavour)
    reference = rt1_golden.loaded(tiny_config(preset), plain)
    images = torch.randint(0, 256, (1, 2, 48, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    sentence = torch.randn(1, 16, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert (model(images, sentence).logits - reference(images, sentence).logits).abs().max() < 1e-5
    assert read_card.postprocessing == "google_robot"
    assert report.found - len(report.unused) == report.mapped == 213
    assert report.checksum in report.table()
    reasons = {name: why for name, why in report.unused.items() if why == "not part of the network"}
    assert set(reasons) == OUTSIDE[path]
    assert not [p for p in tmp_path.iterdir() if p.name != "ours"]


@pytest.mark.parametrize(("path", "preset"), sorted(SOURCES.items()))
def test_the_network_is_recognised(path: str, preset: str) -> None:
    changes = {k: v for k, v in TINY.items() if k not in ("num_image_tokens", "time_sequence_length")}
    source = read_source(CHECKPOINTS / path)
    assert find_preset(source, TINY) in (preset, "rt1-x", "rt1-multirobot")
    with pytest.raises(CheckpointError, match="is not one of the public networks"):
        find_preset(source, {**changes, "num_layers": 1})


def changed(path: str, **arrays: np.ndarray | None) -> Source:
    source = read_source(CHECKPOINTS / path)
    new = {**source.arrays, **arrays}
    return replace(source, arrays={name: array for name, array in new.items() if array is not None})


HEAD = "params/Transformer_0/Dense_2/bias"
TF_HEAD = "agent/_actor_network/_transformer/_output_tokens/bias"
VARIANCE = "batch_stats/image_tokenizer/EfficientNetWithFilm_0/Stem_0/batch_normalization/var"
TF_VARIANCE = "agent/_actor_network/_image_tokenizer/_tokenizer/net/layer_with_weights-0/variance"
RENAMED = {HEAD: None, HEAD + "_2": np.zeros(16, np.float32)}


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (changed("flax", **{HEAD: None}), f"1 missing:\n  {HEAD}"),
        (changed("flax", **RENAMED), f"1 missing:\n  {HEAD}\n1 unexpected:\n  {HEAD}_2"),
        (changed("flax", **{HEAD: np.zeros(17, np.float32)}), f"{HEAD} is (17,), expected (16,)"),
        (changed("flax", **{HEAD: np.full(16, np.nan, np.float32)}), f"cannot be trusted:\n  {HEAD}"),
        (changed("flax", **{HEAD: np.zeros(16, "S1")}), f"1 weights are not floating-point numbers:\n  {HEAD} is |S1"),
        (changed("flax", **{HEAD: np.zeros(16, np.int32)}), f"not floating-point numbers:\n  {HEAD} is int32"),
        (changed("flax", **{HEAD: np.zeros(16, np.complex64)}), f"not floating-point numbers:\n  {HEAD} is complex64"),
        (
            changed("flax", **{HEAD: np.full(16, 1e300)}),
            f"not finite as float32; the checkpoint cannot be trusted:\n  {HEAD}",
        ),
        (
            changed("flax", **{VARIANCE: np.full(8, -0.5, np.float32)}),
            f"negative variances; the checkpoint cannot be trusted:\n  {VARIANCE} has the minimum -0.5",
        ),
        (
            changed("tensorflow/ckpt-1", **{TF_VARIANCE: np.zeros(3, np.float32)}),
            "layer_with_weights-0/variance has the minimum 0.0",
        ),
        (changed("tensorflow/ckpt-1", **{TF_HEAD: None}), "1 missing:\n  _transformer/_output_tokens/bias"),
        (changed("savedmodel", **{"216": None, "215": None}), "has 215 variables, the network has 216"),
    ],
)
def test_refuses_weights_that_are_not_the_networks(source: Source, sentence: str, tmp_path: Path) -> None:
    preset = "rt1-jax" if source.flavour == FLAX else "rt1"
    with pytest.raises(CheckpointError) as refusal:
        convert_checkpoint(source, tmp_path / "ours", preset, card, TINY)
    assert sentence in str(refusal.value)
    assert not list(tmp_path.iterdir())


def test_a_window_longer_than_the_checkpoints_is_refused(tmp_path: Path) -> None:
    longer = {**TINY, "time_sequence_length": 3}
    with pytest.raises(CheckpointError, match=r"Dense_1/kernel is \(28, 16\), expected \(42, 16\)"):
        convert_checkpoint(read_source(CHECKPOINTS / "flax"), tmp_path / "ours", "rt1-jax", card, longer)


def test_nothing_half_written_remains(tmp_path: Path) -> None:
    """A card that contradicts the network is found before anything is written, a full disk after."""
    wrong = replace(card(tiny_config("rt1-jax")), bins=15)
    source = read_source(CHECKPOINTS / "flax")
    with pytest.raises(ActionCardError, match="the action card says bins 15"):
        convert_checkpoint(source, tmp_path / "ours", "rt1-jax", lambda _: wrong, TINY)
    assert not list(tmp_path.iterdir())


def test_a_failure_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("rt_vla_ros.action_space.card.ActionCard.save", full)
    with pytest.raises(OSError, match="No space"):
        convert_checkpoint(read_source(CHECKPOINTS / "flax"), tmp_path / "ours", "rt1-jax", card, TINY)
    assert not list(tmp_path.iterdir())


def test_does_not_overwrite_anything(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(CheckpointError, match="already exists; choose a new or empty directory"):
        convert_checkpoint(read_source(CHECKPOINTS / "flax"), tmp_path, "rt1-jax", card, TINY)
    assert (tmp_path / "precious").read_text() == "mine"
