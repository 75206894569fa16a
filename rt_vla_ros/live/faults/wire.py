"""A TCP connection on this machine that can be cut, like a cable, or refused, like by a dead router."""

from __future__ import annotations

import contextlib
import socket
import threading

_CHUNK = 65_536


class Wire:
    """Listens at `port` and forwards to another port of this host, in both directions.

    cut: nothing passes; data sent meanwhile passes after `restore`. refuse: connections are closed, and new ones too.
    restore: ends both.
    """

    def __init__(self, to_port: int) -> None:
        self._to = ("127.0.0.1", to_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._whole = threading.Event()
        self._whole.set()
        self._refuses = self._closed = False
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, name="wire", daemon=True).start()

    def cut(self) -> None:
        """See the class."""
        self._whole.clear()

    def refuse(self) -> None:
        """See the class."""
        self._refuses = True
        self._close_all()

    def restore(self) -> None:
        """See the class."""
        self._refuses = False
        self._whole.set()

    def close(self) -> None:
        """Closes the connection permanently."""
        self._closed = True
        self._whole.set()
        self._listener.close()
        self._close_all()

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:  # it was closed
                return
            try:
                there = socket.create_connection(self._to, timeout=2.0)
            except OSError:
                here.close()
                continue
            there.settimeout(None)
            self._sockets += [here, there]
            if self._refuses or self._closed:
                self._close_all()
                continue
            for source, target in ((here, there), (there, here)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pump, args=(source, target), name="wire", daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                self._whole.wait()
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _close_all(self) -> None:
        sockets, self._sockets = self._sockets, []
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
