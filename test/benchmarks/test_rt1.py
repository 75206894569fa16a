from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from rt_vla_ros.benchmarks import rt1
from rt_vla_ros.benchmarks.rt1 import COLUMNS, Reference, measure, table
from rt_vla_ros.cli.main import main

STAND_IN = """
import sys
print("ready", flush=True)
for _ in sys.stdin:
    print(0.25, flush=True)
"""


@pytest.mark.slow
def test_a_network_is_measured_without_the_reference() -> None:
    figures = measure([("rt1-mini", "float32")], repeats=2)
    (row,) = figures["networks"]
    assert row["network"] == "rt1-mini"
    assert 0 < row["fastest_ms"] <= row["step_ms"]
    assert row["weights_mb"] > 0
    assert "reference_ms" not in row
    lines = table(figures).splitlines()
    assert len(lines) == 3
    assert all(title in lines[0] for _, title in COLUMNS)


@pytest.mark.slow
def test_the_command_writes_what_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "figures.json"
    assert main(["bench", "rt1", "--only", "rt1-mini", "--repeats", "1", "--out", str(out)]) == 0
    assert json.loads(out.read_text())["networks"][0]["network"] == "rt1-mini"
    printed = capsys.readouterr()
    assert "rt1-mini" in printed.out
    assert "rt1-mini in float32: " in printed.err


def test_the_reference_runs_in_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "rt1_reference.py"
    program.write_text(STAND_IN)
    monkeypatch.setattr(rt1, "REFERENCE_PROGRAM", program)
    reference = Reference(tmp_path, sys.executable)
    assert [reference.step(), reference.step()] == [0.25, 0.25]
    reference.close()
    program.write_text("raise SystemExit('no jax')")
    with pytest.raises(ValueError, match=r"it needs jax and flax \(status 1\)\. Its last output: no jax"):
        Reference(tmp_path, sys.executable)
    program.write_text(
        STAND_IN.replace("for _ in sys.stdin", "sys.stdin.readline()\nraise SystemExit('no memory')\nif 1")
    )
    dying = Reference(tmp_path, sys.executable)
    with pytest.raises(ValueError, match=r"ended during the measurement \(status 1\)\. Its last output: no memory"):
        dying.step()
    program.unlink()
    with pytest.raises(ValueError, match=r"rt1_reference\.py is missing: .* is part of a checkout"):
        Reference(tmp_path, sys.executable)


def test_a_checkout_has_the_reference_program() -> None:
    assert rt1.REFERENCE_PROGRAM.is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--only", "rt3"], "expected one of rt1, rt1-mini, rt1-x"),
        (["--repeats", "0"], "expected 1 to 1000"),
        (["--out", "/nowhere/x.json"], "there is no folder /nowhere"),
        (["--out", "/"], "/ is a folder, expected the name of a file"),
        (["--reference", "."], "has no models/rt1.py"),
    ],
)
def test_refuses(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "rt1", *arguments]) == 2
    assert sentence in capsys.readouterr().err
