"""An SVG plot: curves with intervals over one quantity."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rt_vla_ros.svg import curve, grid_line, text

HEIGHT = 300  # [px]
TOP, BOTTOM, LEFT, PANEL, GAP = 34, 44, 52, 300, 70  # [px]; PANEL: width of one


class Panel:
    """A diagram from 0 to `right` across and from 0 to at least `most` upwards; its lines are at round numbers."""

    def __init__(self, left: float, right: float, most: float) -> None:
        """left: where it begins [px]."""
        self._left, self._right = left, right
        self._step = round_step(most)
        self._top = self._step * math.ceil(most / self._step - 1e-9)

    def _at(self, across: float, value: float) -> tuple[float, float]:
        return (
            self._left + across / self._right * PANEL,
            HEIGHT - BOTTOM - value / self._top * (HEIGHT - TOP - BOTTOM),
        )

    def axes(self, form: str, title: str, across: str) -> list[str]:
        """form: of the numbers at the vertical axis. title, across: what is drawn upwards and across, with units."""
        lines = [text(self._left, 20, title, "start"), text(self._left + PANEL / 2, HEIGHT - 8, across)]
        for number in range(round(self._top / self._step) + 1):
            _, y = self._at(0.0, number * self._step)
            lines.append(grid_line(f"M{self._left} {y:.1f}h{PANEL}"))
            lines.append(text(self._left - 6, y + 4, form.format(number * self._step), "end"))
        step = round_step(self._right)
        for number in range(int(self._right / step + 1e-9) + 1):
            lines.append(text(self._at(number * step, 0.0)[0], HEIGHT - 26, f"{number * step:.3g}"))
        return lines

    def curve(self, points: Sequence[tuple[float, float, float, float]], colour: str) -> list[str]:
        """points: place across, value, and the ends of its interval."""
        return curve(
            [(*self._at(x, value), self._at(x, low)[1], self._at(x, high)[1]) for x, value, low, high in points], colour
        )


def round_step(most: float) -> float:
    """1, 2 or 5 times a power of ten, with three to seven of them in `most`."""
    power = float(10 ** math.floor(math.log10(most)))
    return next(power * part for part in (0.2, 0.5, 1.0, 2.0) if most <= 7 * power * part)
