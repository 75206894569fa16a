"""Journals that a kill cut off: what is whole of them is read, and the next line stands by itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from rt_vla_ros.json_lines import cut_unfinished, read_rows

ROWS = [{"seed": 1, "said": "pick it\u2028up"}, {"seed": 2}]
ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("rest", [b"", b"{", b'{"seed": 3', b'{"seed": 3}', '{"said": "é'.encode()[:-1], b"\xff\x00"])
def test_a_line_that_was_cut_off_does_not_count(tmp_path: Path, rest: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode() + rest)
    assert read_rows(path, ValueError) == ROWS
    cut_unfinished(path)
    with path.open("a") as file:
        file.write('{"seed": 4}\n')
    assert read_rows(path, ValueError) == [*ROWS, {"seed": 4}]


@pytest.mark.parametrize("line", [b"}", b"3", b"[]", b"", b"\xff", b"[" * 100_000])
def test_another_damage_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"seed": 1}\n' + line + b'\n{"seed": 2}\n')
    with pytest.raises(RuntimeError, match=r"rows\.jsonl, line 2, is not a JSON object: .* Delete it\.$"):
        read_rows(path, RuntimeError, "Delete it.")


def test_no_file_has_no_rows(tmp_path: Path) -> None:
    cut_unfinished(tmp_path / "rows.jsonl")
    assert read_rows(tmp_path / "rows.jsonl", ValueError) == []
    assert not (tmp_path / "rows.jsonl").exists()


def test_nobody_reads_a_journal_otherwise() -> None:
    """Each line by itself, or the last one, as JSON: that is `read_rows`, but for data that others have made."""
    read = re.compile(r"json\.loads\([^\n]*(splitlines\(\)|\bfor line in\b)")
    theirs = {"rt_vla_ros/benchmarks/rt1_networks.py"}  # what a process says
    found = {
        str(path.relative_to(ROOT)) for path in (ROOT / "rt_vla_ros").rglob("*.py") if read.search(path.read_text())
    }
    assert found == theirs
