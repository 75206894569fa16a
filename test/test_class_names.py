"""A name means one thing: no class name is defined twice in the packages."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def class_names() -> Counter[str]:
    """How often each is defined; the stand-ins, whose names are upstream's, are left out."""
    paths = [path for package in ("rt_vla_ros", "zenoh_ros") for path in (ROOT / package).rglob("*.py")]
    trees = [ast.parse(path.read_text()) for path in paths if "stand_ins" not in path.parts]
    return Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def test_no_class_name_is_defined_twice() -> None:
    names = class_names()
    assert len(names) > 200
    assert {name for name, count in names.items() if count > 1} == set()
