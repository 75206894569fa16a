"""Text in rendered frames: font, colors and truncation."""

from __future__ import annotations

from functools import cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]

BACKGROUND, TEXT, MUTED = (24, 27, 33), (236, 238, 242), (128, 136, 150)
ANSWER, GOOD, BAD = (92, 200, 255), (120, 220, 140), (255, 110, 100)
JOINERS = "\u200c\u200d"  # which words of some languages are written with
LONGEST = 4000  # of a text that is measured [characters]


@cache
def font(size: int) -> Font:
    """Pillow's built-in font, which needs no font file."""
    return ImageFont.load_default(size)


def one_line(text: str) -> str:
    """The text without line breaks and control characters."""
    return " ".join("".join(letter if letter.isprintable() or letter in JOINERS else " " for letter in text).split())


def shortened(text: str, width: float, face: Font) -> str:
    """The text, truncated to `width` pixels."""
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(text + " ...") > width:
        text = text[: -max(1, len(text) // 16)]
    return text + " ..."


def wrapped(text: str, width: float, face: Font, lines: int) -> list[str]:
    """The text in at most `lines` lines of `width` pixels, broken between words if possible."""
    rest, rows = text[:LONGEST], list[str]()
    while len(rows) < lines - 1 and face.getlength(rest) > width:
        fits = max(1, _longest_prefix(rest, width, face))
        end = rest.rfind(" ", 0, fits + 1)
        rows.append(rest[: end if end > 0 else fits].rstrip())
        rest = rest[end if end > 0 else fits :].lstrip()
    return [*rows, shortened(rest, width, face)] if rest else rows


def _longest_prefix(text: str, width: float, face: Font) -> int:
    """Number of leading letters that fit."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if face.getlength(text[:middle]) <= width else (low, middle - 1)
    return low
