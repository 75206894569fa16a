"""A clip can be read back, frame for frame."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from rt_vla_ros.evaluation.video_clip import write_clip


def test_frames_come_back_in_order_and_in_colour(tmp_path: Path) -> None:
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    frames = [np.full((404, 640, 3), colour, np.uint8) for colour in colours for _ in range(4)]
    assert write_clip(tmp_path / "clip.mp4", frames, Fraction(25, 2)) == 12
    with av.open(str(tmp_path / "clip.mp4")) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.average_rate) == ("h264", Fraction(25, 2))
        read = [frame.to_ndarray(format="rgb24") for frame in file.decode(stream)]
    assert len(read) == 12
    for frame, expected in zip(read, frames, strict=True):
        assert np.abs(frame.mean(axis=(0, 1)) - expected[0, 0]).max() < 12


def test_no_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        write_clip(tmp_path / "clip.mp4", [], Fraction(10))
