"""`rt-vla export --to aot`: machine code acts as its original does, and runs only where it was compiled."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch._inductor.config as inductor
from support.rt1 import check_same_decisions, seen, tiny_card, tiny_model

from rt_vla_ros.benchmarks.exported import measure
from rt_vla_ros.cli.doctor.checkpoints import look_at_checkpoint
from rt_vla_ros.cli.main import main
from rt_vla_ros.evaluation.provenance import checkpoint_hash
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.exported import machine_code
from rt_vla_ros.policies.exported.graph_source import ExportError
from rt_vla_ros.policies.exported.manifest import Manifest, sha256_of
from rt_vla_ros.policies.exported.to_aot import check_compiler
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt1.checkpoint import save_checkpoint

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def data_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("data")
        patch.setenv("XDG_DATA_HOME", str(place))
        yield place


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("original") / "tiny"
    save_checkpoint(directory, tiny_model(), tiny_card(), "A tiny network.")
    return directory


@pytest.fixture(scope="module")
def exported(original: Path, data_home: Path) -> Path:
    try:
        check_compiler()
    except ExportError as error:
        pytest.skip(str(error))
    assert main(["export", str(original), "--to", "aot", "--out", str(original.parent / "tiny.aot")]) == 0
    return original.parent / "tiny.aot"


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copy.aot"))


def rewrite(directory: Path, **changes: object) -> None:
    """Changes the manifest and its own hash, as somebody who can write all files can."""
    config = json.loads((directory / "config.json").read_text())
    manifest = replace(Manifest.of(config, directory), **changes)  # type: ignore[arg-type]
    (directory / "config.json").write_text(json.dumps(manifest.config(config["model_type"], config["network"])))


def test_the_compiled_policy_chooses_the_same_tokens(original: Path, exported: Path) -> None:
    check_same_decisions(str(original), str(exported))
    kept = json.loads((exported / "config.json").read_text())["exported"]
    assert kept["original"] == checkpoint_hash(str(original))
    assert checkpoint_hash(str(exported)) not in (None, kept["original"])
    assert not resolve(exported).answers
    assert {path.suffix for path in exported.iterdir()} == {".json", ".so", ".md"}
    assert measure(str(original), [str(exported)], 2, "cpu")["policies"][1]["same_tokens"] == 1
    assert all(finding.fine for finding in look_at_checkpoint(str(exported), {}).findings)


def test_code_that_was_not_compiled_here_is_refused_before_it_is_loaded(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "another user"))
    with pytest.raises(CheckpointError, match=r"\.so is machine code that was not compiled by this user .* --to aot"):
        load_policy(str(copied))
    load_policy(str(copied), trust_remote_code=True)


def test_a_replaced_library_is_refused_also_with_a_matching_manifest(copied: Path) -> None:
    graph = copied / "window.so"
    graph.write_bytes(graph.read_bytes() + b"\0")
    with pytest.raises(CheckpointError, match=r"window.so was changed after the export"):
        load_policy(str(copied), trust_remote_code=True)
    config = json.loads((copied / "config.json").read_text())
    rewrite(copied, graphs={**config["exported"]["graphs"], "window": sha256_of(graph)})
    with pytest.raises(CheckpointError, match=r"window.so is machine code that was not compiled by this user"):
        load_policy(str(copied))
    graph.write_bytes(b"no library")
    rewrite(copied, graphs={**config["exported"]["graphs"], "window": sha256_of(graph)})
    with pytest.raises(CheckpointError, match=r"window.so cannot be loaded by torch"):
        load_policy(str(copied), trust_remote_code=True)


@pytest.mark.parametrize("key", ["torch", "architecture", "processor"])
def test_code_for_another_machine_is_refused_even_if_it_is_trusted(copied: Path, key: str) -> None:
    compiled_for = json.loads((copied / "config.json").read_text())["exported"]["target"]
    rewrite(copied, target={**compiled_for, key: "other"})
    with pytest.raises(
        CheckpointError, match=rf"compiled for another machine or torch \({key} other, here .* --to aot"
    ):
        load_policy(str(copied), trust_remote_code=True)


def test_the_number_of_threads_is_torchs(exported: Path) -> None:
    before = torch.get_num_threads()
    policy = load_policy(str(exported))
    policy.reset("pick up the red cube")
    try:
        tokens = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            policy.reset("pick up the red cube")
            tokens.append(policy.act(seen(0)).tokens)
        assert tokens[0] == tokens[1]
    finally:
        torch.set_num_threads(before)


def test_another_device_is_refused(exported: Path) -> None:
    with pytest.raises(ValueError, match=r"runs on the CPU; expected auto or cpu, given: 'cuda'"):
        load_policy(str(exported), device="cuda")


def test_what_cannot_be_compiled_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "/nowhere/g++")
    cases = (
        (["rt1-mini", "--int8"], "--int8 applies to --to onnx only"),
        (["rt1-mini", "--opset", "20"], "--opset applies to --to onnx only"),
        (["rt2-mini"], "needs a C++ compiler, and none was found"),
        (["rt1-mini"], "needs a C++ compiler, and none was found"),
    )
    with inductor.patch({"cpp.cxx": ("/nowhere/g++",)}):
        for arguments, sentence in cases:
            assert main(["export", *arguments, "--to", "aot", "--out", str(tmp_path / "out.aot")]) == 2
            assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_only_recorded_code_may_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    machine_code.record(b"one")
    machine_code.check_recorded(b"one", "one.so")
    for other in (b"", b"One"):
        with pytest.raises(CheckpointError, match=r"other.so is machine code"):
            machine_code.check_recorded(other, "other.so")
