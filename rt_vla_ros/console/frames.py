"""The newest picture of each camera, encoded once for all viewers; slow viewers skip pictures."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Encoded(NamedTuple):
    """A JPEG. number: counts a camera's pictures."""

    camera: str
    number: int
    jpeg: bytes


class FrameHub:
    """Pictures come from the node's thread; everything else is in the server's event loop.

    encode: a picture as JPEG, called in threads of its own. Raises ValueError, with a message, if that fails.
    watched: called with whether there are viewers, from the loop. failed: called with a camera and why.
    rate: pictures per second of each camera, at most [Hz]. keep: called with each picture, from the loop.
    """

    def __init__(
        self,
        encode: Callable[[str, Any], bytes],
        watched: Callable[[bool], None],
        failed: Callable[[str, str], None],
        rate: float,
        keep: Callable[[str, bytes], None] = lambda _camera, _jpeg: None,
    ) -> None:
        self._encode, self._watched, self._failed, self._period = encode, watched, failed, 1 / rate
        self._keep = keep
        self._lock = threading.Lock()
        self._waiting: dict[str, Any] = {}
        self._newest: dict[str, Encoded] = {}
        self._viewers = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._came = self._ready = asyncio.Event()
        self.encoded = 0

    async def run(self) -> None:
        """Encodes until it is canceled."""
        self._loop, self._came, self._ready = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        while True:
            await self._came.wait()
            begun = self._loop.time()
            self._came.clear()
            with self._lock:
                waiting, self._waiting = self._waiting, {}
            if self._viewers:
                await asyncio.gather(*(self._make(camera, picture) for camera, picture in waiting.items()))
                ready, self._ready = self._ready, asyncio.Event()
                ready.set()
            await asyncio.sleep(max(0.0, begun + self._period - self._loop.time()))

    def offer(self, camera: str, picture: Any) -> None:
        """Adds a picture, replacing a pending one. Thread-safe."""
        with self._lock:
            self._waiting[camera] = picture
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._came.set)

    @contextlib.contextmanager
    def viewer(self) -> Any:
        """Registers a viewer."""
        self._viewers += 1
        if self._viewers == 1:
            self._watched(True)
        try:
            yield
        finally:
            self._viewers -= 1
            if not self._viewers:
                self._newest.clear()
                self._watched(False)

    async def next(self, seen: Mapping[str, int]) -> Encoded:
        """A new picture of the camera that was shown longest ago."""
        while True:
            ready = self._ready
            newer = [one for one in self._newest.values() if one.number > seen.get(one.camera, 0)]
            if newer:
                return min(newer, key=lambda one: seen.get(one.camera, 0))
            await ready.wait()

    async def _make(self, camera: str, picture: Any) -> None:
        try:
            jpeg = await asyncio.to_thread(self._encode, camera, picture)
        except Exception as error:  # any error of the decoder: the next picture may be valid
            self._failed(camera, str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}")
            return
        self.encoded += 1
        self._newest[camera] = Encoded(camera, self.encoded, jpeg)
        self._keep(camera, jpeg)
