"""Camera images as lossless video, and stretches of it back, found by their time stamps."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import av.container
import av.error
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from rt_vla_ros.data.episode import DatasetError

Images = NDArray[np.uint8]
CODEC, PIXEL_FORMAT, CODEC_NAME = "libx264rgb", "rgb24", "h264"
LOSSLESS = {"crf": "0", "preset": "medium", "g": "10", "bf": "0"}  # a reader of one frame decodes at most 10 (g)
MAX_OPEN = 16  # videos per thread


def write_video(path: Path, images: Iterable[Images], rate: int) -> None:
    """Lossless H.264 (RGB, profile High 4:4:4 Predictive) in MP4.

    images: RGB, uint8, (H, W, 3), all of one size. rate: frames per second; frame i stands at i / rate [s].
    Decoding gives the same bytes, so a policy is trained on what it will see. FFmpeg, PyAV, OpenCV and torchcodec read
    it; most browsers do not. Raises OSError where the file cannot be written.
    """
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream(CODEC, rate=rate, options=LOSSLESS)
        stream.pix_fmt = PIXEL_FORMAT
        for number, pixels in enumerate(images):
            if not number:
                stream.height, stream.width = pixels.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


class VideoReader:
    """Frames out of videos. The decoders used last stay open, `max_open` for each thread that reads."""

    def __init__(self, max_open: int = MAX_OPEN) -> None:
        self._max_open, self._local = max_open, threading.local()

    def read(self, path: Path, first: float, count: int, rate: float) -> Images:
        """The frames at `first`, `first` + 1 / rate, ... [s], RGB uint8 (count, H, W, 3).

        A frame belongs to a time if it is less than half a period away. Raises DatasetError for a video that is
        missing, damaged, too short or without a frame at one of these times.
        """
        if not path.is_file():
            raise DatasetError(f"The video {path} is missing.")
        frames: list[Images] = []
        try:
            for time, frame in self._decoded(path, first):
                wanted = first + len(frames) / rate
                if time < wanted - 0.5 / rate:
                    continue
                if time > wanted + 0.5 / rate:
                    raise DatasetError(f"The video {path} has no frame at {wanted:.3f} s; the next is at {time:.3f} s.")
                frames.append(np.asarray(self._local.to_rgb.reformat(frame, format="rgb24").to_ndarray(), np.uint8))
                if len(frames) == count:
                    break
        except (av.error.FFmpegError, IndexError, OverflowError) as error:
            self._open.pop(path, None)
            raise DatasetError(f"The video {path} cannot be read: {error}.") from error
        if len(frames) < count:
            there = f"{len(frames)} of {count} frames from {first:.2f} s on are there"
            raise DatasetError(f"The video {path} ends early: {there}.")
        return np.stack(frames)

    @property
    def _open(self) -> OrderedDict[Path, av.container.InputContainer]:
        """This thread's decoders, the one used last at the end."""
        if not hasattr(self._local, "open"):
            self._local.open = OrderedDict()
            self._local.to_rgb = VideoReformatter()  # kept: one for each frame takes 100 times as long
        found: OrderedDict[Path, av.container.InputContainer] = self._local.open
        return found

    def _decoded(self, path: Path, first: float) -> Iterator[tuple[float, av.VideoFrame]]:
        """Times [s] and frames from the key frame before `first` on."""
        containers = self._open
        if path not in containers:
            containers[path] = av.open(str(path))
            containers[path].streams.video[0].thread_count = 1  # readers run in several threads; a clip is small
        containers.move_to_end(path)
        while len(containers) > self._max_open:
            containers.popitem(last=False)[1].close()
        container = containers[path]
        container.seek(int(max(0.0, first) * av.time_base), backward=True)
        for frame in container.decode(container.streams.video[0]):
            if frame.time is not None:
                yield frame.time, frame
