from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.datasets import make_episode

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.training import windows
from rt_vla_ros.training.windows import IMAGES, INDEX, cached_frames


def test_videos_are_decoded_once(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    said: list[str] = []
    frames = cached_frames(tmp_path / "frames", datasets, said.append)
    wanted = np.concatenate([make_episode(seed, length=5 + seed).images["front"] for seed in range(5)])
    np.testing.assert_array_equal(frames, wanted[:, None])
    assert said[0].startswith(f"the decoded frames need {wanted.nbytes:,} bytes in {tmp_path / 'frames'}; ")
    assert said[1:] == [f"decoding videos, episode {number} of 5" for number in range(1, 6)]
    cached_frames(tmp_path / "frames", datasets, said.append)
    assert len(said) == 6
    cached_frames(tmp_path / "frames", datasets[:1], said.append)
    assert len(said) == 10


def test_damaged_frames_are_decoded_again_or_named(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        cached_frames(tmp_path / "frames", datasets, said.append)
        (tmp_path / "frames" / INDEX).write_text("{")
    assert len(said) == 12
    cached_frames(tmp_path / "frames", datasets, said.append)
    (tmp_path / "frames" / IMAGES).write_bytes(b"half")
    with pytest.raises(DatasetError, match=r"The decoded frames in .*frames are damaged .*; delete this directory"):
        cached_frames(tmp_path / "frames", datasets, said.append)


def test_a_disk_that_lacks_the_bytes_is_named_before_anything_is_decoded(
    datasets: list[LeRobotDataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    with monkeypatch.context() as patch:
        patch.setattr(windows.shutil, "disk_usage", lambda _: usage)
        with pytest.raises(DatasetError, match=r"need 107,520 bytes, but the disk of .* has 1,000 left\. Train"):
            cached_frames(tmp_path / "frames", datasets, said.append)
    assert len(said) == 1
    assert not list((tmp_path / "frames").iterdir())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:  # somebody else has filled the disk meanwhile
        patch.setattr(np.lib.format, "write_array_header_1_0", full)
        with pytest.raises(OSError, match=r"No space left.*frames"):
            cached_frames(tmp_path / "frames", datasets, said.append)
    assert len(cached_frames(tmp_path / "frames", datasets, said.append)) == 35
