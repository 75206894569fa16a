"""Writes frames as a video that every browser plays."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray


def write_clip(path: Path, frames: Iterable[NDArray[np.uint8]], rate: Fraction) -> int:
    """H.264 in MP4 at `rate` frames per second; the number of frames written.

    frames: RGB, uint8, shape (height, width, 3), all the same, height and width even.
    Raises ValueError for no frames, OSError where the file cannot be written.
    """
    written = 0
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as file:
        stream = file.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "veryfast"})
        stream.pix_fmt = "yuv420p"
        for pixels in frames:
            if not written:
                stream.height, stream.width = pixels.shape[:2]
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            written += 1
        if not written:
            raise ValueError("A clip needs at least one frame.")
        file.mux(stream.encode())
    return written
