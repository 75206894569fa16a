from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from support.datasets import (
    FRONT,
    ROWS,
    SIZE,
    TABLES,
    VIDEOS,
    change_cell,
    change_column,
    make_episode,
    png,
    put_images_into_tables,
)

from rt_vla_ros.data import lerobot_pictures
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.parquet import read_table, write_table
from rt_vla_ros.data.video import write_video

FROM, TO = f"videos/{FRONT}/from_timestamp", f"videos/{FRONT}/to_timestamp"
FIRST_FILE = np.concatenate([make_episode(seed, length=5 + seed).images["front"] for seed in range(3)])


def assert_whole(dataset: Path) -> None:
    for seed, episode in enumerate(LeRobotDataset(dataset)):
        np.testing.assert_array_equal(episode.images["front"], make_episode(seed, length=5 + seed).images["front"])


def write_at(path: Path, times: list[float], rate: int = 100) -> None:
    """The first file's images at these times [s], whole multiples of 1 / rate."""
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("libx264rgb", rate=rate, options={"crf": "0", "bf": "0"})
        stream.pix_fmt, stream.width, stream.height = "rgb24", SIZE, SIZE
        for time, pixels in zip(times, FIRST_FILE, strict=False):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = round(time * rate)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


TIMES = (np.arange(18) / 5).tolist()


def test_a_video_at_half_the_rate_is_refused(dataset: Path) -> None:
    write_video(dataset / VIDEOS[0], FIRST_FILE[::2], rate=2)
    sentence = (
        r"file-000\.mp4 \(observation\.images\.front, episode 0\) has no frame at 0\.200 s, for time step 1: the "
    )
    with pytest.raises(DatasetError, match=sentence + r"nearest is at 0\.000 s, expected less than 0\.100 s away"):
        LeRobotDataset(dataset).labels(0)


def test_a_video_at_twice_the_rate_is_refused(dataset: Path) -> None:
    write_video(dataset / VIDEOS[0], FIRST_FILE, rate=10)
    with pytest.raises(
        DatasetError, match=r"for the steps 0 and 1 it has those at 0\.000 s and 0\.200 s, which do not f"
    ):
        LeRobotDataset(dataset).labels(0)


@pytest.mark.parametrize("lost", [0, 2, 4])
def test_a_picture_that_was_dropped_is_missed_at_its_time(dataset: Path, lost: int) -> None:
    write_at(dataset / VIDEOS[0], TIMES[:lost] + TIMES[lost + 1 :])
    with pytest.raises(DatasetError, match=rf"episode 0\) has no frame at {lost / 5:.3f} s, for time step {lost}"):
        LeRobotDataset(dataset).images(0, "front", lost, 1)


def test_pictures_may_be_less_than_half_a_period_away(dataset: Path) -> None:
    write_at(dataset / VIDEOS[0], [time + 0.09 for time in TIMES])
    assert_whole(dataset)
    write_at(dataset / VIDEOS[0], [max(0.0, time - 0.09) for time in TIMES])
    assert_whole(dataset)
    write_at(dataset / VIDEOS[0], [time + 0.11 for time in TIMES])
    with pytest.raises(DatasetError, match=r"has no frame at 0\.000 s"):
        LeRobotDataset(dataset).labels(0)


def test_pictures_are_matched_to_the_time_of_the_row(dataset: Path) -> None:
    write_at(dataset / VIDEOS[0], [time + 0.09 for time in TIMES])
    change_column(dataset / TABLES[0], "timestamp", [i / 5 - 0.09 for n in (5, 6, 7) for i in range(n)])
    with pytest.raises(DatasetError, match=r"has no frame at -0\.090 s, for time step 0: the nearest is at 0\.090 s"):
        LeRobotDataset(dataset).labels(0)


def test_two_time_steps_never_share_a_picture(dataset: Path) -> None:
    write_at(dataset / VIDEOS[0], [0.0, 0.3, 0.5, *TIMES[3:]])
    change_cell(dataset / TABLES[0], "timestamp", 1, 0.29)
    change_cell(dataset / TABLES[0], "timestamp", 2, 0.31)
    with pytest.raises(
        DatasetError, match=r"for the steps 1 and 2 it has those at 0\.300 s and 0\.300 s, which do not"
    ):
        LeRobotDataset(dataset).labels(0)


def test_a_stretch_beyond_the_end_of_its_video_is_refused(dataset: Path) -> None:
    change_cell(dataset / ROWS[0], FROM, 2, 2.6)
    change_cell(dataset / ROWS[0], TO, 2, 4.0)
    found = LeRobotDataset(dataset)
    assert len(found[1]) == 6
    with pytest.raises(
        DatasetError, match=r"episode 2\) has no frame at 3\.600 s, for time step 5: the nearest is at 3\.4"
    ):
        found.labels(2)


