"""A page of the messages, services and actions: their definitions, comments and all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tables import page

ROOT = Path(__file__).resolve().parents[2]
KINDS = {"msg": "Messages", "srv": "Services", "action": "Actions"}
INTRODUCTION = (
    "The package's own types, with units and frames in the comments above the fields. "
    "`rt-vla interface show rt_vla_ros/msg/ActionChunk` prints one with its nested types."
)


def pages() -> Iterator[tuple[str, str]]:
    """Paths in the site, and Markdown."""
    parts = [INTRODUCTION]
    for folder, title in KINDS.items():
        parts.append(f"## {title}")
        for path in sorted((ROOT / folder).glob(f"*.{folder}")):
            parts += [f"### {path.stem}", f"`rt_vla_ros/{folder}/{path.stem}`"]
            parts.append(f"```{{ .python .wrapped }}\n{path.read_text().strip()}\n```")  # colors for its comments
    yield "reference/interfaces.md", page("Messages, services and actions", *parts)
