"""The colours of all pages: what is written in them can be read in both schemes, and drawings have the same."""

from __future__ import annotations

import re

import pytest

from rt_vla_ros.style.sheets import BASE, REPORT, report_style
from rt_vla_ros.svg import COLOURS

LEAST = 4.5  # WCAG 2.2, 1.4.3
WRITTEN = ("ink", "soft", "good", "busy", "human", "warning", "bad")
SERIES = tuple(f"c{number}" for number in range(8))


def schemes() -> dict[str, dict[str, str]]:
    """The colours of the light and of the dark one, by their names."""
    light, dark = BASE.read_text().split("@media (prefers-color-scheme: dark)")
    found = [dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{3,6})\b", part)) for part in (light, dark)]
    return {"light": found[0], "dark": {**found[0], **found[1]}}


def luminance(colour: str) -> float:
    """Relative, by WCAG 2.2."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#fff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_written_can_be_read(scheme: str) -> None:
    colours = schemes()[scheme]
    pairs = [(name, ground) for name in WRITTEN for ground in ("back", "field")]
    pairs += [(name, "back") for name in SERIES]  # of curves, and of the words in their legends
    pairs += [("stop-ink", "stop"), ("back", "bad")]
    low = {pair: round(found, 2) for pair in pairs if (found := contrast(*(colours[one] for one in pair))) < LEAST}
    assert low == {}


def test_a_drawing_that_is_opened_alone_has_the_colours_of_a_light_page() -> None:
    light = schemes()["light"]
    assert tuple(light[name] for name in SERIES[: len(COLOURS)]) == COLOURS


def test_every_colour_that_is_used_is_there_and_none_is_written_elsewhere() -> None:
    names = {*schemes()["light"], "tone", "ratio"}
    console = (BASE.parents[1] / "console/page/console.css").read_text()
    assert set(re.findall(r"var\(--([a-z0-9-]+)", report_style() + console)) <= names
    for sheet in (REPORT.read_text(), console):
        assert re.findall(r"#[0-9a-f]{3,6}\b(?=[;, })])", sheet) == []
    assert "@import" not in report_style()
    assert "url(" not in report_style()
