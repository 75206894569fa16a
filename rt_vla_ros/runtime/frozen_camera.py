"""Detects a frozen camera: one whose image does not change although the arm moves or time passes."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

# How long a stamp may be repeated [ns].
SAME_STAMP_NS = 2_000_000_000


class FrozenCamera:
    """Watches one camera while a request runs.

    name: for the sentences. max_way: commanded motion allowed while every pixel stays the same [m]; 0: unlimited. A
    real camera has noise: two bit-identical images are the same image.
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
        """Checks an image; returns why the camera counts as frozen, as a sentence.

        data: the image as received. stamp_ns: when it was taken. times_ns: now, by the node's clock, which may be
        stopped, and by the host's monotonic one. way: commanded path length when the image was taken [m]; None if
        unknown.
        """
        return self._same_stamp(stamp_ns, times_ns) or self._same_pixels(np.frombuffer(data, np.uint8), way)

    def _same_stamp(self, stamp_ns: int, times_ns: tuple[int, int]) -> str | None:
        if stamp_ns != self._stamp_ns:
            self._stamp_ns, self._since_ns = stamp_ns, times_ns
            return None
        if min(now - since for now, since in zip(times_ns, self._since_ns, strict=True)) <= SAME_STAMP_NS:
            return None
        return f"Camera {self._name!r} repeats the same stamp: its image is frozen."

    def _same_pixels(self, pixels: NDArray[np.uint8], way: float | None) -> str | None:
        if way is None or not self._max_way:
            return None
        if self._pixels is None or way < self._way or not np.array_equal(pixels, self._pixels):
            self._pixels, self._way = pixels, way
            return None
        if way - self._way < self._max_way:
            return None
        return (
            f"Camera {self._name!r} repeats the same image while the arm is commanded to move: it is frozen or "
            "covered. (A simulated camera without noise also does this while the arm is blocked.)"
        )
