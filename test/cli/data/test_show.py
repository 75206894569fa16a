"""`rt-vla data show`: one episode as one page, whatever its texts are."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.datasets import FRONT, ROWS, TABLES, VIDEOS, change_feature
from support.moving_tool import write_moving_set

from rt_vla_ros.cli.main import main
from rt_vla_ros.data.parquet import arrow, read_table, write_table

HOSTILE = "</script><img src=x onerror=alert(1)> \"'&\u2028 <!-- \ud83d".encode("utf-8", "replace").decode()


def shown(data: Path, out: Path, *options: str) -> str:
    assert main(["data", "show", str(data), "--out", str(out), *options]) == 0
    return out.read_text()


def data_of(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="episode">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, object] = json.loads(found[1])
    return data


def test_a_page_has_the_episode_and_needs_nothing_else(dataset: Path, tmp_path: Path) -> None:
    page = shown(dataset, tmp_path / "e.html", "--episode", "3")
    data = data_of(page)
    assert (data["count"], data["rate"]) == (8, 5.0)
    images = data["images"]
    assert isinstance(images, dict)
    assert len(images["front"]) == 8
    assert images["front"][0].startswith("data:image/jpeg;base64,")
    assert data["parts"] == [[0, 8, "pick up the blue cube"]]
    assert not re.search(r'(?:src|href)=(?!"data:)|https?:', page)


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    data = write_moving_set(tmp_path / "set", lambda _, one: replace(one, instruction=HOSTILE), episodes=1, steps=6)
    path = data / "meta/episodes/chunk-000/file-000.parquet"
    audit = json.dumps({"problems": [HOSTILE], "topics": {HOSTILE: 1}})
    write_table(read_table(path).append_column("audit", arrow().array([audit])), path)
    page = shown(data, tmp_path / "e.html")
    assert "<img src=x" not in page
    assert page.count("</script>") == page.count("<script") == 2
    assert data_of(page)["parts"] == [[0, 6, HOSTILE]]
    report = tmp_path / "r.html"
    main(["data", "check", str(data), "--report", str(report)])
    assert "<img src=x" not in report.read_text()


def test_who_commanded_is_shown(dataset: Path, tmp_path: Path) -> None:
    table = read_table(dataset / TABLES[0])
    who = [("human" if i % 5 > 2 else "policy") for i in range(len(table))]
    table = table.append_column("commander", arrow().array(who))
    table = table.append_column("intervention", arrow().array([[one == "human"] for one in who]))
    write_table(table, dataset / TABLES[0])
    page = shown(dataset, tmp_path / "e.html")
    assert data_of(page)["who"] == ["policy", "policy", "policy", "human, intervention", "human, intervention"]
    assert "who commanded" in page


def test_a_damaged_set_is_shown_as_far_as_it_goes(dataset: Path, tmp_path: Path) -> None:
    (dataset / VIDEOS[0]).write_bytes(b"no video")
    page = shown(dataset, tmp_path / "e.html")
    assert "video-unreadable" in page
    change_feature(dataset, FRONT, info={"is_depth_map": True})
    assert "camera-depth" in shown(dataset, tmp_path / "f.html")


def test_a_number_that_is_none_is_shown_as_none(dataset: Path, tmp_path: Path) -> None:
    table = read_table(dataset / TABLES[0])
    values = table.column("action").to_pylist()
    values[0][1] = float("nan")
    column = arrow().array(values, table.schema.field("action").type)
    write_table(table.set_column(table.schema.get_field_index("action"), "action", column), dataset / TABLES[0])
    curves = data_of(shown(dataset, tmp_path / "e.html"))["curves"]
    assert isinstance(curves, dict)
    assert curves["0"][0][0] is None


def test_an_episode_that_is_not_there(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "show", str(dataset), "--episode", "9"]) == 2
    assert "There is no episode 9" in (error := capsys.readouterr().err)
    assert "0 to 4" in error
    (dataset / ROWS[0]).unlink()
    assert main(["data", "show", str(dataset), "--episode", "0"]) == 2
    assert "is incomplete" in capsys.readouterr().err


def test_without_rerun_a_sentence_says_so(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    assert main(["data", "show", str(dataset), "--rerun"]) == 2
    assert "pip install rerun-sdk" in capsys.readouterr().err
