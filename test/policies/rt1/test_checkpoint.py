from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.rt1 import tiny_card, tiny_model

from rt_vla_ros.action_space.card import ActionCardError
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.rt1.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from rt_vla_ros.policies.tabletop_card import tabletop_card

STATE = {"name": "arm.x", "unit": "m", "low": 0.2, "high": 0.8, "source": "tip:x"}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "tiny", tiny_model(), tiny_card(), "# tiny\n")
    return tmp_path / "tiny"


def test_survives_the_disk(checkpoint: Path) -> None:
    files = sorted(path.name for path in checkpoint.iterdir())
    assert files == ["README.md", "action_card.json", "config.json", "model.safetensors"]
    model, card = load_checkpoint(resolve(checkpoint))
    assert card == tiny_card()
    for name, value in tiny_model().state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=0, atol=0)
    assert not model.training


def test_replaces_an_older_one_whole(checkpoint: Path, tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_bytes(b"vectors")
    beside = {"DATA_CARD.md": "# data\n", "instructions.safetensors": table}
    save_checkpoint(checkpoint, tiny_model(seed=1), tiny_card(), "# newer\n", beside=beside)
    assert (checkpoint / "README.md").read_text() == "# newer\n"
    assert (checkpoint / "DATA_CARD.md").read_text() == "# data\n"
    assert (checkpoint / "instructions.safetensors").read_bytes() == b"vectors"
    table.unlink()
    assert [path.name for path in checkpoint.parent.iterdir()] == ["tiny"]


def test_touches_nothing_beside_it(checkpoint: Path) -> None:
    for ending in ("new", "old"):
        (checkpoint.parent / f"tiny.{ending}").mkdir()
        (checkpoint.parent / f"tiny.{ending}" / "precious").write_text("mine")
    save_checkpoint(checkpoint, tiny_model(seed=1), tiny_card(), "# newer\n")
    names = sorted(path.name for path in checkpoint.parent.iterdir())
    assert names == ["tiny", "tiny.new", "tiny.old"]
    assert all((checkpoint.parent / name / "precious").is_file() for name in names[1:])


def test_file_permissions_follow_the_umask(checkpoint: Path) -> None:
    (checkpoint.parent / "usual").mkdir()
    assert checkpoint.stat().st_mode == (checkpoint.parent / "usual").stat().st_mode


def test_follows_links_and_keeps_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("here", "real"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("nowhere")
    monkeypatch.chdir(tmp_path / "here")
    before = Path().stat().st_ino
    for place in (Path(), tmp_path / "link", tmp_path / "dangling"):
        save_checkpoint(place, tiny_model(), tiny_card(), "")
        load_checkpoint(resolve(place))
    assert Path().stat().st_ino == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "here", "link", "nowhere", "real"]
    assert all((tmp_path / link).is_symlink() for link in ("link", "dangling"))


def test_the_old_one_is_restored_if_the_new_one_cannot_replace_it(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def refusing(source: Path, target: Path) -> None:
        if Path(source).name == "new":
            raise OSError("no")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refusing)
    with pytest.raises(OSError, match="no"):
        save_checkpoint(checkpoint, tiny_model(seed=1), tiny_card(), "# newer\n")
    assert (checkpoint / "README.md").read_text() == "# tiny\n"
    assert list(checkpoint.parent.iterdir()) == [checkpoint]


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_says_what_is_missing(checkpoint: Path, name: str) -> None:
    (checkpoint / name).unlink()
    with pytest.raises(CheckpointError, match=f"is not a checkpoint: it lacks {name}"):
        load_checkpoint(resolve(checkpoint))


def test_refuses_a_checkpoint_without_a_card(checkpoint: Path) -> None:
    (checkpoint / "action_card.json").unlink()
    with pytest.raises(ActionCardError, match="the meaning of the actions is unknown"):
        load_checkpoint(resolve(checkpoint))


def test_an_empty_directory_lists_the_missing_files(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json, model\.safetensors, action_card\.json"):
        load_checkpoint(resolve(tmp_path))


def edit(path: Path, change: Callable[[dict], None]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d["dimensions"].pop(), "dimensions 5, the network's dimensions is 6"),
        (lambda d: d.update(bins=128), "bins 128, the network's vocab_size is 256"),
        (lambda d: d["dimensions"][0]["modes"].append("base"), r"\[3, 256.*tokens_per_dimension is \[2, 256"),
        (lambda d: d["cameras"][0].update(width=300), "width of the camera 'front' 300, the network's width .* is 32"),
        (lambda d: d["cameras"][0].update(height=300), "height of the camera 'front' 300"),
        (
            lambda d: d["cameras"].append({**d["cameras"][0], "name": "wrist"}),
            "number of cameras 2, the network's num_cameras is 1",
        ),
        (lambda d: d.update(horizon=4), "horizon 4, the network's horizon is 1"),
        (lambda d: d.update(state=[STATE]), "numbers of the state 1, the network's state_size is 0"),
        (lambda d: d.update(frame="moon"), "frame is 'moon'"),
    ],
)
def test_refuses_a_card_that_contradicts_the_network(checkpoint: Path, change: Callable, sentence: str) -> None:
    edit(checkpoint / "action_card.json", change)
    with pytest.raises(ActionCardError, match=sentence):
        load_checkpoint(resolve(checkpoint))


