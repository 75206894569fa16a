"""Reserves a port of this machine for a process that is started later."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Sequence
from types import TracebackType

BOTH = ("127.0.0.1", "::1")  # what a browser tries for localhost


class HeldPort:
    """Until it is closed, the system does not assign the port to others who ask for any free port.

    On Linux the process that it is reserved for can still listen there: this socket does not listen, and both allow
    address reuse. Elsewhere this does not work, and nothing is reserved.
    """

    def __init__(self, number: int = 0, addresses: Sequence[str] = BOTH[:1]) -> None:
        """number: 0: any that is free. Addresses that this machine lacks are left out.

        Raises OSError if another process listens on it at any of the addresses.
        """
        self.number, self._sockets = number, list[socket.socket]()
        try:
            for address in addresses:
                self._hold(address)
        except OSError:
            self.close()
            raise
        if sys.platform != "linux":
            self.close()

    def _hold(self, address: str) -> None:
        try:
            held = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        except OSError:  # without IPv6
            return
        self._sockets.append(held)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind((address, self.number))
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
        else:
            self.number = int(held.getsockname()[1])

    def close(self) -> None:
        """Frees the port."""
        for one in self._sockets:
            one.close()

    def __enter__(self) -> HeldPort:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
