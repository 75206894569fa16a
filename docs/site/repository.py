"""The repository as a site: README is the first page, and files that pages link to have pages of their own."""

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
_RENAMED = {"README.md": "index.md", "SECURITY.md": "security_policy.md"}  # docs/security.md differs in case only


def site_path(path: str) -> str:
    """The path in the site of a file in the repository: files of docs/ are at the top, code has pages of its own."""
    if path in _RENAMED:
        return _RENAMED[path]
    if path.startswith(DOCS):
        return path.removeprefix(DOCS)
    return path if path.endswith(".md") else f"{path}.md"


def links(text: str, path: str) -> Iterator[str]:
    """The files of the repository to which a page links. path: that of the page."""
    for part in _FENCE.split(text)[::2]:
        for match in _LINK.finditer(part):
            if (target := _target(match, path)) is not None:
                yield target


def with_site_links(text: str, path: str) -> str:
    """The page with its links changed to the paths in the site. path: that of the page in the repository."""
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
    """Pages of files outside docs/, by path in the repository: README, and all files linked directly or indirectly."""
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
    """The file or folder of the repository to which a link refers; None if there is none."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), match["target"]))
    return target if (ROOT / target).exists() else None
