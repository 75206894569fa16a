"""The table of codes: each is given by some check, and the documentation has them all."""

from __future__ import annotations

import re
from pathlib import Path

from rt_vla_ros.data.check.codes import CODES, SEVERITIES

ROOT = Path(__file__).resolve().parents[3]


def test_every_code_is_used_and_none_besides() -> None:
    folder = ROOT / "rt_vla_ros/data/check"
    text = "\n".join(path.read_text() for path in folder.glob("*.py") if path.name != "codes.py")
    assert [code for code in CODES if f'"{code}"' not in text] == []
    given = {*re.findall(r'DataFinding\(\s*"([a-z-]+)"', text), *re.findall(r'_noting\("([a-z-]+)"', text)}
    assert given <= set(CODES)


def test_the_page_lists_every_code_with_its_meaning() -> None:
    page = (ROOT / "docs/data_check.md").read_text()
    missing = [
        code for code, one in CODES.items() if f"| `{code}` | {one.severity} | {one.meaning} {one.advice} |" not in page
    ]
    assert missing == []
    assert {one.severity for one in CODES.values()} == set(SEVERITIES)
