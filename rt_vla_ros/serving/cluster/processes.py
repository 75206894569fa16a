"""Descendants of a process, and where they listen (Linux)."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
PROC = Path("/proc")
LISTENING = "0A"  # a socket's state in /proc/net/tcp
POLL = 0.02  # [s]


@dataclass(frozen=True)
class ListeningSocket:
    """address: of the interface; 0.0.0.0 or ::: all."""

    process: str
    address: IPv4Address | IPv6Address
    port: int

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        mapped = self.address.ipv4_mapped if isinstance(self.address, IPv6Address) else None
        return (mapped or self.address).is_loopback


def adopt_orphans() -> None:
    """From now on, descendants whose parents end become children of this process, also after a double fork."""
    if PROC.is_dir():
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(root: int) -> set[int]:
    """Process ids of the descendants that have not ended."""
    children: dict[int, list[int]] = {}
    for directory in PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            state, parent = (directory / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                children.setdefault(int(parent), []).append(int(directory.name))
    found, new = set[int](), [root]
    while new:
        new = [child for parent in new for child in children.get(parent, ())]
        found.update(new)
    return found


def kill_descendants(root: int, timeout: float = 10.0) -> bool:
    """Kills all descendants, also those that start meanwhile. False if some are left after the timeout [s]."""
    until = time.monotonic() + timeout
    while (left := descendants(root)) and time.monotonic() < until:
        for one in left:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(POLL)
    return not left


def listening(processes: Iterable[int]) -> list[ListeningSocket]:
    """The TCP ports on which these processes listen."""
    sockets = dict(_listening_sockets())
    found = []
    for one in processes:
        with suppress(OSError):  # it has ended, or belongs to another user
            name = (PROC / str(one) / "comm").read_text().strip()
            for descriptor in (PROC / str(one) / "fd").iterdir():
                with suppress(OSError):
                    place = sockets.get(os.readlink(descriptor))
                    if place is not None:
                        found.append(ListeningSocket(name, *place))
    return found


def _listening_sockets() -> Iterator[tuple[str, tuple[IPv4Address | IPv6Address, int]]]:
    """Links of descriptors, and address and port; of all processes of this machine."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == LISTENING:
                    address, port = words[1].split(":")
                    yield f"socket:[{words[9]}]", (_address(address), int(port, 16))


def _address(text: str) -> IPv4Address | IPv6Address:
    """From words of four bytes in the machine's order, in hexadecimal."""
    raw = b"".join(int(text[i : i + 8], 16).to_bytes(4, "little") for i in range(0, len(text), 8))
    return IPv4Address(raw) if len(raw) == 4 else IPv6Address(raw)
