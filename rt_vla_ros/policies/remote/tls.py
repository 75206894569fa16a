"""Trust in a server, and a client certificate, from the files in the connection settings."""

from __future__ import annotations

import ssl
from pathlib import Path

from rt_vla_ros.os_error import in_words
from rt_vla_ros.policies.remote.settings import RemoteSettings


def tls_context(settings: RemoteSettings) -> ssl.SSLContext | None:
    """None without `ca`: no TLS. Raises ValueError for files that cannot be used."""
    if not settings.ca:
        return None
    try:
        file = None if settings.ca == "system" else str(Path(settings.ca).expanduser())
        context = ssl.create_default_context(cafile=file)
        if settings.certificate:
            paths = (str(Path(one).expanduser()) for one in (settings.certificate, settings.key))
            context.load_cert_chain(*paths)
    except OSError as error:  # and ssl.SSLError
        why = str(error) if isinstance(error, ssl.SSLError) else in_words(error)
        raise ValueError(f"The certificates for the server cannot be used: {why}") from error
    return context