def test_a_video_without_pictures_is_named(dataset: Path) -> None:
    write_video(dataset / VIDEOS[0], FIRST_FILE[:1], rate=5)
    with pytest.raises(DatasetError, match=r"has no frame at 0\.200 s, for time step 1: the nearest is at 0\.000 s"):
        LeRobotDataset(dataset).labels(0)


def test_images_in_tables_are_read(dataset: Path) -> None:
    put_images_into_tables(dataset)
    assert_whole(dataset)
    some = LeRobotDataset(dataset).images(4, "front", 3, 2)  # across two groups of rows
    np.testing.assert_array_equal(some, make_episode(4, length=9).images["front"][3:5])


def test_images_in_tables_of_any_order_are_read(dataset: Path) -> None:
    put_images_into_tables(dataset)
    table = read_table(dataset / TABLES[1])
    write_table(table.take(np.random.default_rng(0).permutation(len(table))), dataset / TABLES[1], rows_per_group=4)
    assert_whole(dataset)


def test_images_beside_tables_are_read_where_they_are_in_the_dataset(dataset: Path) -> None:
    numbers = iter(range(35))

    def beside(data: bytes) -> dict[str, Any]:
        name = f"images/{next(numbers)}.png"
        (dataset / "images").mkdir(exist_ok=True)
        (dataset / name).write_bytes(data)
        return {"bytes": None, "path": name}

    put_images_into_tables(dataset, beside)
    assert_whole(dataset)
    change_cell(dataset / TABLES[0], FRONT, 1, {"bytes": None, "path": "../secret.png"})
    with pytest.raises(
        DatasetError, match=r"time step 1 of episode 0 cannot be read: '\.\./secret\.png' leaves the dir"
    ):
        LeRobotDataset(dataset).images(0, "front", 0, 5)


def bomb() -> bytes:
    """A file that claims 9000x9000 pixels."""
    whole = png(np.zeros((SIZE, SIZE, 3), np.uint8))
    header = b"IHDR" + struct.pack(">II", 9000, 9000) + whole[24:29]
    return whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:]


GREY = np.zeros((SIZE, SIZE), np.uint8)


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ({"bytes": png(GREY), "path": None}, "it is 32x32 with the channels L, expected 32x32 with RGB"),
        (
            {"bytes": png(GREY.astype(np.uint16)), "path": None},
            "it is 32x32 with the channels I;16, expected 32x32 with",
        ),
        (
            {"bytes": png(np.zeros((16, 32, 3), np.uint8)), "path": None},
            "it is 32x16 with the channels RGB, expected 32x",
        ),
        ({"bytes": png(np.zeros((SIZE, SIZE, 3), np.uint8), "TIFF"), "path": None}, "it is neither PNG nor JPEG."),
        ({"bytes": png(np.zeros((SIZE, SIZE, 3), np.uint8))[:60], "path": None}, "cannot be read"),
        ({"bytes": b"", "path": None}, "it is neither PNG nor JPEG."),
        ({"bytes": None, "path": None}, "cannot be read: it is missing."),
        (None, "cannot be read"),
        ({"bytes": bomb(), "path": None}, "it is 9000x9000 with the channels RGB, expected 32x32"),
    ],
)
def test_what_is_no_image_of_the_camera_is_refused_with_its_place(dataset: Path, cell: object, sentence: str) -> None:
    put_images_into_tables(dataset)
    change_cell(dataset / TABLES[0], FRONT, 7, cell)
    with pytest.raises(
        DatasetError, match=r"'observation\.images\.front' at time step 2 of episode 1 cannot be read"
    ) as e:
        LeRobotDataset(dataset).images(1, "front", 0, 6)
    assert sentence in str(e.value)


def test_another_kind_of_column_is_refused_before_training(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_images_into_tables(dataset)
    whole = read_table(dataset / TABLES[0])
    with monkeypatch.context() as patch:
        patch.setattr(lerobot_pictures, "MOST_BYTES", 100)
        with pytest.raises(DatasetError, match="has more than 100 bytes of images in one row group"):
            LeRobotDataset(dataset).labels(0)
    place = whole.schema.get_field_index(FRONT)
    write_table(whole.set_column(place, FRONT, whole.column("index")), dataset / TABLES[0])
    with pytest.raises(
        DatasetError, match=r"has int64 in the column 'observation\.images\.front', expected bytes and path"
    ):
        LeRobotDataset(dataset).labels(0)
    write_table(whole.remove_column(place), dataset / TABLES[0])
    with pytest.raises(DatasetError, match=r"needs one column 'observation\.images\.front'; available: action"):
        LeRobotDataset(dataset).labels(0)
