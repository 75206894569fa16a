"""One process at a time writes into an output directory, so that the same command given twice spoils nothing."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_claims = set[socket.socket]()


def _leave() -> None:
    for claim in _claims:
        claim.close()
    _claims.clear()


if sys.platform == "linux":
    os.register_at_fork(after_in_child=_leave)  # else a process that outlives this one would keep its claims
_PEER = struct.Struct("3i")  # pid, uid and gid of the other end of a socket


@contextmanager
def claimed(directory: Path | None) -> Iterator[None]:
    """Context in which no other process of this machine claims the directory, which need not exist; None: no directory.

    The claim is a name in the kernel (an abstract Unix socket), so it leaves no file and ends with the process, however
    that ends. Containers with networks of their own do not see each other's claims, nor do machines that share a disk.
    Of the processes of a distributed training only the first one claims. Without effect on other systems than Linux.

    Raises:
        OSError: another process has it; the sentence names it.
    """
    if directory is None or sys.platform != "linux" or os.environ.get("RANK", "0") != "0":
        yield
        return
    name = "\0rt_vla_ros/" + hashlib.sha256(os.fsencode(os.path.realpath(directory))).hexdigest()
    with socket.socket(socket.AF_UNIX) as claim:
        try:
            claim.bind(name)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise OSError(
                f"{directory} is being written by another process{_whose(name)}: wait for its end, stop it, or choose "
                "another output directory."
            ) from None
        claim.listen()
        _claims.add(claim)
        try:
            yield
        finally:
            _claims.discard(claim)


def _whose(name: str) -> str:
    with socket.socket(socket.AF_UNIX) as asker:
        asker.settimeout(1.0)
        try:
            asker.connect(name)
            pid = _PEER.unpack(asker.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))[0]
        except OSError:  # it has ended meanwhile
            return ""
        return f" (PID {pid})" if pid else ""
