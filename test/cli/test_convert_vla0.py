"""`rt-vla convert vla0` and what `rt-vla doctor` says of a published folder."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.vla0_folders import save_smol, save_vla0, statistics

from rt_vla_ros.cli.doctor.checkpoints import look_at_checkpoint
from rt_vla_ros.cli.main import main
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.rt2.vla0.conversion import convert_vla0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vla0(tmp_path_factory.mktemp("vla0"))


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = main(["convert", "vla0", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def test_a_folder_is_converted_once(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = tmp_path / "numbers.json"
    numbers.write_text(json.dumps({"min": [-0.5] * 6 + [-1], "max": [0.5] * 6 + [1]}))
    arguments = ("--from", folder, "--statistics", numbers, "--out", tmp_path / "out")
    assert said(capsys, *arguments)[0] == 0
    card = json.loads((tmp_path / "out" / "action_card.json").read_text())
    assert (card["dimensions"][0]["low"], card["horizon"], card["ensemble"]["rule"]) == (-0.025, 8, "weighted")
    weights, published = (place / "model.safetensors" for place in (tmp_path / "out", folder / "model_last"))
    assert weights.read_bytes() == published.read_bytes()
    code, text = said(capsys, *arguments)
    assert (code, "already exists; choose a new or empty directory" in text) == (2, True)


def test_nothing_is_written_where_the_numbers_are_another_robots(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for data, sentence in (
        (pickle.dumps(statistics([-1] * 6, [1] * 6)), "expected 7 numbers; is it another robot's?"),
        (b"cos\nsystem\n(S'true'\ntR.", "refers to os.system, which is not needed for numbers; it was not executed"),
    ):
        (tmp_path / "stats.pkl").write_bytes(data)
        out = tmp_path / "out"
        code, text = said(capsys, "--from", folder, "--statistics", tmp_path / "stats.pkl", "--out", out)
        assert code == 2
        assert sentence in text
        assert "Give the numbers by hand" in text
        assert not out.exists()


def test_a_tokenizer_missing_and_given(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = Path(shutil.copytree(folder, tmp_path / "source")), tmp_path / "out"
    (source / "model_last" / "tokenizer.json").unlink()
    code, text = said(capsys, "--from", source, "--out", out)
    assert (code, "has no tokenizer" in text, out.exists()) == (2, True, False)
    assert said(capsys, "--from", source, "--out", out, "--base", folder / "model_last")[0] == 0
    assert (out / "tokenizer.json").read_bytes() == (folder / "model_last" / "tokenizer.json").read_bytes()


def test_the_doctor_compares_card_and_system_text(folder: Path, tmp_path: Path) -> None:
    card = convert_vla0(resolve(folder), tmp_path / "out")
    replace(card, horizon=4).save(tmp_path / "out")
    wrong = [one.sentence for one in look_at_checkpoint(str(tmp_path / "out"), {}).findings if not one.fine]
    assert any("asks the model for 8 steps of 7 numbers" in sentence for sentence in wrong)


def test_the_doctor_knows_published_folders(folder: Path, tmp_path: Path) -> None:
    for directory in (folder, save_smol(tmp_path / "smol", head=True)):
        look = look_at_checkpoint(str(directory), {})
        assert look.card is not None
        assert "a VLA-0 model in its published format" in look.findings[0].sentence
        assert [one.sentence for one in look.findings if not one.fine and "Not verified" not in one.sentence] == []
    (tmp_path / "smol" / "base" / "tokenizer.json").unlink()
    wrong = [one.sentence for one in look_at_checkpoint(str(tmp_path / "smol"), {}).findings if not one.fine]
    assert any("has no tokenizer" in sentence for sentence in wrong)
