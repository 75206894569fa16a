"""Makes received text safe for terminals and logs: names, messages and errors cannot forge or hide a line."""

from __future__ import annotations

import re
import unicodedata

_ADDRESS = re.compile(r"(<[\w.]+ [^<>]*?) at 0x[0-9a-fA-F]+(?=[ >])")


def printable(text: str, *, keep: str = "") -> str:
    """Replaces control and format characters (line ends, escape sequences, bidirectional controls) by escapes.

    Args:
        keep: characters to keep, e.g. the line ends of a text that is printed as several lines.
    """
    if text.isprintable():
        return text
    return "".join(char if char in keep or _is_safe(char) else _escaped(char) for char in text)


def _is_safe(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def without_addresses(text: str) -> str:
    """Removes addresses: `<_io.BytesIO object at 0x7f12>` becomes `<_io.BytesIO object>`."""
    return _ADDRESS.sub(r"\1", text)
