"""A new dataset is inside nothing that it is made of, and nothing of that in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.new_place import check_apart, check_new


@pytest.mark.parametrize(
    ("out", "source", "sentence"),
    [
        ("data/new", "data", r"data/new is inside the source .*data; choose an output directory outside it\."),
        ("data/a/b/new", "data", "is inside"),
        ("linked/new", "data", "is inside"),
        ("data/../data/new", "data", "is inside"),
        ("new", "new/data", "data is inside .*new; choose an output directory for the new dataset only"),
        ("new", "new.part/data", r"data is inside .*new\.part"),
        ("new", "new.part", "are the same directory; choose a different output directory"),
        ("linked", "data", "are the same directory"),
    ],
)
def test_places_in_each_other_are_refused(tmp_path: Path, out: str, source: str, sentence: str) -> None:
    (tmp_path / source).mkdir(parents=True)
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "linked").symlink_to(tmp_path / "data")
    with pytest.raises(DatasetError, match=sentence):
        check_apart(tmp_path / out, [tmp_path / "other", tmp_path / source])


def test_places_beside_each_other_are_fine(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "empty").mkdir()
    for name in ("data2", "new", "empty"):
        check_new(tmp_path / name, [tmp_path / "data", tmp_path / "bags/one.mcap"])
