from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from rt_vla_ros.data import video
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.video import VideoReader, write_video

FRAMES = np.random.default_rng(0).integers(0, 256, (25, 16, 16, 3), np.uint8)
RATE = 5


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    write_video(tmp_path / "a.mp4", FRAMES, RATE)
    return tmp_path / "a.mp4"


def test_any_stretch_is_found_by_its_times(clip: Path) -> None:
    reader = VideoReader()
    times = reader.times(clip, 16, 16)
    np.testing.assert_allclose(times, np.arange(25) / RATE, atol=1e-9)
    for first, count in ((0, 25), (24, 1), (9, 3), (10, 1), (3, 15), (0, 1)):
        found = np.stack(list(reader.read(clip, times[first : first + count])))
        np.testing.assert_array_equal(found, FRAMES[first : first + count])
    np.testing.assert_array_equal(np.stack(list(reader.read(clip, times[2:8:2]))), FRAMES[2:8:2])


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"x264-params": "open-gop=1:keyint=6:min-keyint=6:bframes=3:b-adapt=0:scenecut=0"}),
        ("libx265", {"x265-params": "log-level=none:keyint=6"}),
        ("mpeg4", {"g": "6", "bf": "2"}),
    ],
)
def test_every_picture_is_found_by_itself_in_what_other_programs_write(
    tmp_path: Path, codec: str, options: dict[str, str]
) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=RATE, options=options)
        stream.pix_fmt, stream.width, stream.height = "yuv420p", 64, 64
        for image in FRAMES:
            enlarged = np.kron(image, np.ones((4, 4, 1), np.uint8))
            file.mux(stream.encode(av.VideoFrame.from_ndarray(enlarged, format="rgb24")))
        file.mux(stream.encode())
    reader = VideoReader()
    times = reader.times(path, 64, 64)
    whole = list(VideoReader().read(path, times))
    assert len(whole) == len(FRAMES)
    for i in (5, 6, 7, 23, *range(11, 19)):
        np.testing.assert_array_equal(next(reader.read(path, times[i : i + 1])), whole[i])


def test_what_is_not_there_is_named(clip: Path) -> None:
    with pytest.raises(DatasetError, match=r"its frame at 4\.900 s cannot be decoded"):
        list(VideoReader().read(clip, np.array([4.9])))
    with pytest.raises(DatasetError, match="is missing"):
        VideoReader().times(clip.with_name("b.mp4"), 16, 16)
    with pytest.raises(DatasetError, match="is 16x16, expected 32x16"):
        VideoReader().times(clip, 16, 32)


def test_a_grey_video_is_no_camera(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("libx265", rate=RATE, options={"x265-params": "log-level=none:bframes=0"})
        stream.pix_fmt, stream.width, stream.height = "gray", 64, 64
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64), np.uint8), format="gray")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    with pytest.raises(DatasetError, match="has frames of the format gray, one channel as in a depth map"):
        VideoReader().times(tmp_path / "a.mp4", 64, 64)


def test_a_file_with_sound_only_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    with pytest.raises(DatasetError, match="has no frames, or an unknown codec"):
        VideoReader().times(tmp_path / "a.mp4", 16, 16)


def test_a_playlist_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
    with pytest.raises(DatasetError, match="cannot be read"):
        VideoReader().times(path, 16, 16)


def test_a_stream_larger_than_its_file_says_is_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, np.zeros((2, 1024, 1024, 3), np.uint8), RATE)
    content = bytearray(path.read_bytes())
    place = content.index(b"avc1", content.index(b"stsd")) + 28
    assert content[place : place + 4] == b"\x04\x00\x04\x00"
    content[place : place + 4] = b"\x00\x10\x00\x10"
    path.write_bytes(content)
    reader = VideoReader()
    with pytest.raises(DatasetError, match=r"1024x1024, expected 16x16|cannot be (read|decoded)"):
        list(reader.read(path, reader.times(path, 16, 16)))


def test_decoders_used_last_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    paths = [tmp_path / f"{number}.mp4" for number in range(3)]
    for path in paths:
        write_video(path, FRAMES, RATE)
    real = video.av.open
    monkeypatch.setattr(video.av, "open", lambda name, **rest: (opened.append(Path(name).stem), real(name, **rest))[1])
    reader = VideoReader(max_open=2)
    for number in (0, 1, 0, 2, 0, 1):
        list(reader.read(paths[number], np.zeros(1)))
    assert opened == ["0", "1", "2", "1"]
