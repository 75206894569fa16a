"""A page of the launch files and their arguments, as `--show-args` has them."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tables import code, page, prose, table

from rt_vla_ros import ros

ROOT = Path(__file__).resolve().parents[2]
FIRST = "policy"  # the launch file that starts everything; the others are parts of it or go with it


def pages() -> Iterator[tuple[str, str]]:
    """Paths in the site, and Markdown."""
    names = sorted(path.name.removesuffix(".launch.py") for path in (ROOT / "launch").glob("*.launch.py"))
    names.sort(key=lambda name: name != FIRST)
    parts = ["Arguments are given as `NAME:=VALUE`; `--show-args` prints them."]
    for name in names:
        path = ROOT / "launch" / f"{name}.launch.py"
        ros.ensure()
        ros.register()
        parts += [f"## {path.name}", prose(str(runpy.run_path(str(path))["__doc__"]).strip())]
        parts.append(table(("argument", "default", "meaning"), map(_row, _arguments(path))))
    yield "reference/launch.md", page("Launch files", *parts)


def _arguments(path: Path) -> list[Any]:
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    return list(get_launch_description_from_python_launch_file(str(path)).get_launch_arguments())


def _row(argument: Any) -> tuple[str, str, str]:
    parts = argument.default_value
    text = None if parts is None else " + ".join(part.describe() for part in parts)
    plain = text is not None and text.startswith("'") and text.endswith("'") and text.count("'") == 2
    default = "*required*" if text is None else code(text[1:-1] or '""') if plain else code(text)
    meaning, _, _ = str(argument.description).partition(". Valid choices are: ")
    choices = ", ".join(map(code, filter(None, argument.choices or ())))
    return code(argument.name), default, prose(meaning) + (f". One of {choices}." if choices else "")
