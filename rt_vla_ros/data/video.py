"""Camera images as a film without any loss, and single stretches of it back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.data.episode import DatasetError

Images = NDArray[np.uint8]

CODEC, PIXEL_FORMAT, CODEC_NAME = "libx264rgb", "rgb24", "h264"
KEY_FRAME_EVERY = 10
"""Frames: a reader of one frame decodes at most so many."""
LOSSLESS = {"crf": "0", "preset": "medium", "g": str(KEY_FRAME_EVERY), "bf": "0"}


def write_video(path: Path, images: Iterable[Images], rate: int) -> int:
    """Lossless H.264 (RGB, profile High 4:4:4 Predictive) in MP4; the number of frames written.

    images: RGB, uint8, (H, W, 3), all of one size. rate: frames per second; frame i stands at i / rate [s].
    Decoding gives the same bytes, so a policy is trained on what it will see. FFmpeg, PyAV, OpenCV and torchcodec read
    it; most browsers do not. Raises OSError where the file cannot be written.
    """
    written = 0
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream(CODEC, rate=rate, options=LOSSLESS)
        stream.pix_fmt = PIXEL_FORMAT
        for pixels in images:
            if not written:
                stream.height, stream.width = pixels.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            file.mux(stream.encode(frame))
            written += 1
        file.mux(stream.encode())
    return written


def read_video(path: Path, first: float, count: int, rate: float) -> Images:
    """`count` frames from the time `first` [s] on, RGB uint8 (count, H, W, 3).

    Raises DatasetError for a film that is missing, damaged or too short.
    """
    if not path.is_file():
        raise DatasetError(f"The film {path} is missing.")
    frames: list[Images] = []
    try:
        with av.open(str(path)) as file:
            stream = file.streams.video[0]
            file.seek(int(max(0.0, first) * av.time_base), backward=True)
            for frame in file.decode(stream):
                if frame.time is None or frame.time < first - 0.5 / rate:
                    continue
                frames.append(frame.to_ndarray(format="rgb24"))
                if len(frames) == count:
                    break
    except (av.error.FFmpegError, IndexError, OverflowError) as error:
        raise DatasetError(f"The film {path} cannot be read: {error}.") from error
    if len(frames) < count:
        raise DatasetError(
            f"The film {path} ends early: {len(frames)} of {count} frames from {first:.2f} s on are there."
        )
    return np.stack(frames)
