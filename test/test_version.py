"""One version: the package's, in every file that repeats it, and the newest in the changelog."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from datetime import date
from pathlib import Path

from rt_vla_ros import __version__

ROOT = Path(__file__).resolve().parents[1]
HEADING = re.compile(r"^## \[(.+?)\](?: - (\S+))?$", re.MULTILINE)


def test_the_ros_2_package_has_the_version_of_the_python_package() -> None:
    assert ElementTree.parse(ROOT / "package.xml").findtext("version") == __version__


def test_the_citation_has_the_version_of_the_python_package() -> None:
    assert re.findall(r'^version: "?([^"\n]+)"?$', (ROOT / "CITATION.cff").read_text(), re.MULTILINE) == [__version__]


def test_the_changelog_is_in_the_order_of_versions_and_begins_with_this_one() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    (unreleased, no_date), *released = HEADING.findall(changelog)
    assert (unreleased, no_date) == ("Unreleased", "")
    versions = [version for version, _ in released]
    assert versions[0] == __version__
    assert versions == sorted(versions, key=lambda version: [int(one) for one in version.split(".")], reverse=True)
    days = [date.fromisoformat(day) for _, day in released]
    assert days == sorted(days, reverse=True)
