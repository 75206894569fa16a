from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.video import VideoReader, write_video
from rt_vla_ros.data.video_copy import VideoStretch, copy_stretch

RATE, COUNT = 10, 40
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 32, 32, 3), np.uint8)


def lossless(path: Path) -> None:
    write_video(path, IMAGES, RATE)


def with_pictures_out_of_order(path: Path) -> None:
    """As other programs write: some pictures are decoded before others that are shown before them."""
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("libx264rgb", rate=RATE, options={"crf": "0", "g": "12", "bf": "3"})
        stream.height, stream.width, stream.pix_fmt = 32, 32, "rgb24"
        smooth = np.linspace(0, 255, COUNT)[:, None, None, None] * np.ones((1, 32, 32, 3))
        for pixels in smooth.astype(np.uint8):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode())


@pytest.mark.parametrize("write", [lossless, with_pictures_out_of_order])
@pytest.mark.parametrize(("first", "end"), [(0, COUNT), (0, 5), (3, 4), (9, 31), (10, 20), (37, COUNT), (13, 14)])
def test_the_pictures_of_a_stretch_are_the_same_bytes_at_their_times(
    tmp_path: Path, write: object, first: int, end: int
) -> None:
    source, target = tmp_path / "whole.mp4", tmp_path / "part.mp4"
    write(source)  # type: ignore[operator]
    times = VideoReader().times(source, 32, 32)
    wanted = list(VideoReader().read(source, times))[first:end]
    zero = copy_stretch(VideoStretch(source, first / RATE, end / RATE), target, RATE)
    found = VideoReader().times(target, 32, 32)
    np.testing.assert_array_equal(list(VideoReader().read(target, times[first:end] - zero)), wanted)
    np.testing.assert_allclose(found, np.arange(len(found)) / RATE, atol=1e-4)  # none is missing: lerobot counts them
    assert len(found) <= end - first + 20
    if end - first == COUNT:
        assert target.read_bytes() == source.read_bytes()


def test_a_hard_link_is_the_same_file_unless_it_is_cut(tmp_path: Path) -> None:
    source, target = tmp_path / "whole.mp4", tmp_path / "part.mp4"
    lossless(source)
    copy_stretch(VideoStretch(source, 0.0, COUNT / RATE), target, RATE, link=True)
    assert target.samefile(source)
    copy_stretch(VideoStretch(source, 0.0, 1.0), tmp_path / "cut.mp4", RATE, link=True)
    assert not (tmp_path / "cut.mp4").samefile(source)


def test_what_is_no_video_and_what_is_not_in_it_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "whole.mp4"
    lossless(source)
    with pytest.raises(DatasetError, match=r"has no frames from 9\.000 s to 10\.000 s"):
        copy_stretch(VideoStretch(source, 9.0, 10.0), tmp_path / "x.mp4", RATE)
    source.write_bytes(source.read_bytes()[:500])
    with pytest.raises(DatasetError, match=r"whole\.mp4 cannot be read"):
        copy_stretch(VideoStretch(source, 0.0, 1.0), tmp_path / "x.mp4", RATE)
