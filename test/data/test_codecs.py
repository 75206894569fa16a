"""Videos that are lossless, and those that are small; disks that are full."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.datasets import CARD, SIZE, make_episode

from rt_vla_ros.data.episode import DatasetError, Episode
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_writer import LeRobotWriter
from rt_vla_ros.data.video import Images, VideoReader, VideoWriter, write_video


def smooth(seed: int) -> Episode:
    """An episode whose images a lossy codec keeps about as they are."""
    across = np.linspace(0, 200, SIZE)
    images = np.stack([np.add.outer(across, across) / 2 + 5 * step for step in range(6)])
    return make_episode(seed, 6, images={"front": np.repeat(images[..., None], 3, -1).astype(np.uint8)})


@pytest.mark.parametrize(("codec", "name", "stored"), [("h264", "h264", "yuv420p"), ("av1", "av1", "yuv420p")])
def test_small_videos_show_about_the_same(codec: str, name: str, stored: str, tmp_path: Path) -> None:
    writer = LeRobotWriter(tmp_path / "set", CARD, with_scene=True, codec=codec)
    writer.add(smooth(0))
    writer.commit()
    found = LeRobotDataset(tmp_path / "set")[0].images["front"].astype(float)
    assert np.abs(found - smooth(0).images["front"]).mean() < 6
    info = json.loads((tmp_path / "set/meta/info.json").read_text())["features"]["observation.images.front"]["info"]
    assert (info["video.codec"], info["video.pix_fmt"]) == (name, stored)
    LeRobotWriter(tmp_path / "set", CARD, with_scene=True, codec=codec)
    with pytest.raises(DatasetError, match="was created with a video codec other than 'lossless'"):
        LeRobotWriter(tmp_path / "set", CARD, with_scene=True)


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_the_lerobot_package_reads_small_videos(codec: str, tmp_path: Path) -> None:
    package = pytest.importorskip("lerobot.datasets.lerobot_dataset", exc_type=ImportError)
    writer = LeRobotWriter(tmp_path / "set", CARD, with_scene=True, codec=codec)
    for seed in range(2):
        writer.add(smooth(seed))
    writer.commit()
    found = package.LeRobotDataset("someone/some", root=tmp_path / "set", video_backend="pyav")
    ours = [image for one in LeRobotDataset(tmp_path / "set") for image in one.images["front"]]
    assert len(found) == len(ours) == 12
    for item, image in zip(found, ours, strict=True):  # two ways from YUV to RGB
        pixels = item["observation.images.front"].permute(1, 2, 0).numpy() * 255
        assert np.abs(pixels - image).max() <= 4


def test_they_take_even_sizes_only(tmp_path: Path) -> None:
    odd = replace(CARD, cameras=(replace(CARD.cameras[0], width=33),))
    with pytest.raises(
        DatasetError, match="has 33x32 pixels; the codec 'av1' subsamples the colors and needs even sizes"
    ):
        LeRobotWriter(tmp_path / "set", odd, with_scene=True, codec="av1")
    assert not (tmp_path / "set").exists()
    with pytest.raises(ValueError, match="Images of 33x32 cannot be stored as h264"):
        write_video(tmp_path / "a.mp4", [np.zeros((32, 33, 3), np.uint8)], 5, "h264")
    assert not (tmp_path / "a.mp4").exists()


def test_hurried_ones_are_lossless_too(tmp_path: Path) -> None:
    images = make_episode(0).images["front"]
    writer = VideoWriter(tmp_path / "a.mp4", 5, hurried=True)
    for image in images:
        writer.add(image)
    writer.close()
    read = VideoReader().read(tmp_path / "a.mp4", np.arange(len(images)) / 5)
    np.testing.assert_array_equal(np.stack(list(read)), images)


def noise(number: int) -> Iterator[Images]:
    rng = np.random.default_rng(0)
    return (rng.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(number))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
@pytest.mark.parametrize("number", [1, 50])
def test_a_full_disk_is_told(number: int, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"a\.mp4"):
        write_video(tmp_path / "a.mp4", noise(number), 5)


def test_a_file_that_lost_its_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What writes the last bytes does not always tell that there was no room for them."""
    writer = VideoWriter(tmp_path / "a.mp4", 5)
    for image in noise(3):
        writer.add(image)
    writer.frames += 1
    with pytest.raises(OSError, match="only 3 of 4 frames were written"):
        writer.close()
