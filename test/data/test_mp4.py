from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.mp4 import check_claims
from rt_vla_ros.data.video import VideoReader, write_video


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    write_video(tmp_path / "a.mp4", np.zeros((5, 16, 16, 3), np.uint8), 5)
    return tmp_path / "a.mp4"


def test_a_video_claims_what_it_has(clip: Path) -> None:
    check_claims(clip)


@pytest.mark.parametrize(
    ("box", "place", "count"), [(b"stsz", 12, 4_000_000), (b"stsz", 12, 1 << 31), (b"stts", 12, 1 << 30)]
)
def test_a_billion_pictures_in_a_small_file_are_refused_at_once(clip: Path, box: bytes, place: int, count: int) -> None:
    content = bytearray(clip.read_bytes())
    struct.pack_into(">I", content, content.index(box) + place, count)
    clip.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"claims {count:,} frames in [\d,]+ bytes"):
        VideoReader().times(clip, 16, 16)


def test_a_compressed_index_and_one_of_gigabytes_are_refused(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = clip.read_bytes()
    clip.write_bytes(whole + struct.pack(">I4s", 16, b"moov") + struct.pack(">I4s", 8, b"cmov"))
    with pytest.raises(DatasetError, match="has a compressed index"):
        check_claims(clip)
    with clip.open("wb") as file:  # sparse
        file.write(whole + struct.pack(">I4sQ", 1, b"udta", 1 << 32))
        file.truncate(1 << 32)
    with pytest.raises(DatasetError, match="has an index of more than 67,108,864 bytes"):
        check_claims(clip)


@pytest.mark.parametrize("content", [b"", b"abc", bytes(16), struct.pack(">I4s", 4, b"moov"), b"\xff" * 64])
def test_what_is_no_video_is_left_to_the_decoder(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    check_claims(tmp_path / "a.mp4")
    with pytest.raises(DatasetError, match="cannot be read"):
        VideoReader().times(tmp_path / "a.mp4", 16, 16)
