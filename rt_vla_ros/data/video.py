"""Encodes camera images as video, lossless or small, and decodes segments by their timestamps."""

from __future__ import annotations

import contextlib
import errno
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av
import av.container
import av.error
import numpy as np
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from rt_vla_ros import git_lfs
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.mp4 import check_claims

Images = NDArray[np.uint8]
MAX_OPEN = 16  # videos per thread
SAME = 1e-4  # two times are one [s]
UNREADABLE = (av.error.FFmpegError, OverflowError, MemoryError, OSError)


@dataclass(frozen=True)
class VideoCodec:
    """Settings of a video encoder.

    encoder: FFmpeg's name. source: the encoder's pixel format. stored, name: pixel format and codec in info.json.
    options: the encoder's. hurried: the options that differ if images come faster than they can be encoded.
    """

    encoder: str
    source: str
    stored: str
    name: str
    options: Mapping[str, str]
    hurried: Mapping[str, str]


CODECS = {
    # A reader of one frame decodes at most 10 (g).
    "lossless": VideoCodec(
        "libx264rgb",
        "rgb24",
        "gbrp",
        "h264",
        {"crf": "0", "preset": "medium", "g": "10", "bf": "0"},
        {"preset": "ultrafast"},
    ),
    # As lerobot 0.4 writes them (src/lerobot/datasets/video_utils.py, encode_video_frames; the preset since 0.4.2).
    "h264": VideoCodec("libx264", "yuv420p", "yuv420p", "h264", {"g": "2", "crf": "30"}, {"preset": "ultrafast"}),
    "av1": VideoCodec("libsvtav1", "yuv420p", "yuv420p", "av1", {"g": "2", "crf": "30", "preset": "12"}, {}),
}
"""lossless: H.264, RGB, profile High 4:4:4 Predictive: decoding gives the same bytes, so that training sees the same
images as the policy. FFmpeg, PyAV, OpenCV and torchcodec read it; most browsers do not. h264 and av1 are small and
lossy."""


class VideoWriter:
    """Writes one MP4 file, frame by frame; it is readable once closed."""

    def __init__(self, path: Path, rate: int, codec: str = "lossless", *, hurried: bool = False) -> None:
        """rate: frames per second; frame i is at i / rate [s]. hurried: faster encoding, larger files.

        Raises OSError if the file cannot be written.
        """
        self.path, self.frames, self._codec = path, 0, CODECS[codec]
        with self._writing():
            self._file = av.open(str(path), "w", format="mp4")
            options = {**self._codec.options, **(self._codec.hurried if hurried else {})}
            stream = self._file.add_stream(self._codec.encoder, rate=rate, options=options)
        assert isinstance(stream, VideoStream)
        self._stream = stream
        self._stream.pix_fmt = self._codec.source

    def add(self, pixels: Images) -> None:
        """RGB, uint8, (H, W, 3), all of one size.

        Raises OSError; ValueError for odd sizes if the codec needs even ones.
        """
        height, width = pixels.shape[:2]
        if not self.frames:
            if self._codec.source == "yuv420p" and (height % 2 or width % 2):
                raise ValueError(
                    f"Images of {width}x{height} cannot be stored as {self._codec.name}, which subsamples the "
                    'colors: sizes must be even. Use "lossless".'
                )
            self._stream.height, self._stream.width = height, width
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        with self._writing():
            self._file.mux(self._stream.encode(frame))
        self.frames += 1

    def close(self) -> None:
        """Raises OSError if the file is incomplete."""
        with self._writing():
            try:
                if self.frames:
                    self._file.mux(self._stream.encode())
            finally:
                self._file.close()
        self._check_whole()

    def abandon(self) -> None:
        """Delete the file."""
        with contextlib.suppress(*UNREADABLE):
            self._file.close()
        self.path.unlink(missing_ok=True)

    def _check_whole(self) -> None:
        """Detect a full disk, which the last write does not always report."""
        if self.frames:
            with self._writing(), av.open(str(self.path), format="mp4") as file:
                there = sum(packet.pts is not None for packet in file.demux(video=0))
            if there != self.frames:
                raise OSError(errno.ENOSPC, f"only {there} of {self.frames} frames were written", str(self.path))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except av.error.FFmpegError as error:
            raise OSError(error.errno or errno.EIO, error.strerror or str(error), str(self.path)) from error


def write_video(path: Path, images: Iterable[Images], rate: int, codec: str = "lossless") -> None:
    """Write all images at once, see VideoWriter. Raises OSError, ValueError."""
    writer = VideoWriter(path, rate, codec)
    try:
        for pixels in images:
            writer.add(pixels)
    except BaseException:
        writer.abandon()
        raise
    writer.close()


