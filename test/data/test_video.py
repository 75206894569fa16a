from __future__ import annotations

from pathlib import Path

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


def test_any_stretch_is_found_by_its_time_stamps(clip: Path) -> None:
    reader = VideoReader()
    for first, count in ((0, 25), (24, 1), (9, 3), (10, 1), (3, 15), (0, 1)):
        np.testing.assert_array_equal(reader.read(clip, first / RATE, count, RATE), FRAMES[first : first + count])
    np.testing.assert_array_equal(reader.read(clip, 0.4, 3, RATE / 2), FRAMES[2:8:2]), "every other frame"


def test_times_without_a_frame_are_named(clip: Path) -> None:
    with pytest.raises(DatasetError, match=r"ends early: 1 of 2 frames from 4\.80 s on"):
        VideoReader().read(clip, 24 / RATE, 2, RATE)
    with pytest.raises(DatasetError, match=r"has no frame at 0\.100 s; the next is at 0\.200 s"):
        VideoReader().read(clip, 0.0, 3, 2 * RATE)
    with pytest.raises(DatasetError, match="is missing"):
        VideoReader().read(clip.with_name("b.mp4"), 0.0, 1, RATE)


def test_decoders_used_last_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    paths = [tmp_path / f"{number}.mp4" for number in range(3)]
    for path in paths:
        write_video(path, FRAMES, RATE)
    real = video.av.open
    monkeypatch.setattr(video.av, "open", lambda name: (opened.append(Path(name).stem), real(name))[1])
    reader = VideoReader(max_open=2)
    for number in (0, 1, 0, 2, 0, 1):
        reader.read(paths[number], 0.0, 1, RATE)
    assert opened == ["0", "1", "2", "1"]
