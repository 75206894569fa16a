"""The benchmark of a bag's conversion, with a bag of a second: what it says, not how fast it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rt_vla_ros.cli.main import main


def test_a_bag_is_converted_and_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "bag.json"
    assert main(["bench", "bag", "--seconds", "1", "--codecs", "h264", "--out", str(out)]) == 0
    figures = json.loads(out.read_text())
    assert [(row["rate"], row["width"], row["height"]) for row in figures["rows"]] == [(10, 320, 240), (30, 640, 480)]
    for row in figures["rows"]:
        assert row["took_s"] > 0
        assert row["peak_mib"] > 50
        assert row["dataset_mib"] > 0
        assert row["share_of_playing"] == pytest.approx(row["took_s"], abs=0.01)
    assert "Of 1 s with two cameras of 640x480 at 30 Hz (jpeg): " in capsys.readouterr().out


def test_a_codec_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "bag", "--codecs", "h265"]) == 2
    assert "there is no codec 'h265'" in capsys.readouterr().err
