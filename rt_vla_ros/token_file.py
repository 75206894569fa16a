"""A file with a token: a secret that whoever has it may use a server."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from rt_vla_ros.os_error import in_words

SHORTEST_TOKEN = 16  # [characters]
LONGEST_TOKEN = 256  # [characters]


def refuse_shared(path: str | Path) -> str | None:
    """Why a file with a secret is not used, as a sentence; None if it may be.

    The rule is the one of ssh for its keys: a file of this user must not be readable by others. Files of other users
    are not checked. Raises OSError.
    """
    status = os.stat(path)
    open_to = stat.S_IMODE(status.st_mode) & 0o077
    if not open_to or not hasattr(os, "getuid") or status.st_uid != os.getuid():
        return None
    mode = stat.S_IMODE(status.st_mode)
    return f"Others may read or write {path} (mode {mode:04o}), and it holds a secret: `chmod 600 {path}`."


def header_token(path: str) -> str:
    """Like `token_of`, for a token that is sent in a request header."""
    token = token_of(path)
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(f"The token in {path} may contain only ASCII letters, digits and punctuation, without spaces.")
    return token


def token_of(path: str) -> str:
    """Raises ValueError, with a message, for a file that cannot be read, that others may read, or without a token."""
    try:
        refusal = refuse_shared(Path(path).expanduser())
        with Path(path).expanduser().open(encoding="utf-8") as file:
            token = file.read(4 * LONGEST_TOKEN).strip()
    except OSError as error:
        raise ValueError(f"The token cannot be read: {in_words(error)}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"The token in {path} is not text.") from error
    if refusal is not None:
        raise ValueError(refusal)
    if not SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN:
        raise ValueError(
            f"The token in {path} has {len(token)} characters, expected {SHORTEST_TOKEN} to {LONGEST_TOKEN}."
        )
    return token
