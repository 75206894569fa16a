"""A TCP connection on this machine that can be slow or lossy, cut like a cable, or refused like by a dead router."""

from __future__ import annotations

import contextlib
import queue
import random
import socket
import threading
import time

_CHUNK = 65_536  # [bytes]
_AHEAD = 256  # chunks on their way in one direction; then the sender waits
_SEGMENT = 1448  # payload of a TCP segment on Ethernet [bytes]
_DUPLICATES = 3  # acknowledgments of later segments after which a lost one is sent again at once (RFC 5681)
_TIMEOUT = 0.2  # without them: the shortest retransmission timeout of Linux, beyond the round trip [s]


class Wire:
    """Listens at `port` and forwards to another port of this host, in both directions.

    cut: nothing passes; data sent meanwhile passes after `restore`. refuse: connections are closed, and new ones too.
    restore: ends both.

    round_trip: of the emulated link [s], half in each direction. loss: probability that a segment is lost, 0 to 1; TCP
    sends it again, so that it and what follows come a round trip later, or a retransmission timeout if it was among the
    last of a message. Both may be changed at any time. Bandwidth and congestion are not emulated.
    """

    def __init__(self, to_port: int, seed: int = 0) -> None:
        self._to = ("127.0.0.1", to_port)
        self.round_trip = self.loss = 0.0
        self._random = random.Random(seed)
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
                way: queue.Queue[tuple[float, bytes]] = queue.Queue(_AHEAD)
                threading.Thread(target=self._take, args=(source, way), name="wire", daemon=True).start()
                threading.Thread(target=self._give, args=(way, source, target), name="wire", daemon=True).start()

    def _take(self, source: socket.socket, way: queue.Queue[tuple[float, bytes]]) -> None:
        """Reads what is sent, with the time when it arrives; nothing at the end."""
        data = b"-"
        while data:
            try:
                data = source.recv(_CHUNK)
            except OSError:
                data = b""
            way.put((time.monotonic() + self.round_trip / 2 + self._resending(len(data)), data))

    def _give(self, way: queue.Queue[tuple[float, bytes]], source: socket.socket, target: socket.socket) -> None:
        """Delivers in order, so that what follows a lost segment waits for it too."""
        open_ = True
        while data := (taken := way.get())[1]:
            time.sleep(max(0.0, taken[0] - time.monotonic()))
            self._whole.wait()
            if open_:
                try:
                    target.sendall(data)
                except OSError:
                    open_ = False
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _resending(self, size: int) -> float:
        """How much later a chunk of this size [bytes] arrives because segments of it were lost [s]."""
        if not self.loss:
            return 0.0
        count = -(-size // _SEGMENT)
        late = 0.0
        for index in range(count):
            if self._random.random() < self.loss:
                again = 0.0 if count - 1 - index >= _DUPLICATES else _TIMEOUT
                late = max(late, self.round_trip + again)
        return late

    def _close_all(self) -> None:
        sockets, self._sockets = self._sockets, []
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
