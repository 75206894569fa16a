from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import pytest

from rt_vla_ros.training.run_log import loss_plot


def test_is_a_picture_with_a_line_for_each_series() -> None:
    root = ElementTree.fromstring(
        loss_plot({"training": [(10, 4.0), (20, 2.0), (30, math.nan)], "validation": [(20, 3.0)]}, "a < b")
    )
    lines = [e for e in root if e.tag.endswith("polyline")]
    assert [len(line.attrib["points"].split()) for line in lines] == [2, 1]
    (x0, y0), (x1, y1) = (map(float, point.split(",")) for point in lines[0].attrib["points"].split())
    assert x1 > x0
    assert y1 > y0  # a smaller loss is further down
    assert {"a < b", "training", "validation"} <= {e.text for e in root}


def test_a_rate_is_drawn_down_to_zero_on_its_own_axis() -> None:
    root = ElementTree.fromstring(
        loss_plot({"training": [(10, 4.0), (20, 2.0)]}, "a run", {"wrong answers": [(0, 1.0), (10, 0.5), (20, 0.0)]})
    )
    heights = {e.text: float(e.attrib["y"]) - 4 for e in root if e.text in ("0%", "50%", "100%")}
    line = [e for e in root if e.tag.endswith("polyline")][-1].attrib["points"]
    assert [float(point.split(",")[1]) for point in line.split()] == [heights["100%"], heights["50%"], heights["0%"]]


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(ValueError, match="no losses to plot"):
        loss_plot({"training": []}, "nothing")
