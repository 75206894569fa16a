"""`rt-vla evaluate --measures` and `--learning-curve`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rt_vla_ros.cli.main import main
from rt_vla_ros.policies.checkpoint.resolve import CHECKPOINTS


def test_all_measures_are_on_one_page_and_are_taken_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = ["evaluate", "--measures", "--policy", "rt1-mini", "--suite", "pick-any", "--unseen", "unseen"]
    words += ["--episodes", "1", "--delay", "0.2", "--out", str(out), "--learning-curve", "40=rt1-mini"]
    assert main(words) == 0
    assert "Generalization gap (seen minus unseen): " in capsys.readouterr().out
    data = json.loads((out / "measures.json").read_text())
    assert list(data["success_rate"]) == ["pick-any", "unseen"]
    assert set(data["instruction_following"]) == {"black-images", "other-instruction", "no-instruction", "paraphrase"}
    assert data["instruction_following"]["black-images"]["pick-any"]["successes"] == 0
    assert [one["delay_s"] for one in data["robustness_to_delay"]] == [0.0, 0.2]
    assert data["sample_efficiency"][0]["episodes"] == 40
    assert data["command"].startswith("rt-vla evaluate --policy rt1-mini --suite pick-any --episodes 1")
    assert "--measures" in data["command"]
    assert "Instruction following" in (out / "measures.html").read_text()
    journals = {path: path.stat().st_mtime_ns for path in out.rglob("episodes.jsonl")}
    assert len(journals) == 8
    assert main(words) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("episodes.jsonl")} == journals


def test_what_does_not_go_together_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(CHECKPOINTS / "rt1-mini", copy)
    out = ["--out", str(tmp_path / "out")]
    cases = [
        (["--measures"], "it needs --out DIR"),
        (["--measures", *out, "--ablation", "paraphrase"], "leave out --ablation"),
        (["--measures", *out, "--policy", "expert"], "is for a checkpoint"),
        (["--learning-curve", str(copy), *out], f"write it before the name: 100={copy}"),
        (["--learning-curve", f"1={copy}", f"2={copy}", *out], "names copy twice"),
        (["--learning-curve", f"1={copy}", "--delay", "0.2", *out], "--delay is for --measures"),
        (["--unseen", "unseen"], "--unseen is for --measures"),
    ]
    for given, sentence in cases:
        assert main(["evaluate", *given]) == 2, given
        assert sentence in capsys.readouterr().err
    (copy / "held_out_episodes.json").write_text('{"datasets": 3}')
    assert main(["evaluate", "--learning-curve", str(copy), *out]) == 2
    assert "does not say which episodes were used" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
