from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.run_log import PLOT, ROWS, RunLog


def test_rows_are_carried_on_and_drawn(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0)
    log.add(10, 1.0, 9.9)
    log.add(10, 1.0, 5.5)
    log.add(20, 2.0, 4.0, learner_success=0.25)
    log.add(30, 3.0, 3.0, learner_success=1.0)
    log.save("a run")
    lines = [element for element in ElementTree.parse(tmp_path / PLOT).iter() if element.tag.endswith("polyline")]
    assert [len(line.attrib["points"].split()) for line in lines] == [3, 2]
    again = RunLog(tmp_path, 20)
    assert [row["step"] for row in again.rows] == [10, 20]
    assert again.rows[1] == {"step": 20, "seconds": 2.0, "training": 4.0, "learner_success": 0.25}


def test_a_last_row_that_is_not_whole_is_dropped_and_other_damage_is_named(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0)
    for step in (10, 20):
        log.add(step, 1.0, 5.5)
    log.save("a run")
    whole = (tmp_path / ROWS).read_text()
    (tmp_path / ROWS).write_text(whole[:-20])
    assert [row["step"] for row in RunLog(tmp_path, 20).rows] == [10]
    (tmp_path / ROWS).write_text("}" + whole)
    with pytest.raises(TrainingError, match=r"losses\.jsonl, line 1, is not a JSON object: .* Delete the line"):
        RunLog(tmp_path, 20)
    (tmp_path / ROWS).write_text(whole + '{"loss": 1}\n')
    with pytest.raises(TrainingError, match=r"losses\.jsonl, line 3, is not a row of a loss log: .*loss.* Delete"):
        RunLog(tmp_path, 20)


def test_rows_that_cannot_be_written_leave_the_old_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = RunLog(tmp_path, 0)
    log.add(10, 1.0, 5.5)
    log.save("a run")

    def half(path: Path, text: str, **_: object) -> None:
        path.write_bytes(text[:9].encode())
        raise OSError("full")

    monkeypatch.setattr(Path, "write_text", half)
    log.add(20, 1.0, 5.5)
    with pytest.raises(OSError, match="full"):
        log.save("a run")
    assert [row["step"] for row in RunLog(tmp_path, 20).rows] == [10]
    assert {path.name for path in tmp_path.iterdir()} == {ROWS, PLOT}
