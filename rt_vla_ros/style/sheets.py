"""Loads the stylesheets next to this module."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
BASE = FOLDER / "base.css"  # colors, type and what all pages have
REPORT = FOLDER / "report.css"  # of a page that is read from top to bottom


def report_style() -> str:
    """The complete style of a report, to be embedded in its single file."""
    return BASE.read_text(encoding="utf-8") + REPORT.read_text(encoding="utf-8")
