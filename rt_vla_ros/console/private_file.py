"""The file with the page's token, and whether it has changed."""

from __future__ import annotations

import os

from rt_vla_ros.loopback import is_loopback
from rt_vla_ros.token_file import token_of

HOW_TO_LISTEN = (
    "Outside localhost the page requires a token. Write one to a file that only you can read, e.g. "
    "`(umask 077; python3 -c 'import secrets; print(secrets.token_urlsafe(24))' > console_token)`, and set the "
    "parameter 'token_file' to its path. With 'certificate' and 'key' (PEM files) the page uses HTTPS: without them "
    "anybody on the network can read the token."
)


def read_token(host: str, token_file: str) -> str | None:
    """The required token; None if none is. host: the address that the server listens on.

    Raises ValueError, with a message, if a token is needed but missing, if others may read its file, or if it is too
    short or too long.
    """
    if not token_file:
        if is_loopback(host):
            return None
        raise ValueError(f"The page would listen on {host!r}. {HOW_TO_LISTEN}")
    return token_of(token_file)


class FileWatch:
    """Detects a replaced or rewritten file by its status, which is cheap."""

    def __init__(self, path: str) -> None:
        self._path, self._seen = path, _status(path)

    def changed(self) -> bool:
        """Whether it changed since the last call."""
        before, self._seen = self._seen, _status(self._path)
        return self._seen != before


def _status(path: str) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
