"""Success against the number of training episodes, as a picture in SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rt_vla_ros.evaluation.panel import GAP, HEIGHT, LEFT, PANEL, TOP, Panel
from rt_vla_ros.svg import COLOURS, picture, text

WIDTH = LEFT + PANEL + GAP + 170  # [px]


def curve_plot(points: Sequence[Mapping[str, Any]]) -> str:
    """points: as `sample_efficiency` of measures.json has them; a curve for each suite."""
    panel = Panel(LEFT, max(point["episodes"] for point in points) or 1, 1.0)
    content = panel.axes("{:.0%}", "Success", "training episodes")
    suites = dict.fromkeys(suite for point in points for suite in point["success_rate"])
    for number, suite in enumerate(suites):
        colour = COLOURS[number % len(COLOURS)]
        rates = [
            (point["episodes"], point["success_rate"][suite]) for point in points if suite in point["success_rate"]
        ]
        curve = [(episodes, rate["success_rate"], *rate["interval_95"]) for episodes, rate in rates]
        content += panel.curve(curve, colour)
        content.append(text(LEFT + PANEL + 24, TOP + 14 + 18 * number, suite, "start", colour))
    return picture(WIDTH, HEIGHT, content)
