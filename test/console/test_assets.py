"""The files of the page: nothing from elsewhere, nothing inline, and text that stays text."""

from __future__ import annotations

import re

import pytest

from rt_vla_ros.console.assets import FOLDER, HEADERS, PUBLIC, TYPES, read_assets
from rt_vla_ros.style.sheets import BASE

FILES = [BASE, *sorted(FOLDER.iterdir())]


def test_all_files_are_served_with_their_type() -> None:
    assets = read_assets()
    assert set(assets) == {path.name for path in FILES}
    assert set(PUBLIC) < set(assets)
    assert assets["index.html"].media_type.startswith("text/html")


def test_no_script_is_inline_and_none_is_allowed_to_be() -> None:
    policy = dict(part.strip().partition(" ")[::2] for part in HEADERS["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    for path in FOLDER.glob("*.html"):
        page = path.read_text()
        assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=|javascript:", page), path.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path: str) -> None:
    assert path.suffix in TYPES
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\(", path.read_text()), path.name


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.js")), ids=lambda path: path.name)
def test_no_script_makes_markup_or_code_of_text(path: str) -> None:
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc", path.read_text()
    )