def test_does_not_write_an_unloadable_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ActionCardError, match="width of the camera 'front' 96"):
        save_checkpoint(tmp_path / "x", tiny_model(), tabletop_card("x"), "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.update(model_type="bert"), "type 'bert', expected 'rt1'"),
        (lambda d: d.update(trunk="vit"), "trunk is 'vit'"),
        (lambda d: d.update(image_mean=None), r"config\.json: image_mean is None, expected a list of 3 numbers"),
        (lambda d: d.update(d_model=32), "has the shape"),
        (lambda d: d.update(num_layers=10**7), r"config\.json: num_layers is 10000000, expected at most 10,000"),
        (lambda d: d.update(num_layers=9_999), r"config\.json describes a larger model than the weights are"),
        (lambda d: d.update(word_buckets=10**9), r"config\.json describes a larger model than the weights are"),
        (lambda d: d.update(num_layers=3), "lacks transformer.layers.2"),
        (lambda d: d.update(num_layers=1), "the unknown transformer.layers.1"),
    ],
)
def test_refuses_a_config_that_contradicts_the_weights(checkpoint: Path, change: Callable, sentence: str) -> None:
    edit(checkpoint / "config.json", change)
    with pytest.raises(CheckpointError, match=sentence):
        load_checkpoint(resolve(checkpoint))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_refuses_weights_that_are_not_finite(checkpoint: Path, bad: float) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    weights["projection.weight"][0, 0] = bad
    save_file(weights, checkpoint / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"projection\.weight contains numbers that are not finite"):
        load_checkpoint(resolve(checkpoint))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda w: w.int(), "has the type int32, expected one of float32, float64"),
        (lambda w: w > 0, "has the type bool"),
        (lambda w: w.to(torch.complex64), "has the type complex64"),
        (lambda w: w.to(torch.float8_e4m3fn), "has the type float8_e4m3fn"),
        (lambda w: torch.full_like(w, 1e300, dtype=torch.float64), "contains numbers that are not finite"),
    ],
)
def test_refuses_weights_of_another_type(checkpoint: Path, change: Callable, sentence: str) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    weights["projection.weight"] = change(weights["projection.weight"])
    save_file(weights, checkpoint / "model.safetensors")
    with pytest.raises(CheckpointError, match=rf"projection\.weight {sentence}"):
        load_checkpoint(resolve(checkpoint))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_reads_other_floating_point_types(checkpoint: Path, kind: torch.dtype) -> None:
    weights = {name: w.to(kind) if w.is_floating_point() else w for name, w in tiny_model().state_dict().items()}
    save_file(weights, checkpoint / "model.safetensors")
    assert all(p.dtype == torch.float32 for p in load_checkpoint(resolve(checkpoint))[0].parameters())


@pytest.mark.parametrize("length", [0, 7, 500, -1])
def test_refuses_truncated_weights(checkpoint: Path, length: int) -> None:
    path = checkpoint / "model.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="damaged or not a safetensors file"):
        load_checkpoint(resolve(checkpoint))


@pytest.mark.parametrize("text", ["{", "[]", "null"])
def test_refuses_a_config_that_is_none(checkpoint: Path, text: str) -> None:
    (checkpoint / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_checkpoint(resolve(checkpoint))
