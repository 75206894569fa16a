from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.rlds_files import FIXTURE, field, number, serialized, write_records

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.tfrecord import parse_example, read_records, values_of

SHARD = FIXTURE / "fractal20220817_data-train.tfrecord-00000-of-00002"


def test_what_tensorflow_wrote_is_read() -> None:
    records = list(read_records(SHARD))
    assert [record for record, _ in records] == [0, 1]
    example = parse_example(records[0][1])
    vectors = values_of(example["steps/action/world_vector"])
    assert isinstance(vectors, np.ndarray)
    assert (vectors.dtype, len(vectors) % 3) == (np.float32, 0)
    assert np.abs(vectors).max() <= 0.1
    flags = values_of(example["steps/is_first"])
    assert isinstance(flags, np.ndarray)
    assert flags.tolist() == [1, *[0] * (len(vectors) // 3 - 1)]
    images = values_of(example["steps/observation/image"])
    assert {bytes(image[:3]) for image in images} == {b"\xff\xd8\xff"}  # JPEG
    assert [record for record, _ in read_records(SHARD, skip=1)] == [1]
    assert list(read_records(SHARD, skip=2)) == []


def test_numbers_at_the_ends_of_their_ranges_come_back() -> None:
    whole = np.array([0, 1, -1, 127, 128, 2**63 - 1, -(2**63)])
    floats = np.array([0.0, -0.0, np.inf, 3.4e38], np.float32)
    example = parse_example(memoryview(serialized({"a/b": whole, "c": floats, "d": [b"", b"\0x"], "e": []})))
    np.testing.assert_array_equal(values_of(example["a/b"]), whole)
    np.testing.assert_array_equal(values_of(example["c"]), floats)
    assert [bytes(one) for one in values_of(example["d"])] == [b"", b"\0x"]
    assert list(values_of(example["e"])) == []
    one_by_one = field(2, b"".join(number(1 << 3 | 5) + one.tobytes() for one in floats))
    np.testing.assert_array_equal(values_of(memoryview(one_by_one)), floats)
    one_by_one = field(3, b"".join(number(1 << 3) + number(int(one)) for one in whole))
    np.testing.assert_array_equal(values_of(memoryview(one_by_one)), whole)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.6, 0.999])
def test_a_file_that_is_cut_off_is_named(tmp_path: Path, share: float) -> None:
    path = tmp_path / "x.tfrecord"
    path.write_bytes(SHARD.read_bytes()[: int(share * SHARD.stat().st_size)])
    with pytest.raises(DatasetError, match=r"x\.tfrecord is truncated in record [01]"):
        list(read_records(path))
    if share > 0.6:
        with pytest.raises(DatasetError, match=r"x\.tfrecord is truncated in record 1"):
            list(read_records(path, skip=2))


@pytest.mark.parametrize(
    ("place", "why"), [(0, "its length is wrong"), (9, "its length is wrong"), (500, "its data is wrong")]
)
def test_a_flipped_bit_is_found(tmp_path: Path, place: int, why: str) -> None:
    path, data = tmp_path / "x.tfrecord", bytearray(SHARD.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=rf"record 0 is damaged: {why} .*checksum"):
        list(read_records(path))


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    path.write_bytes(b"")
    assert list(read_records(path)) == []
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(DatasetError, match="pointer of Git LFS"):
        list(read_records(path))
    with pytest.raises(DatasetError, match="cannot be read"):
        list(read_records(tmp_path / "none"))
    write_records(path, [b"\x0a\xff\xff\xff\x7f"])
    (_, record), *_ = read_records(path)
    with pytest.raises(ValueError, match="beyond the end"):
        parse_example(record)
