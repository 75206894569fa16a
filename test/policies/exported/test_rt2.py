"""An exported rt2-mini acts, plans and answers as the original does; changed files and other models are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.vlms import save_vlm

import rt_vla_ros
from rt_vla_ros.cli.doctor.checkpoints import look_at_checkpoint
from rt_vla_ros.cli.main import main
from rt_vla_ros.evaluation.provenance import checkpoint_hash
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.exported.rt2_model import ExportedDecoder
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.policies.rt2.shared import SharedRT2
from rt_vla_ros.sim.scenes import make_scene
from rt_vla_ros.sim.tabletop_sim import TabletopSim

pytestmark = pytest.mark.slow
QUESTIONS = ("what is on the table?", "how many objects are there?", "what does the gripper hold?")
CAMERA = "front"
Scenes = list[tuple[str, list[Observation]]]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("exported") / "rt2-mini.onnx"
    assert main(["export", "rt2-mini", "--to", "onnx", "--out", str(directory)]) == 0
    return directory


@pytest.fixture(scope="module")
def scenes() -> Iterator[Scenes]:
    """Instructions, each with rendered images of a moving arm."""
    sim, found = TabletopSim(), []
    for seed in range(3):
        scene, seen = make_scene("pick-any", 850_000 + seed), []
        sim.reset(scene.layout)
        for step in range(3):
            seen.append(Observation({CAMERA: sim.render(CAMERA)}, step / 5))
            sim.command(np.array([0.1, 0.05 * seed, -0.1]), np.zeros(3))
            sim.step(0.2)
        found.append((scene.task.instruction, seen))
    yield found
    sim.close()


def both(exported: Path, **options: bool) -> list[RT2Policy]:
    policies = [load_policy(name, device="cpu", **options) for name in ("rt2-mini", str(exported))]  # type: ignore[arg-type]
    return [policy for policy in policies if isinstance(policy, RT2Policy)]


def test_it_chooses_the_tokens_of_the_original(exported: Path, scenes: Scenes) -> None:
    original, found = both(exported)
    assert isinstance(found.parts.model.base_model.language_model, ExportedDecoder)
    chosen, passes = set(), 0
    for instruction, seen in scenes:
        for policy in (original, found):
            policy.reset(instruction)
        for observation in seen:
            expected, decoded = original.decode(observation), found.decode(observation)
            assert (decoded.tokens, decoded.passes) == (expected.tokens, expected.passes)
            assert decoded.probabilities == pytest.approx(expected.probabilities, abs=1e-4)
            assert decoded.log_legal == pytest.approx(expected.log_legal, abs=1e-3)
            chosen.add(decoded.tokens)
            passes += decoded.passes
    assert len(chosen) > len(scenes), "the actions depend on the images"
    assert passes < 5 * len(scenes) * 3, "drafts are accepted, and rejected ones rolled back"


def test_it_plans_like_the_original(exported: Path, scenes: Scenes) -> None:
    plans = set()
    policies = both(exported, plan=True)
    for instruction, (first, *_) in scenes:
        for policy in policies:
            policy.reset(instruction)
        expected, chunk = (policy.act(first) for policy in policies)
        assert (chunk.tokens, chunk.plan) == (expected.tokens, expected.plan)
        assert chunk.confidence == pytest.approx(expected.confidence, abs=1e-4)
        plans.add(chunk.plan)
    assert len(plans) > 1


def test_it_answers_like_the_original_also_between_two_decisions(exported: Path, scenes: Scenes) -> None:
    original, found = both(exported)
    answers = set()
    for instruction, (first, second, _) in scenes[:2]:
        expected = []
        for policy in (original, found):
            policy.reset(instruction)
            policy.act(first)
            words = tuple(policy.ask(first.images, question) for question in QUESTIONS)
            expected.append((words, policy.act(second).tokens))
        assert expected[0] == expected[1]
        answers.add(expected[1][0])
    assert len(answers) == 2


def test_robots_share_a_pass(exported: Path, scenes: Scenes) -> None:
    original, found = both(exported)
    shared = SharedRT2(found)
    robots = [shared.session() for _ in scenes]
    for robot, (instruction, _) in zip(robots, scenes, strict=True):
        robot.reset(instruction)
    for step in range(2):
        chunks = shared.act([(robot, seen[step]) for robot, (_, seen) in zip(robots, scenes, strict=True)])
        for chunk, (instruction, seen) in zip(chunks, scenes, strict=True):
            original.reset(instruction)
            assert not isinstance(chunk, Exception)
            assert chunk.tokens == original.act(seen[step]).tokens


def test_its_folder_names_its_origin_and_no_place_of_this_machine(exported: Path) -> None:
    kept = json.loads((exported / "config.json").read_text())["exported"]
    assert kept["original"] == checkpoint_hash("rt2-mini")
    assert checkpoint_hash(str(exported)) not in (None, kept["original"])
    assert resolve(exported).answers
    source = str(Path(rt_vla_ros.__file__).parent).encode()
    assert not any(source in path.read_bytes() for path in exported.rglob("*") if path.is_file())
    assert {path.suffix for path in exported.rglob("*") if path.is_file()} == {".json", ".onnx", ".safetensors", ".md"}
    findings = look_at_checkpoint(str(exported), {}).findings
    assert all(one.fine for one in findings), findings
    assert any("an RT-2 model in ONNX" in one.sentence for one in findings)


@pytest.mark.parametrize(
    "name",
    ["decoder.onnx", "images.onnx", "tables.safetensors", "rt2_config.json", "base/tokenizer.json", "base/config.json"],
)
def test_a_changed_file_is_refused(exported: Path, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(exported, tmp_path / "copy.onnx"))
    with (copy / name).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(CheckpointError, match=rf"{name} was changed after the export: its SHA-256 is"):
        load_policy(str(copy))


def test_an_added_file_and_options_of_other_policies_are_refused(exported: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(exported, tmp_path / "copy.onnx"))
    (copy / "base/chat_template.jinja").write_text("{{ messages }}")
    with pytest.raises(CheckpointError, match=r"base/chat_template.jinja was added after the export"):
        load_policy(str(copy))
    with pytest.raises(ValueError, match=r"was set by its export"):
        load_policy(str(exported), weights="int8")
    with pytest.raises(ValueError, match=r"do not support decoding 'mean'"):
        load_policy(str(exported), decoding="mean")


def test_what_cannot_be_exported_is_refused(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = save_vlm(tmp_path / "qwen", "qwen2_5_vl")
    for arguments, sentence in (
        ([str(other)], "qwen is a vision-language model of the type qwen2_5_vl; RT-1 policies and FastVLM (rt2-mini)"),
        (["rt2-untrained"], "rt2-untrained is a vision-language model of the type rt2-untrained; RT-1 policies and"),
        (["rt2-mini", "--int8"], "--int8 quantizes RT-1 policies only; an RT-2 is exported in float32"),
        ([str(exported)], "is already exported; use the original checkpoint"),
    ):
        assert main(["export", *arguments, "--out", str(tmp_path / "out.onnx")]) == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out.onnx").exists()
