"""A file with a token: a secret that whoever has it may use a server."""

from __future__ import annotations

from pathlib import Path

from rt_vla_ros.os_error import in_words

SHORTEST_TOKEN = 16  # [characters]
LONGEST_TOKEN = 256  # [characters]


def token_of(path: str) -> str:
    """Raises ValueError, with a sentence, for a file that cannot be read or has no such token."""
    try:
        with Path(path).expanduser().open(encoding="utf-8") as file:
            token = file.read(4 * LONGEST_TOKEN).strip()
    except OSError as error:
        raise ValueError(f"The token cannot be read: {in_words(error)}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"The token in {path} is no text.") from error
    if not SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN:
        raise ValueError(
            f"The token in {path} has {len(token)} characters, expected {SHORTEST_TOKEN} to {LONGEST_TOKEN}."
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(f"The token in {path} has other characters than letters, digits and signs, or spaces in it.")
    return token
