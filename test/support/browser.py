"""A real Chromium and the real axe-core for the tests of pages; where they are missing, those are skipped, loudly."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
if not CHROMIUM:
    pytest.skip(
        "NO BROWSER: pages are not tested. Install it with `sudo apt install chromium`.", allow_module_level=True
    )

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"),
    "--no-first-run",
)
SHOTS = os.environ.get("RT_VLA_SHOTS", "")  # a folder into which screenshots are written
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}  # [px]
ALL_RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
CONTRAST = {"type": "rule", "values": ["color-contrast"]}


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser."""
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def shot(page: Any, name: str) -> None:
    """Writes a screenshot of the whole page where somebody wants them."""
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


def faults(page: Any, rules: dict[str, Any] = ALL_RULES) -> list[str]:
    """What the real axe-core finds serious or worse."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="NO AXE: accessibility is not tested. pip install axe-playwright-python",
    )
    found = axe.Axe().run(page, options={"runOnly": rules})
    assert found.response["passes"], "axe looked at nothing"
    return [
        f"{one['impact']}: {one['help']}: {node['html'][:120]} {node['failureSummary']}"
        for one in found.response["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
