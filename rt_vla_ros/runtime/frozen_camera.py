"""A camera that shows nothing new although the arm moves, or although time goes on."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

# For so long a stamp may come again and again [ns].
SAME_STAMP_NS = 2_000_000_000


class FrozenCamera:
    """Watches one camera while a request runs.

    name: for the sentences. max_way: how far the arm may be told to go while every pixel stays the same [m]; 0: as far
    as it likes. A real camera has noise: two images that are equal to the last bit are one image.
    """

    def __init__(self, name: str, max_way: float) -> None:
        self._name, self._max_way = name, max_way
        self.restart()

    def restart(self) -> None:
        """A new request begins."""
        self._stamp_ns: int | None = None
        self._since_ns = (0, 0)
        self._pixels: NDArray[np.uint8] | None = None
        self._way = 0.0

    def look(
        self, data: array[int] | bytes, *, stamp_ns: int, times_ns: tuple[int, int], way: float | None
    ) -> str | None:
        """An image has come; why the camera is not to be trusted, as a sentence.

        data: the image as it was received. stamp_ns: when it was taken. times_ns: now, by the node's clock, which may
        stand still, and by the host's monotonic one. way: how far the arm had been told to go when the image was taken
        [m]; None if unknown.
        """
        return self._same_stamp(stamp_ns, times_ns) or self._same_pixels(np.frombuffer(data, np.uint8), way)

    def _same_stamp(self, stamp_ns: int, times_ns: tuple[int, int]) -> str | None:
        if stamp_ns != self._stamp_ns:
            self._stamp_ns, self._since_ns = stamp_ns, times_ns
            return None
        if min(now - since for now, since in zip(times_ns, self._since_ns, strict=True)) <= SAME_STAMP_NS:
            return None
        return f"Camera {self._name!r} sends the same stamp again and again: its image is frozen."

    def _same_pixels(self, pixels: NDArray[np.uint8], way: float | None) -> str | None:
        if way is None or not self._max_way:
            return None
        if self._pixels is None or way < self._way or not np.array_equal(pixels, self._pixels):
            self._pixels, self._way = pixels, way
            return None
        if way - self._way < self._max_way:
            return None
        return (
            f"Camera {self._name!r} sends the same image again and again while the arm is told to move: it is frozen, "
            "or covered. (A simulated one without noise also does so while the arm is blocked.)"
        )
