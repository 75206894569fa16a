"""The repository as a site: README is its first page, and a file that pages link to is a page that shows it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = "docs/"
_LINK = re.compile(r"(?P<before>\]\()(?P<target>(?!\w+:|#|/)[^)#\s]+)(?P<after>#[^)\s]*)?(?=\))")
_FENCE = re.compile(r"^(```.*?^```[ ]*$)", re.DOTALL | re.MULTILINE)
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".xml": "xml", ".msg": "python"}


def site_path(path: str) -> str:
    """Where a file of the repository is in the site: what is in docs/ on top, code as a page of its own."""
    if path == "README.md":
        return "index.md"
    if path.startswith(DOCS):
        return path.removeprefix(DOCS)
    return path if path.endswith(".md") else f"{path}.md"


def links(text: str, path: str) -> Iterator[str]:
    """The files of the repository that a page of it links to. path: the page's."""
    for part in _FENCE.split(text)[::2]:
        for match in _LINK.finditer(part):
            if (target := _target(match, path)) is not None:
                yield target


def with_site_links(text: str, path: str) -> str:
    """The page with links that lead to the same files in the site. path: the page's in the repository."""
    here = posixpath.dirname(site_path(path))

    def moved(match: re.Match[str]) -> str:
        target = _target(match, path)
        if target is None:
            return match[0]
        return f"{match['before']}{posixpath.relpath(site_path(target), here or '.')}{match['after'] or ''}"

    parts = _FENCE.split(text)
    return "".join(part if number % 2 else _LINK.sub(moved, part) for number, part in enumerate(parts))


def file_page(path: str) -> str:
    """The page that shows a file of the repository."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".md"):
        return text
    head = "---\nsearch: {exclude: true}\n---\n"
    return f"{head}# {path}\n\n````{_LANGUAGES.get(Path(path).suffix, 'text')}\n{text.rstrip()}\n````\n"


@cache
def outside_pages() -> dict[str, str]:
    """Pages of files outside docs/, by their paths in the repository: README, and what pages link to, however far."""
    pages: dict[str, str] = {}
    waiting = ["README.md"]
    for page in sorted((ROOT / DOCS).glob("*.md")):
        waiting += links(page.read_text(encoding="utf-8"), f"{DOCS}{page.name}")
    while waiting:
        path = waiting.pop()
        if path.startswith(DOCS) or path in pages or not (ROOT / path).is_file():
            continue
        pages[path] = file_page(path)
        if path.endswith(".md"):
            waiting += links(pages[path], path)
    return pages


def _target(match: re.Match[str], path: str) -> str | None:
    """The file or folder of the repository that is meant; None where there is none."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), match["target"]))
    return target if (ROOT / target).exists() else None
