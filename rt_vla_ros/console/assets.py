"""The files of the page and the shared stylesheet: read once; nothing else is served."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from rt_vla_ros.style.sheets import BASE

FOLDER = Path(__file__).parent / "page"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
# The login page needs no login.
PUBLIC = ("login.html", "login.js", "base.css", "console.css", "icon.svg")


class Asset(NamedTuple):
    """A file and its media type."""

    content: bytes
    media_type: str


def read_assets() -> dict[str, Asset]:
    """All files of the page by their names."""
    files = [BASE, *(path for path in FOLDER.iterdir() if path.is_file())]
    return {path.name: Asset(path.read_bytes(), TYPES[path.suffix]) for path in files}
