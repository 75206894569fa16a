from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from rt_vla_ros.training.run_log import PLOT, RunLog


def test_rows_are_carried_on_and_drawn(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0)
    log.save("nothing yet")
    assert not (tmp_path / PLOT).exists()
    log.add(10, 1.0, 5.5, None)
    log.add(20, 2.0, 4.0, 0.25)
    log.add(30, 3.0, 3.0, 1.0)
    log.save("a run")
    lines = [element for element in ElementTree.parse(tmp_path / PLOT).iter() if element.tag.endswith("polyline")]
    assert [len(line.attrib["points"].split()) for line in lines] == [3, 1]
    again = RunLog(tmp_path, 20)
    assert [row["step"] for row in again.rows] == [10, 20]
    assert again.rows[1] == {"step": 20, "seconds": 2.0, "loss": 4.0, "success_alone": 0.25}
