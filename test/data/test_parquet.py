from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rt_vla_ros.data import parquet
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.parquet import arrow, read_numbers, read_table, write_table


def written(path: Path, **columns: Any) -> Path:
    write_table(arrow().table(columns), path)
    return path


def test_numbers_come_in_any_of_their_layouts(tmp_path: Path) -> None:
    pa, values = arrow(), [[1.0, 2.0], [3.0, 4.0]]
    kinds = [pa.list_(pa.float32()), pa.list_(pa.float64(), 2), pa.large_list(pa.int16())]
    for kind in kinds:
        found = read_numbers(written(tmp_path / "a", action=pa.array(values, kind)), {"action": 2})
        np.testing.assert_array_equal(found["action"], values)
    single = written(tmp_path / "a", action=pa.array([1.0, 2.0]), i=pa.array([1, 2], pa.uint8()))
    found = read_numbers(single, {"action": 1, "i": None})
    np.testing.assert_array_equal(found["action"], [[1.0], [2.0]])
    np.testing.assert_array_equal(found["i"], [1, 2])


def test_numbers_as_text_are_no_numbers(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has string in the column 'episode_index', expected integers"):
        read_numbers(written(tmp_path / "a", episode_index=["0", "1"]), {"episode_index": None})
    with pytest.raises(DatasetError, match="has double in the column 'episode_index', expected integers"):
        read_numbers(written(tmp_path / "a", episode_index=[0.0, 1.0]), {"episode_index": None})


def test_a_table_that_claims_more_rows_than_it_has_bytes_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a", index=np.zeros(2_000_000, np.int64))
    assert path.stat().st_size < 10_000
    with pytest.raises(DatasetError, match=r"claims 2,000,000 rows, expected at most 10,000 in a file of its size"):
        read_numbers(path, {"index": None})


def test_a_row_of_a_hundred_million_numbers_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pa, many = arrow(), np.zeros(1_000_000, np.float32)
    path = written(tmp_path / "a", action=pa.ListArray.from_arrays(pa.array([0, 1_000_000], pa.int32()), many))
    monkeypatch.setattr(parquet, "MOST_VALUES", 100_000)
    with pytest.raises(DatasetError, match=r"claims 1,000,000 values, expected at most 100,000"):
        read_numbers(path, {"action": 2})


def test_a_long_sentence_that_is_stored_once_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a", task=["x" * 10_000] * 9000)  # 90 MB
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(parquet, "MOST_BYTES", 20_000_000)
    with pytest.raises(DatasetError, match=r"has more than 20,000,000 bytes"):
        read_table(path, ["task"])
    text = arrow().DictionaryArray.from_arrays(np.zeros(9000, np.int32), ["x" * 10_000])
    with pytest.raises(DatasetError, match=r"has columns of dictionary<.*, expected plain values"):
        read_table(written(path, task=text))


def test_columns_that_nobody_asks_for_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a", index=[0, 1], other=[[0.0] * 1000] * 2)
    monkeypatch.setattr(parquet, "MOST_VALUES", 100)
    assert read_table(path, ["index", "missing"]).column_names == ["index"]