class VideoReader:
    """Decodes frames of MP4 videos. The last used decoders stay open, `max_open` per reading thread."""

    def __init__(self, max_open: int = MAX_OPEN) -> None:
        self._max_open, self._local = max_open, threading.local()

    def times(self, path: Path, height: int, width: int) -> NDArray[np.float64]:
        """Timestamps of a video's frames, increasing [s], (N,). Nothing is decoded.

        Raises DatasetError for a video that is missing, damaged, of the wrong size [pixel] or grayscale (as depth is).
        """
        try:
            container = self._container(path)
            stream = container.streams.video[0]
            found, form = stream.codec_context, stream.codec_context.format
            if (found.height, found.width) != (height, width):
                raise DatasetError(f"The video {path} is {found.width}x{found.height}, expected {width}x{height}.")
            if form is None or len(form.components) < 3:
                name = "no known format" if form is None else f"the format {form.name}"
                raise DatasetError(
                    f"The video {path} has frames of {name}, one channel as in a depth map, expected RGB."
                )
            container.seek(0)
            stamps = [
                packet.pts for packet in container.demux(stream) if packet.pts is not None and not packet.is_discard
            ]
            return np.sort(np.array(stamps, np.float64)) * float(stream.time_base or 0)
        except UNREADABLE as error:
            raise self._failed(path, error) from error

    def read(self, path: Path, times: NDArray[np.float64]) -> Iterator[Images]:
        """The frames at these times of `self.times`, increasing [s]: RGB uint8 (H, W, 3). Raises DatasetError."""
        done = 0
        try:
            for time, frame in self._decoded(path, float(times[0])):
                if time < times[done] - SAME:
                    continue
                if time > times[done] + SAME:
                    break
                yield np.asarray(self._local.to_rgb.reformat(frame, format="rgb24").to_ndarray(), np.uint8)
                done += 1
                if done == len(times):
                    return
        except UNREADABLE as error:
            raise self._failed(path, error) from error
        raise DatasetError(f"The video {path} is damaged: its frame at {times[done]:.3f} s cannot be decoded.")

    def _failed(self, path: Path, error: Exception) -> DatasetError:
        self._open.pop(path, None)
        return DatasetError(f"The video {path} cannot be read: {error}.{git_lfs.hint(path)}")

    @property
    def _open(self) -> OrderedDict[Path, av.container.InputContainer]:
        """This thread's decoders, most recently used last."""
        if not hasattr(self._local, "open"):
            self._local.open = OrderedDict()
            self._local.to_rgb = VideoReformatter()  # kept: one for each frame takes 100 times as long
        found: OrderedDict[Path, av.container.InputContainer] = self._local.open
        return found

    def _container(self, path: Path) -> av.container.InputContainer:
        containers = self._open
        if path not in containers:
            if not path.is_file():
                raise DatasetError(f"The video {path} is missing.")
            check_claims(path)
            # The format is fixed, because FFmpeg would open a text file as a playlist, whose entries may be anywhere.
            container = av.open(str(path), format="mp4", metadata_errors="replace")
            context = container.streams.video[0].codec_context if container.streams.video else None
            if context is None:
                raise DatasetError(f"The video {path} has no frames, or an unknown codec.")
            context.thread_count = 1  # readers run in several threads; a clip is small
            pixels = (context.width + 256) * (context.height + 256)  # decoders count whole blocks and borders
            context.options = {"max_pixels": str(pixels)}  # the stream may say another size than its file
            containers[path] = container
        containers.move_to_end(path)
        while len(containers) > self._max_open:
            containers.popitem(last=False)[1].close()
        return containers[path]

    def _decoded(self, path: Path, first: float) -> Iterator[tuple[float, av.VideoFrame]]:
        """Times [s] and frames, from the last key frame displayed at `first` or earlier.

        FFmpeg goes to the last one that is decoded by then, which in HEVC is often shown later. What is shown before a
        key frame and decoded after it cannot be decoded from there.
        """
        container = self._container(path)
        stream = container.streams.video[0]
        base = float(stream.time_base or 1)
        target = int(max(0.0, first) / base)
        while True:
            container.seek(target, stream=stream, backward=True)
            packets = container.demux(stream)
            key = next(packets)
            if key.pts is None or key.dts is None or key.pts * base <= first + SAME or key.dts > target:
                break
            target = key.dts - 1
        for packet in chain((key,), packets):
            for frame in packet.decode():
                if frame.time is not None:
                    yield frame.time, frame
