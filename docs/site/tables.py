"""Markdown that holds whatever the code says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")
_CODE = re.compile(r"(`[^`\n]+`|\[[^\]]+\]\([^)\s]+\))")


def prose(text: str) -> str:
    """Sentences of the code: what stands between backticks, and links, stay; other characters mean themselves."""
    parts = _CODE.split(text)
    return "".join(part if number % 2 else _SPECIAL.sub(r"\\\1", part) for number, part in enumerate(parts))


def code(text: object) -> str:
    """One word or value; empty where there is none."""
    said = str(text)
    return f"`{said}`" if said else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; "" without rows. Cells are Markdown; line breaks in them become spaces."""
    lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *lines]) + "\n"


def _cell(text: str) -> str:
    """A bar would end the cell."""
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


def page(title: str, *parts: str) -> str:
    """A whole page. parts: those that are empty are left out."""
    return "\n\n".join([f"# {title}", *(part.strip("\n") for part in parts if part.strip())]) + "\n"
