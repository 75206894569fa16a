"""`rt-vla embed`: makes a table, adds to it, and refuses what does not fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from rt_vla_ros.cli.main import main
from rt_vla_ros.language.instruction_table import InstructionTable

ONNX = Path(__file__).resolve().parents[1] / "fixtures" / "sentence_encoder" / "words.onnx"


def test_embed_makes_a_table_and_lets_it_grow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "t.safetensors"
    (tmp_path / "more.txt").write_text("open the drawer\n\n")
    assert main(["embed", "--encoder", str(ONNX), "--to", str(table), "pick up the red cube"]) == 0
    assert main(["embed", "--encoder", str(ONNX), "--to", str(table), "--file", str(tmp_path / "more.txt")]) == 0
    assert "2 instructions, vectors of 2 numbers by words.onnx" in capsys.readouterr().out
    assert InstructionTable.load(table).encode("open the drawer").tolist() == [-0.5, -1.0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["more.txt", "t.safetensors"]


def test_embed_keeps_encoders_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, other, renamed = (tmp_path / f"{name}.safetensors" for name in ("t", "other", "renamed"))
    onnx = Path(shutil.copy(ONNX, tmp_path / "mine.onnx"))
    InstructionTable({"go": np.zeros(2)}, "mine.onnx").save(table)  # as older versions did, without a fingerprint
    InstructionTable({"stop": np.zeros(2)}, "MiniLM").save(other)
    InstructionTable({"stop": np.zeros(2)}, "mine.onnx", fingerprint="0" * 64).save(renamed)

    def embed(encoder: Path, text: str) -> int:
        return main(["embed", "--encoder", str(encoder), "--to", str(table), text])

    assert embed(other, "stop") == 2
    assert "t.safetensors are by mine.onnx, not by MiniLM; vectors of two encoders" in capsys.readouterr().err
    assert embed(onnx, "pick up the red cube") == 0
    assert embed(renamed, "stop") == 2
    assert "are by mine.onnx, not by another mine.onnx" in capsys.readouterr().err
    assert embed(ONNX, "open the drawer") == 0
    assert InstructionTable.load(table).instructions == ["go", "pick up the red cube", "open the drawer"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--encoder", str(ONNX), "--to", "nowhere/t.safetensors", "a"], "there is no folder"),
        (["--encoder", str(ONNX), "--to", "t.txt", "a"], "ends in .safetensors"),
        (["--encoder", str(ONNX), "--to", "t.safetensors"], "no instruction given"),
        (["--encoder", "nowhere", "--to", "t.safetensors", "a"], "no sentence encoder at nowhere"),
    ],
)
def test_embed_refuses(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["embed", *arguments]) == 2
    assert sentence in capsys.readouterr().err
