"""`rt-vla data check`: sentences, JSON, a page, and an exit code for CI."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.datasets import FRONT, change_feature
from support.moving_tool import later, with_images, with_values, write_moving_set

from rt_vla_ros.cli.main import main


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_moving_set(tmp_path_factory.mktemp("clean") / "set", episodes=6)


def test_a_clean_set_passes(clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(clean), "--fail-on", "warning"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("6 episodes, 300 frames: 0 errors, 0 warnings, 0 notes.")


def test_errors_and_warnings_decide_on_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    late = write_moving_set(tmp_path / "late", with_images(lambda images: later(images, 1)), episodes=6)
    assert main(["data", "check", str(late)]) == 0
    assert main(["data", "check", str(late), "--fail-on", "warning"]) == 1
    assert (
        "warning camera-lag: The images of the camera 'front' change 1 time step (0.10 s) later"
        in capsys.readouterr().out
    )
    wrong = write_moving_set(
        tmp_path / "wrong", with_values(lambda values: values * [1, 1, -1, 1, 1, 1, 1]), episodes=6
    )
    assert main(["data", "check", str(wrong)]) == 1
    assert "error   motion-sign: The measured translation along z" in capsys.readouterr().out


def test_json_has_the_findings_alone(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change_feature(dataset, FRONT, info={"is_depth_map": True})
    assert main(["data", "check", str(dataset), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    (depth,) = [one for one in found["findings"] if one["code"] == "camera-depth"]
    assert depth["severity"] == "error"
    assert depth["advice"]
    assert found["counts"]["error"] >= 1
    assert (found["episodes"], found["frames"]) == (5, 35)


def test_the_report_is_one_file_with_pictures(tmp_path: Path) -> None:
    black = with_images(lambda images: images * 0, lambda number: number == 2)
    data = write_moving_set(tmp_path / "<b>&set", black, episodes=6)
    out = tmp_path / "check.html"
    assert main(["data", "check", str(data), "--report", str(out)]) == 0
    page = out.read_text()
    assert "<code>blank</code>" in page
    assert page.count('src="data:image/jpeg;base64,') == 3
    assert "<b>&set" not in page
    assert not re.search(r'(?:src|href)=(?!"data:)', page)
    assert "prefers-color-scheme: dark" in page


@pytest.mark.parametrize("arguments", [["nowhere"], ["{file}"], ["{data}", "--report", "{data}"]])
def test_what_cannot_be_is_said(arguments: list[str], clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {"data": str(clean), "file": str(clean / "meta/info.json")}
    assert main(["data", "check", *(one.format(**names) for one in arguments)]) == 2
    assert "expected" in (error := capsys.readouterr().err) or "name that of a dataset" in error


def test_an_empty_directory_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(tmp_path)]) == 1
    assert "error   info:" in capsys.readouterr().out
