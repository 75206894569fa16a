"""Copies segments of videos to new files, frame by frame without re-encoding."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from rt_vla_ros import git_lfs
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.mp4 import check_claims
from rt_vla_ros.data.video import UNREADABLE


@dataclass(frozen=True)
class VideoStretch:
    """The segment of the video `path` from the timestamp `first` to just before `until` [s]."""

    path: Path
    first: float
    until: float


def copy_file(source: Path, target: Path, *, link: bool) -> None:
    """link: hard-link the file if the file system can. Raises OSError."""
    target.unlink(missing_ok=True)
    if link:
        os.link(source.resolve(), target)
    else:
        shutil.copyfile(source, target)


def copy_stretch(stretch: VideoStretch, target: Path, rate: float, *, link: bool = False) -> float:
    """Copy the frames of a segment, and as few others as possible: those since the preceding key frame.

    A segment of the whole file is copied as a file. rate: frames per second. link: see `copy_file`.
    Returns the time in the video that is 0 in `target` [s]. Raises DatasetError for a damaged video, OSError.
    """
    try:
        check_claims(stretch.path)
        shown, keys, base = _index(stretch.path)
    except UNREADABLE as error:
        raise _unreadable(stretch.path, error) from error
    first, until = stretch.first - 0.5 / rate, stretch.until - 0.5 / rate
    inside = (shown * base >= first) & (shown * base < until)
    if not inside.any():
        when = f"from {stretch.first:.3f} s to {stretch.until:.3f} s"
        raise DatasetError(f"The video {stretch.path} has no frames {when}.")
    if inside.all():
        copy_file(stretch.path, target, link=link)
        return 0.0
    needed = np.flatnonzero(inside)
    before = np.flatnonzero(keys & (shown <= shown[needed].min()) & (np.arange(len(shown)) <= needed[0]))
    if not len(before):
        raise DatasetError(f"The video {stretch.path} has no key frame at {stretch.first:.3f} s or before.")
    begin = int(before[-1])
    end = _end(shown, begin, int(needed[-1]) + 1)
    try:
        _remux(stretch.path, target, begin, end, int(shown[begin]))
    except av.error.FFmpegError as error:
        if isinstance(error, OSError) and error.errno:  # of the disk
            raise
        raise _unreadable(stretch.path, error) from error
    return float(shown[begin] * base)


def _unreadable(path: Path, error: Exception) -> DatasetError:
    return DatasetError(f"The video {path} cannot be read: {error}.{git_lfs.hint(path)}")


def _index(path: Path) -> tuple[NDArray[np.int64], NDArray[np.bool_], float]:
    """Of every frame, in decoding order: its timestamp [units], whether it is a key frame. The unit [s]."""
    with av.open(str(path), format="mp4", metadata_errors="replace") as file:
        if not file.streams.video:
            raise DatasetError(f"The video {path} has no frames.")
        stream = file.streams.video[0]
        found = [(one.pts, one.is_keyframe) for one in file.demux(stream) if one.pts is not None and not one.is_discard]
        base = float(stream.time_base or 0)
    shown, keys = (np.array([row[i] for row in found]) for i in (0, 1))
    return shown.astype(np.int64), keys.astype(np.bool_), base


def _end(shown: NDArray[np.int64], begin: int, end: int) -> int:
    """The first index from `end` on such that no frame displayed before an included one is left out."""
    latest = np.maximum.accumulate(shown[begin:])
    later = np.append(np.minimum.accumulate(shown[::-1])[::-1], np.iinfo(np.int64).max)
    while latest[end - begin - 1] > later[end]:
        end += 1
    return end


def _remux(source: Path, target: Path, begin: int, end: int, zero: int) -> None:
    with (
        av.open(str(source), format="mp4", metadata_errors="replace") as given,
        av.open(str(target), "w", "mp4") as made,
    ):
        stream = given.streams.video[0]
        copied = made.add_stream_from_template(stream, opaque=True)
        place = -1
        for packet in given.demux(stream):
            if packet.pts is None or packet.is_discard:
                continue
            place += 1
            if not begin <= place < end or packet.pts < zero:  # before its key frame, it could not be decoded
                continue
            packet.pts -= zero
            packet.dts = None if packet.dts is None else packet.dts - zero
            packet.stream = copied
            made.mux(packet)
