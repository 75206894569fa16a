"""`rt-vla export`: a policy in ONNX acts as its original does; what is changed, damaged or no policy is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.rt1 import check_same_decisions, seen, tiny_card, tiny_model

from rt_vla_ros.cli.main import main
from rt_vla_ros.evaluation.provenance import checkpoint_hash
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.exported.engines import OnnxEngine
from rt_vla_ros.policies.exported.manifest import Manifest, sha256_of
from rt_vla_ros.policies.exported.rt1 import WINDOW
from rt_vla_ros.policies.exported.rt1_writer import export_rt1, sources
from rt_vla_ros.policies.exported.to_onnx import OPSET, to_onnx
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.rt1.checkpoint import read_model, save_checkpoint
from rt_vla_ros.policies.rt1.policy import RT1Policy

pytestmark = pytest.mark.slow
SENTENCE = "pick up the red cube"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("original") / "tiny"
    save_checkpoint(directory, tiny_model(), tiny_card(), "A tiny network.")
    return directory


def export_int8(original: Path, out: Path) -> None:
    def watch(policy: Policy) -> None:
        policy.reset(SENTENCE)
        for number in range(4):
            policy.act(seen(number, number / 5))

    export_rt1(resolve(original), out, "", engine=OnnxEngine(20), watch=watch, tell=lambda _: None)


@pytest.fixture(scope="module")
def exported(original: Path) -> Path:
    assert main(["export", str(original), "--to", "onnx", "--out", str(original.parent / "tiny.onnx")]) == 0
    return original.parent / "tiny.onnx"


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copy.onnx"))


def test_the_exported_policy_chooses_the_same_tokens(original: Path, exported: Path) -> None:
    check_same_decisions(str(original), str(exported))
    kept = json.loads((exported / "config.json").read_text())["exported"]
    assert kept["original"] == checkpoint_hash(str(original))
    assert checkpoint_hash(str(exported)) not in (None, kept["original"])
    assert not resolve(exported).answers


def test_int8_graphs_are_smaller_and_act(original: Path, exported: Path, tmp_path: Path) -> None:
    export_int8(original, tmp_path / "int8.onnx")
    assert json.loads((tmp_path / "int8.onnx/config.json").read_text())["exported"]["int8"] == ["frame", "window"]
    assert any(node.op_type == "QuantizeLinear" for node in onnx.load(tmp_path / "int8.onnx/frame.onnx").graph.node)
    policies = [load_policy(str(place), device="cpu") for place in (exported, tmp_path / "int8.onnx")]
    for policy in policies:
        policy.reset(SENTENCE)
    exact, found = (p.probabilities(seen(0)) for p in policies if isinstance(p, RT1Policy))
    assert 0 < np.abs(exact - found).max() < 0.2


def test_a_graph_of_another_hash_an_edited_card_and_a_missing_file_are_refused(copied: Path) -> None:
    card = (copied / "action_card.json").read_text()
    (copied / "action_card.json").write_text(card.replace("0.04", "0.05"))
    with pytest.raises(CheckpointError, match=r"action_card.json was changed after this policy was exported"):
        load_policy(str(copied))
    (copied / "action_card.json").write_text(card)
    content = (copied / "window.onnx").read_bytes()
    (copied / "window.onnx").write_bytes(content + b"\0")
    with pytest.raises(CheckpointError, match=r"window.onnx was changed after the export: its SHA-256 is"):
        load_policy(str(copied))
    (copied / "window.onnx").unlink()
    with pytest.raises(CheckpointError, match=r"window.onnx cannot be read"):
        load_policy(str(copied))


def test_a_graph_that_is_too_new_for_the_runtime_is_refused(copied: Path) -> None:
    model = onnx.load(copied / "window.onnx")
    model.opset_import[0].version = 99
    onnx.save(model, copied / "window.onnx")
    config = json.loads((copied / "config.json").read_text())
    manifest = Manifest.of(config, copied)
    manifest = replace(manifest, graphs={**manifest.graphs, "window": sha256_of(copied / "window.onnx")})
    (copied / "config.json").write_text(json.dumps(manifest.config(config["model_type"], config["network"])))
    with pytest.raises(CheckpointError, match=r"cannot be loaded by onnxruntime .* update onnxruntime, or export"):
        load_policy(str(copied))


def test_an_edited_config_is_refused_a_reformatted_one_is_not(copied: Path) -> None:
    path = copied / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    load_policy(str(copied))
    path.write_text(path.read_text().replace('"opset": 20', '"opset": 21'))
    with pytest.raises(CheckpointError, match=r"config.json was changed after the export: its content does not match"):
        load_policy(str(copied))


def test_the_same_network_gives_the_same_file(original: Path, exported: Path) -> None:
    again = to_onnx(WINDOW, sources(read_model(resolve(original))[0])[WINDOW], OPSET)
    assert again == (exported / "window.onnx").read_bytes()
    assert str(Path(main.__code__.co_filename).parents[2]).encode() not in again


def test_weights_are_settled_and_another_format_is_refused(copied: Path) -> None:
    with pytest.raises(ValueError, match=r"was set by its export"):
        load_policy(str(copied), weights="bfloat16")
    config = json.loads((copied / "config.json").read_text())
    config["exported"]["format"] = 1
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"has the export format 1, expected 2"):
        load_policy(str(copied))


def test_what_cannot_be_exported_is_refused_and_writes_nothing(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out.onnx"
    for arguments, sentence in (
        ([str(tmp_path / "empty")], "is not a checkpoint: it lacks config.json"),
        ([str(exported)], "is already exported; use the original checkpoint"),
        (["remote:localhost"], "run `rt-vla export` there"),
        (["rt1-mini", "--opset", "17"], "--opset is 17, expected 18 or more"),
        (["rt1-mini", "--episodes", "3"], "require --int8"),
        (["rt1-mini", "--int8", "--calibration", "pick-an"], "pick-any"),
    ):
        assert main(["export", *arguments, "--out", str(out)]) == 2
        assert sentence in capsys.readouterr().err
    assert main(["export", "rt1-mini", "--out", str(exported)]) == 2
    assert "already exists; choose a new directory" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_an_interrupted_export_leaves_nothing(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_path: Path) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("rt_vla_ros.policies.exported.writer.sha256_of", interrupted)  # when all files are there
    with pytest.raises(KeyboardInterrupt):
        export_rt1(resolve(original), tmp_path / "half.onnx", "", engine=OnnxEngine(20), tell=lambda _: None)
    assert list(tmp_path.iterdir()) == []
