"""Files with a secret: the page's token, and the key of its certificate."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from rt_vla_ros.console.loopback import is_loopback
from rt_vla_ros.os_error import in_words

SHORTEST_TOKEN = 16  # [characters]
LONGEST_TOKEN = 256  # [characters]
HOW_TO_LISTEN = (
    "Outside localhost the page demands a token. Write one into a file that only you can read, e.g. "
    "`(umask 077; python3 -c 'import secrets; print(secrets.token_urlsafe(24))' > console_token)`, and give its path "
    "as the parameter 'token_file'. With 'certificate' and 'key' (PEM files) the page comes over HTTPS: without them "
    "everybody on the network can read the token."
)


def refuse_shared(path: str) -> str | None:
    """Why a file with a secret is not used, in a sentence; None where it may be.

    The rule is that of ssh for its keys: what this user owns, nobody else may read. A file of somebody else is theirs
    to look after. Raises OSError.
    """
    status = os.stat(path)
    open_to = stat.S_IMODE(status.st_mode) & 0o077
    if not open_to or not hasattr(os, "getuid") or status.st_uid != os.getuid():
        return None
    mode = stat.S_IMODE(status.st_mode)
    return f"Others may read or write {path} (mode {mode:04o}), and it holds a secret: `chmod 600 {path}`."


def read_token(host: str, token_file: str) -> str | None:
    """The token that is demanded; None where none is. host: the address that the server listens on.

    Raises ValueError, with a sentence, where one is needed and missing, where others may read it, and where it is too
    short or too long.
    """
    if not token_file:
        if is_loopback(host):
            return None
        raise ValueError(f"The page would listen on {host!r}. {HOW_TO_LISTEN}")
    try:
        refusal = refuse_shared(token_file)
        token = Path(token_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"The token cannot be read: {in_words(error)}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"The token in {token_file} is no text.") from error
    if refusal is not None:
        raise ValueError(refusal)
    if not SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN:
        raise ValueError(
            f"The token in {token_file} has {len(token)} characters, expected {SHORTEST_TOKEN} to {LONGEST_TOKEN}."
        )
    return token


class FileWatch:
    """Tells when a file is another one, or was written: by its status, so that looking costs nothing."""

    def __init__(self, path: str) -> None:
        self._path, self._seen = path, _status(path)

    def changed(self) -> bool:
        """Since it was last asked."""
        before, self._seen = self._seen, _status(self._path)
        return self._seen != before


def _status(path: str) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
